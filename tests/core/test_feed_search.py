"""Feed, floor, lease and cache keep their promises in every state of three small worlds, and mistakes are found."""

from collections.abc import Iterable
from typing import Any

import pytest

from ostiary.core.floor import Entry, Floors, Head, Renewal, Snapshot
from tests.core.feed_world import HOLE, LATE, LEASE, STUCK, Rules, Truth, View
from tests.core.following import Following
from tests.core.remembering import Habits, Remembering
from tests.core.search import World, search
from tests.core.verifying import Verifying

pytestmark = pytest.mark.timeout(300)  # seconds are enough on a quiet machine

TWO_GUARDS = Verifying(guards=(View(), View()), truth=Truth(feeds=((), ())))
"""The one failover has been."""

BY_HAND = Rules(has_timeline=False, is_quiet=True)
"""A backup is put back by hand: the incarnation stays, and nobody is logged out before everybody has seen it."""


@pytest.mark.parametrize(
    ("world", "states"),
    [
        pytest.param(Following(), 40_000, id="a guard follows"),
        pytest.param(Following(BY_HAND), 15_000, id="a guard follows, and a backup is put back by hand"),
        pytest.param(Verifying(), 100_000, id="a verifier follows a guard"),
        pytest.param(Verifying(BY_HAND, BY_HAND), 50_000, id="a verifier follows, and a backup is put back by hand"),
        pytest.param(TWO_GUARDS, 20_000, id="a verifier follows two guards"),
        pytest.param(Remembering.by_cookie(), 60_000, id="a cookie's session is remembered"),
        pytest.param(Remembering.by_token(), 9_000, id="a token is accepted until it dies"),
    ],
)
def test_promises_are_kept(world: World, states: int) -> None:
    """A logout is in force within the lease, memory never answers with a hole, and nobody is refused for ever."""
    found = search(world)
    print(f"{found.states:,} states")  # read it with `pytest -rP`

    assert not found.story, "\n".join(found.story)
    assert found.states > states


# ------------------------------------------------------------------------------------------------ deliberate mistakes


class NotCaughtUp(Floors):
    """A head renews, whether or not everything up to it is applied."""

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        renewal = super().renew(head, asked_at=asked_at, left=left)
        return (
            super().renew(self.head, asked_at=asked_at, left=left)
            if renewal is Renewal.BEHIND and self.head
            else renewal
        )


class OverGaps(Floors):
    """Entries are applied whatever came before them."""

    def apply(self, entries: Iterable[Entry], *, elapsed: float) -> bool:
        for entry in entries:
            if self._head is not None and entry.seq > self._head.seq:
                self._head = Head(self._head.incarnation, entry.seq - 1)
                super().apply([entry], elapsed=elapsed)
        return True


class Empty(Floors):
    """A follower begins at the head, with nothing."""

    def start(self, snapshot: Snapshot, *, asked_at: float, elapsed: float) -> None:
        super().start(Snapshot(snapshot.head, ()), asked_at=asked_at, elapsed=elapsed)


class AnyIncarnation(Floors):
    """Two incarnations are taken for one."""

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        return super().renew(Head(self.head.incarnation, head.seq) if self.head else head, asked_at=asked_at, left=left)


class NeverBack(Floors):
    """A head before the view renews it, for the view knows more."""

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        known = self.head is not None and head.incarnation == self.head.incarnation and head.seq < self.head.seq
        return super().renew(self.head if known and self.head else head, asked_at=asked_at, left=left)


class SoonOver(Floors):
    """That the view must start over is said once, and forgotten."""

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        before = self._head
        renewal = super().renew(head, asked_at=asked_at, left=left)
        self._head = before
        return renewal


class Waiting(Floors):
    """A head before the view is waited out."""

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        known = self.head is not None and head.incarnation == self.head.incarnation and head.seq < self.head.seq
        return Renewal.BEHIND if known else super().renew(head, asked_at=asked_at, left=left)


class ByTheDate(Floors):
    """A floor is forgotten when the last token it kills is dead by the wall clock."""

    def forget(self, *, elapsed: float, wall: float) -> int:
        return super().forget(elapsed=float("inf"), wall=wall)


class ByElapsedTime(Floors):
    """A floor is forgotten after a while, whatever the last token says."""

    def forget(self, *, elapsed: float, wall: float) -> int:
        return super().forget(elapsed=elapsed, wall=float("inf"))


class Soon(Floors):
    """A floor is kept for less time than a session that was read is believed."""

    def forget(self, *, elapsed: float, wall: float) -> int:
        return super().forget(elapsed=elapsed + LEASE + 1, wall=wall)


def at_arrival(_age: int) -> int:
    """Count from when the answer came."""
    return 0


def guard(promise: str, **mistake: Any) -> World:
    """Return a guard's world with a mistake, in which one promise is looked at."""
    return Following(Rules(looks_for=promise)._replace(**mistake))


def verifier(promise: str, **mistake: Any) -> World:
    """Return a verifier's world in which the verifier makes a mistake."""
    return Verifying(verifies_by=Rules(looks_for=promise)._replace(**mistake))


def by_hand(promise: str, floors: type[Floors]) -> tuple[World, World]:
    """Return a guard's world and a verifier's in which a backup is put back by hand."""
    mistaken = BY_HAND._replace(looks_for=promise, floors=floors)
    return Following(mistaken), Verifying(BY_HAND, mistaken)


MISTAKES: dict[str, tuple[World, str]] = {
    "renewed by being told: a heartbeat waits in a buffer": (guard(LATE, renews_by_asking=False), LATE),
    "renewed before the view has caught up": (guard(LATE, floors=NotCaughtUp), LATE),
    "the lease counts from the answer": (guard(LATE, counted_from=at_arrival), LATE),
    "a replica that lags renews": (guard(LATE, asks_the_truth=False), LATE),
    "the lease does not count sleep": (guard(LATE, counts_sleep=False), LATE),
    "the snapshot first, then the head": (guard(LATE, head_first=False), LATE),
    "a view with a hole": (guard(HOLE, head_first=False), HOLE),
    "starting empty": (guard(LATE, floors=Empty), LATE),
    "a gap is applied over": (guard(LATE, floors=OverGaps), LATE),
    "the incarnation is ignored": (guard(LATE, floors=AnyIncarnation), LATE),
    "a failover leaves the incarnation as it was": (guard(LATE, has_timeline=False), LATE),
    "an entry of another incarnation is applied": (guard(LATE, names_the_incarnation=False), LATE),
    "a head before the view renews": (by_hand(LATE, NeverBack)[0], LATE),
    "a head before the view is waited out": (by_hand(STUCK, Waiting)[0], STUCK),
    "the old primary goes on after a failover": (guard(LATE, is_fenced=False), LATE),
    "the verifier takes a full lease": (verifier(LATE, left=lambda _: LEASE), LATE),
    "the verifier's lease counts from the answer": (verifier(LATE, counted_from=at_arrival), LATE),
    "the verifier renews before it has caught up": (verifier(LATE, floors=NotCaughtUp), LATE),
    "the verifier starts empty": (verifier(LATE, floors=Empty), LATE),
    "a laggard guard renews the verifier for ever": (by_hand(LATE, NeverBack)[1], LATE),
    "that the view is over is forgotten": (by_hand(LATE, SoonOver)[1], LATE),
    "the verifier waits for a laggard guard": (by_hand(STUCK, Waiting)[1], STUCK),
    "a floor is forgotten by the wall clock": (Remembering.by_cookie(Habits(floors=ByTheDate)), LATE),
    "a floor is forgotten by elapsed time": (Remembering.by_token(Habits(floors=ByElapsedTime)), LATE),
    "a floor is kept for less than what it kills": (Remembering.by_cookie(Habits(floors=Soon)), LATE),
    "a floor is kept from when it was asked for": (Remembering.by_cookie(Habits(came=lambda asked: asked)), LATE),
    "a floor evicts, but is not compared at use": (Remembering.by_cookie(Habits(compares=False)), LATE),
    "an answer about a session may be old": (Remembering.by_cookie(Habits(patience=99)), LATE),
    "the guard's clock goes back": (Remembering.by_token(Habits(seen=lambda _, wall: wall)), LATE),
    "the store purges by the date alone": (Remembering.by_token(Habits(purged=0)), LATE),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str) -> None:
    """The search tells the shortest story of how each mistake breaks a promise."""
    world, promise = MISTAKES[mistake]

    found = search(world)
    print(f"{mistake}:", *found.story, sep="\n  ")  # read it with `pytest -rP`

    assert found.story
    assert found.story[-1] == promise
