"""The second world of the feed: guards, and a verifier in another service that follows them. See `feed_world`.

A head that a guard tells carries what is left of its lease, and the next entry if the guard can read it. A snapshot is
the guard's own floors; it renews nothing, for the head may be asked of another guard.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from functools import cache
from typing import NamedTuple

from ostiary.core.floor import Renewal
from tests.core.feed_world import (
    LEASE,
    STUCK,
    Answer,
    Rules,
    Truth,
    View,
    broken_by,
    carried,
    is_just,
    next_entry,
    settled,
    streamed,
    the_one,
    told,
    verdict,
)
from tests.core.following import after_three_rounds, round_made

_VERIFIER = -1


class Verifying(NamedTuple):
    """A store, guards and a verifier."""

    rules: Rules = Rules()
    """The rules of the store and of the guards."""
    verifies_by: Rules = Rules()
    truth: Truth = Truth()
    guards: tuple[View, ...] = (View(),)
    verifier: View = View()
    answer: Answer | None = None
    """A head that is on its way to the verifier. What is left of its lease runs out meanwhile."""
    unaware: frozenset[int] = frozenset()
    """Who has not asked since a backup was put back: guards, and the verifier, which is number -1."""

    def steps(self) -> Iterator[tuple[str, "Verifying"]]:
        if not self.unaware:
            for sid in self.truth.can_be_logged_out():
                yield f"{sid} is logged out", self._replace(truth=self.truth.logged_out(sid))
        for what, truth in self.truth.failed_over():
            yield what, self._put_back(truth) if self.rules.is_quiet else self._replace(truth=truth)
        for i, guard in enumerate(self.guards):
            renewal, view = round_made(self.rules, self.truth, guard)
            yield f"guard {i} asks the store: {renewal.value}", self._with(i, view)
            if guard != View():
                yield f"guard {i} restarts", self._with(i, View())
        yield from self._verifier_steps()
        yield from self._carried()
        yield "a tick passes", self._later()

    def _put_back(self, truth: Truth) -> "Verifying":
        return self._replace(truth=truth, answer=None, unaware=frozenset({*range(len(self.guards)), _VERIFIER}))

    def _verifier_steps(self) -> Iterator[tuple[str, "Verifying"]]:
        if self.verifier != View() or self.answer:
            yield "the verifier restarts", self._seen(View())
        if self.answer:
            renewal, view = told(self.verifies_by, self.verifier, self.answer, 0)
            yield f"the answer reaches the verifier: {renewal.value}", self._told(self.answer, view)
            return
        for i, guard in enumerate(self.guards):
            if guard.left:
                yield (
                    f"guard {i} is asked for its head",
                    self._replace(answer=_head(self.rules, self.verifies_by, self.truth, guard, self.verifier)),
                )
                snapshot = _snapshot(guard)
                view = told(self.verifies_by, self.verifier, snapshot, 0)[1]
                yield f"the verifier starts from the snapshot of guard {i}", self._told(snapshot, view)

    def _carried(self) -> Iterator[tuple[str, "Verifying"]]:
        for seq, sid in streamed(self.verifies_by, self.truth, self.verifier):
            view = carried(self.verifies_by, self.verifier, seq, sid)
            after = self._replace(verifier=view) if self.answer else self._seen(view)
            yield f"a stream carries entry {seq} ({sid}) to the verifier", after

    def _later(self) -> "Verifying":
        on_its_way = self.verifies_by.counted_from(1)
        return self._replace(
            truth=self.truth.later(),
            guards=tuple(guard.later() for guard in self.guards),
            verifier=self.verifier.later(),
            answer=self.answer and self.answer._replace(left=max(0, (self.answer.left or 0) - on_its_way)),
        )

    def _with(self, i: int, guard: View) -> "Verifying":
        guards = (*self.guards[:i], guard, *self.guards[i + 1 :])
        return self._replace(guards=guards, unaware=self.unaware - {i})

    def _told(self, answer: Answer, view: View) -> "Verifying":
        if answer.at is None or answer.at.seq > len(self.truth.feed):
            return self._seen(view)
        age = LEASE - (answer.left or 0)
        is_telling = answer.starts_over or all(grown > age for grown, _ in self.verifier.grown)
        return self._seen(view)._replace(unaware=self.unaware - {_VERIFIER} if is_telling else self.unaware)

    def _seen(self, view: View) -> "Verifying":
        return self._replace(verifier=settled(view), answer=None)

    def broken(self) -> str:
        return the_one(self._broken(), self.verifies_by)

    def _broken(self) -> Iterator[str]:
        for view in (*self.guards, self.verifier):
            yield from broken_by(self.truth, view, len(self.truth.feeds) - 1 if self.rules.has_timeline else 0)
        timeless, verifier = Truth(self.truth.feeds), settled(self.verifier)
        if not all(_recovers(self.rules, self.verifies_by, timeless, guard, verifier) for guard in self.guards):
            yield STUCK

    def essence(self) -> Hashable:
        guards = self.guards if self.unaware else frozenset(Counter(self.guards).items())
        return self.truth, guards, *self[4:]


def _snapshot(guard: View) -> Answer:
    sids = tuple(sorted({raised.sid for raised in guard.raised}))
    return Answer(guard.at, snapshot=sids, starts_over=True, left=0)


def _head(rules: Rules, verifies_by: Rules, truth: Truth, guard: View, verifier: View) -> Answer:
    """Return the head that a guard tells, and the entry after the verifier's view if the guard can read it."""
    assert guard.at is not None
    left = verifies_by.left(guard.left)
    is_present = guard.at.incarnation == (len(truth.feeds) - 1 if rules.has_timeline else 0)
    if not is_present or verdict(verifies_by, verifier, guard.at) is not Renewal.BEHIND:
        return Answer(guard.at, left=left)
    return Answer(guard.at, next_entry(verifier, truth.feed[: guard.at.seq]), left=left)


@cache
def _recovers(rules: Rules, verifies_by: Rules, truth: Truth, guard: View, verifier: View) -> bool:
    """Let a guard, and then a verifier that asks no other, ask three times, and tell whether both are just."""
    guard = after_three_rounds(rules, truth, guard)
    wants_snapshot = False
    for _ in range(3):
        answer = _snapshot(guard) if wants_snapshot else _head(rules, verifies_by, truth, guard, verifier)
        renewal, verifier = told(verifies_by, verifier, answer, 0)
        wants_snapshot = renewal is Renewal.START_OVER
    return is_just(truth, guard) and is_just(truth, verifier)
