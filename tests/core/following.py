"""The first world of the feed: a store that fails over, and a guard that follows it. See `feed_world`."""

from collections.abc import Hashable, Iterator
from functools import cache
from typing import NamedTuple

from ostiary.core.floor import Renewal
from tests.core.feed_world import (
    LEASE,
    STUCK,
    Answer,
    At,
    Rules,
    Truth,
    View,
    broken_by,
    carried,
    is_just,
    next_entry,
    raised_here,
    settled,
    streamed,
    the_one,
    told,
    verdict,
)


class Question(NamedTuple):
    age: int = 0
    answer: Answer | None = None


def read(rules: Rules, truth: Truth, view: View, *, incarnation: int = -1, upto: int | None = None) -> Answer:
    """Return what the store answers to a guard; of a snapshot the first half. It is asked for if the head says so."""
    feed = truth.feeds[incarnation][:upto]
    at = At(incarnation % len(truth.feeds) if rules.has_timeline else 0, len(feed))
    if verdict(rules, view, at) is not Renewal.START_OVER:
        return Answer(at, next_entry(view, feed))
    return Answer(at, starts_over=True) if rules.head_first else Answer(None, snapshot=feed, starts_over=True)


def completed(rules: Rules, truth: Truth, answer: Answer) -> Answer:
    """Return a snapshot with its second half, as it is now."""
    at = At(len(truth.feeds) - 1 if rules.has_timeline else 0, len(truth.feed))
    return answer._replace(at=answer.at or at, snapshot=truth.feed if answer.snapshot is None else answer.snapshot)


@cache
def round_made(rules: Rules, truth: Truth, view: View) -> tuple[Renewal, View]:
    """Let a guard ask and be answered within one moment."""
    answer = read(rules, truth, view)
    renewal, after = told(rules, view, answer if answer.is_complete else completed(rules, truth, answer), 0)
    return renewal, settled(after)._replace(grown=())


def after_three_rounds(rules: Rules, truth: Truth, view: View) -> View:
    """Return a guard's view when it has asked three times at most, until its lease was renewed."""
    for _ in range(3):
        renewal, view = round_made(rules, truth, view)
        if renewal is Renewal.RENEWED:
            break
    return view


class Following(NamedTuple):
    """A store and a guard."""

    rules: Rules = Rules()
    truth: Truth = Truth()
    view: View = View()
    asked: Question | None = None
    is_unaware: bool = False
    """Whether a backup was put back, and the guard has not asked since."""

    def steps(self) -> Iterator[tuple[str, "Following"]]:
        yield from self._store_steps()
        yield from self._guard_steps()
        yield from self._carried()
        yield from self._mistaken()
        yield "a tick passes", self._later()

    def _store_steps(self) -> Iterator[tuple[str, "Following"]]:
        if not self.is_unaware:
            for sid in self.truth.can_be_logged_out():
                after = self._replace(truth=self.truth.logged_out(sid))
                yield f"{sid} is logged out", after
                if self.view.at is not None and not self.view.has(sid):
                    yield f"{sid} is logged out at the guard", after._seen(raised_here(self.view, sid), self.asked)
        for what, truth in self.truth.failed_over():
            after = self._replace(truth=truth, is_unaware=self.rules.is_quiet)
            yield what, after._replace(asked=self.asked and Question(self.asked.age)) if self.rules.is_quiet else after

    def _guard_steps(self) -> Iterator[tuple[str, "Following"]]:
        if self.view != View() or self.asked:
            yield "the guard restarts", self._seen(View(), None)._replace(is_unaware=False)
        if self.asked is None:
            yield "the guard asks", self._seen(self.view, Question())
            return
        yield "the guard gives up", self._seen(self.view, None)
        answer = self.asked.answer
        if answer is None:
            for who, first in self._heard():
                yield f"{who} answers: {_said(first)}", self._replace(asked=self.asked._replace(answer=first))
        elif not answer.is_complete:
            whole = completed(self.rules, self.truth, answer)
            yield f"the store answers the rest: {_said(whole)}", self._replace(asked=self.asked._replace(answer=whole))
        else:
            renewal, view = told(self.rules, self.view, answer, self.rules.counted_from(self.asked.age))
            yield f"the answer arrives: {renewal.value}", self._seen(view, None)._replace(is_unaware=False)

    def _heard(self) -> Iterator[tuple[str, Answer]]:
        yield "the store", read(self.rules, self.truth, self.view)
        if not self.rules.asks_the_truth:
            for upto in range(len(self.truth.feed)):
                yield "a replica", read(self.rules, self.truth, self.view, upto=upto)
        if not self.rules.is_fenced and len(self.truth.feeds) > 1:
            yield "the old primary", read(self.rules, self.truth, self.view, incarnation=-2)

    def _carried(self) -> Iterator[tuple[str, "Following"]]:
        for seq, sid in streamed(self.rules, self.truth, self.view):
            yield (
                f"a stream carries entry {seq} ({sid})",
                self._seen(carried(self.rules, self.view, seq, sid), self.asked),
            )

    def _mistaken(self) -> Iterator[tuple[str, "Following"]]:
        """Yield what the rules keep from happening."""
        if not self.rules.renews_by_asking and self.view.at is not None:
            for seq in range(len(self.truth.feed) + 1):
                view = told(self.rules, self.view, Answer(At(len(self.truth.feeds) - 1, seq)), 0)[1]
                yield f"a heartbeat arrives that says {seq}", self._seen(view, self.asked)
        if not self.rules.counts_sleep:
            yield "a tick passes while the guard's machine sleeps", self._replace(truth=self.truth.later())

    def _later(self) -> "Following":
        asked = self.asked and self.asked._replace(age=min(self.asked.age + 1, LEASE))
        return self._replace(truth=self.truth.later(), view=self.view.later(), asked=asked)

    def _seen(self, view: View, asked: Question | None) -> "Following":
        return self._replace(view=(view if asked else settled(view))._replace(grown=()), asked=asked)

    def broken(self) -> str:
        return the_one(self._broken(), self.rules)

    def _broken(self) -> Iterator[str]:
        yield from broken_by(self.truth, self.view, len(self.truth.feeds) - 1 if self.rules.has_timeline else 0)
        timeless = Truth(self.truth.feeds)
        if not is_just(timeless, after_three_rounds(self.rules, timeless, settled(self.view))):
            yield STUCK

    def essence(self) -> Hashable:
        return self[1:]


def _said(answer: Answer) -> str:
    parts = [f"head {answer.at.seq} of incarnation {answer.at.incarnation}"] if answer.at else []
    parts += [f"entry {seq} ({sid})" for seq, sid in answer.entries]
    parts += [f"floors of {', '.join(answer.snapshot) or 'nobody'}"] if answer.snapshot is not None else []
    return ", ".join(parts)
