"""The third world of the feed: what one guard remembers of one session, and when it may forget. See `feed_world`.

The session is carried by a cookie and by access tokens. The guard reads the session from the store in three steps: it
asks, the store reads, the answer arrives. Its rounds ask, and are answered within one moment, however much later; each
applies, forgets and renews as `ostiary.feed.follower` does, or starts over from a snapshot, as after a failover.

Clocks may be wrong: that of who mints, by `FORWARD` ticks ahead; that of the guard's machine is put forward so far, or
`BACK`, at any time, also across a restart. The store purges a floor once its `until` has passed for somebody whose
clock is ahead, and `PURGED` ticks have passed.

**Bounds.** A session read is believed for 3 ticks, an access token lives for 2. Roles change once. A round that was
asked more than 3 ticks ago counts as 3 old. One token is known to the world at a time.

**Promise**, in every state: nothing of a revision is accepted once a change that ended it was acknowledged a lease ago.
"""

from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import NamedTuple

from ostiary.core.floor import NONE_IS_GOOD, Entry, Floor, Floors, Snapshot
from tests.core.feed_world import ACCESS_LIFE, BELIEVED, KEPT, LATE, LEASE, At, Raised, View

PATIENCE = LEASE // 2
FORWARD = 3
BACK = 1
PURGED = ACCESS_LIFE + FORWARD + BACK

SID = "ada"

OLDEST_ROUND = LEASE + 1
UNSENT = -1
LONG_DEAD = -BACK - 1
"""Ticks until what has died by any clock."""


class Habits(NamedTuple):
    """The rules of memory, or a deliberate mistake in one of them."""

    floors: type[Floors] = Floors
    believed: int = BELIEVED
    patience: int = PATIENCE
    purged: int = PURGED
    came: Callable[[int], int] = lambda asked: 0
    """How long ago a floor counts as come that was asked for so long ago."""
    seen: Callable[[int, int], int] = max
    """What the guard's clock, ahead by so much, makes of the machine's."""
    compares: bool = True
    """Whether floors are compared at use. Otherwise one that arrives only evicts."""


class Change(NamedTuple):
    """An entry of the feed, how old it is, and how much longer the tokens live that it kills."""

    lowest: int
    until: int
    age: int = 0
    is_purged: bool = False

    def later(self, purged: int) -> "Change":
        return self._replace(until=max(self.until - 1, LONG_DEAD), age=min(self.age + 1, max(purged, LEASE)))


class Read(NamedTuple):
    """A question about the session, or what came of it: how long ago it was sent, and the revision, if it was read."""

    age: int = 0
    revision: int = 0

    def later(self) -> "Read":
        return self if self.age == UNSENT else self._replace(age=min(self.age + 1, BELIEVED))


class Token(NamedTuple):
    revision: int
    left: int
    """How much longer it lives by the true clock."""

    def later(self) -> "Token":
        return self._replace(left=max(self.left - 1, LONG_DEAD))


@cache
def round_made(habits: Habits, view: View, changes: tuple[Change, ...], asked: int, offset: int, *, anew: bool) -> View:
    """Return what becomes of a view in a round that was asked so long ago and is answered now."""
    floors = view.floors(habits.floors)
    at = At(0, len(changes))
    came = -habits.came(asked)
    if anew:
        kept = [change for change in changes if not change.is_purged][-1:]
        snapshot = Snapshot(at.head, tuple(_floor(change) for change in kept))
        floors.start(snapshot, asked_at=-asked, elapsed=came)
    else:
        known = view.at.seq if view.at else 0
        entries = enumerate(changes[known:], start=known + 1)
        floors.apply([Entry(seq, _floor(change)) for seq, change in entries], elapsed=came)
        floors.forget(elapsed=-asked, wall=offset - asked)
    floors.renew(at.head, asked_at=-asked)
    return View.of(floors)._replace(grown=())


def _floor(change: Change) -> Floor:
    return Raised(0, SID, change.lowest, change.until).floor


class Remembering(NamedTuple):
    """A session, a guard, and the clock of its machine."""

    habits: Habits = Habits()
    changes: tuple[Change, ...] = ()
    until: int = LONG_DEAD
    """When the last token of the session dies, as its row in the store says."""
    token: Token | None = None
    """The token that somebody holds, if the session is carried by tokens and not by a cookie."""
    view: View = View()
    cached: Read | None = None
    reading: Read | None = None
    asked: int | None = None
    """How long ago the round under way was asked."""
    wall: int = 0
    """How far the clock of the guard's machine is ahead."""
    ahead: int = 0
    """How far the guard's own clock is ahead."""
    wrong: str = ""

    @classmethod
    def by_cookie(cls, habits: Habits = Habits()) -> "Remembering":  # noqa: B008 - a tuple, and nobody changes it
        return cls(habits._replace(purged=BELIEVED))

    @classmethod
    def by_token(cls, habits: Habits = Habits()) -> "Remembering":  # noqa: B008 - same
        return cls(habits, until=ACCESS_LIFE, token=Token(1, ACCESS_LIFE))

    def steps(self) -> Iterator[tuple[str, "Remembering"]]:
        yield from self._store_steps()
        yield from self._round_steps()
        yield from self._read_steps() if self.token is None else self._clock_steps()
        if self.view != View():
            yield (
                "the guard restarts",
                self._replace(view=View(), cached=None, reading=None, asked=None, ahead=self.wall),
            )
        yield "a tick passes", self._later()

    @property
    def _revision(self) -> int:
        return self.changes[-1].lowest if self.changes else 1

    def _store_steps(self) -> Iterator[tuple[str, "Remembering"]]:
        revision = self._revision
        if revision != NONE_IS_GOOD:
            for ahead in (0, FORWARD) if self.token else ():
                token = Token(revision, ACCESS_LIFE + ahead)
                until = max(self.until, token.left)
                yield f"a token is minted by a clock at {ahead:+}", self._replace(token=token, until=until)
            yield "a logout is acknowledged", self._changed(NONE_IS_GOOD)
        if revision == 1 and not self.token:
            yield "a change of roles is acknowledged", self._changed(2)
        for i, change in enumerate(self.changes):
            if not change.is_purged and change.age >= self.habits.purged and change.until < FORWARD:
                changes = (*self.changes[:i], change._replace(is_purged=True), *self.changes[i + 1 :])
                yield "the store purges a floor", self._replace(changes=changes)

    def _changed(self, lowest: int) -> "Remembering":
        return self._replace(changes=(*self.changes, Change(lowest, self.until)))

    def _round_steps(self) -> Iterator[tuple[str, "Remembering"]]:
        asked = 0 if self.token else self.asked
        if asked is None:
            yield "the guard asks where the feed stands", self._replace(asked=0)
            return
        known = self.view.at.seq if self.view.at else 0
        if self.view.at is not None and not any(change.is_purged for change in self.changes[known:]):
            yield "a round is answered", self._round(asked, anew=False)
        yield "a snapshot is answered", self._round(asked, anew=True)

    def _round(self, asked: int, *, anew: bool) -> "Remembering":
        view = round_made(self.habits, self.view, self.changes, asked, self.ahead, anew=anew)
        is_evicted = not self.habits.compares and view.raised != self.view.raised
        return self._replace(view=view, asked=None, cached=None if is_evicted else self.cached)

    def _clock_steps(self) -> Iterator[tuple[str, "Remembering"]]:
        for wall in (FORWARD, 0, -BACK):
            if wall != self.wall:
                yield f"the machine's clock is put to {wall:+}", self._replace(wall=wall)
        if (ahead := self.habits.seen(self.ahead, self.wall)) != self.ahead:
            yield f"the guard's clock is now {ahead:+}", self._replace(ahead=ahead)

    def _read_steps(self) -> Iterator[tuple[str, "Remembering"]]:
        if self.reading is None:
            if self.view.left:
                yield "a cookie comes, and memory cannot say", self._replace(reading=Read(UNSENT))
        elif self.reading.age == UNSENT:
            yield "the guard asks about the session", self._replace(reading=Read())
        elif not self.reading.revision:
            read = self.reading._replace(revision=self._revision)
            yield f"the store reads the session: {_said(self._revision)}", self._replace(reading=read)
        else:
            yield self._arrived(*self.reading)

    def _arrived(self, age: int, revision: int) -> tuple[str, "Remembering"]:
        after = self._replace(reading=None)
        if revision == NONE_IS_GOOD or age > self.habits.patience or not self._is_above(revision):
            return f"the answer arrives and is not accepted: {_said(revision)}", after
        wrong = LATE if revision < self._lowest else ""
        cached = Read(age, revision) if age < self.habits.believed else None
        return f"the answer arrives and is accepted: {_said(revision)}", after._replace(cached=cached, wrong=wrong)

    def _is_above(self, revision: int) -> bool:
        """Tell whether a revision is above the floor that the guard knows."""
        return not self.habits.compares or revision >= max((one.lowest for one in self.view.raised), default=0)

    @property
    def _lowest(self) -> int:
        """The lowest revision that may still be accepted."""
        return max((change.lowest for change in self.changes if change.age >= LEASE), default=0)

    def _later(self) -> "Remembering":
        asked = None if self.asked is None else min(self.asked + 1, OLDEST_ROUND)
        raised = (_aged(one, is_at_once=self.token is not None) for one in self.view.raised)
        return self._replace(
            changes=tuple(change.later(self.habits.purged) for change in self.changes),
            until=max(self.until - 1, LONG_DEAD),
            token=self.token and self.token.later(),
            view=self.view.later()._replace(raised=tuple(raised)),
            cached=self.cached.later() if self.cached and self.cached.age + 1 < self.habits.believed else None,
            reading=self.reading and self.reading.later(),
            asked=asked,
        )

    def broken(self) -> str:
        if not self.view.left or self.wrong:
            return self.wrong
        accepted = [self.cached.revision] if self.cached else []
        if self.token and self.token.left > self.ahead:
            accepted.append(self.token.revision)
        return LATE if any(self._is_above(one) and one < self._lowest for one in accepted) else ""

    def essence(self) -> Hashable:
        return self[1:]


def _aged(one: Raised, *, is_at_once: bool) -> Raised:
    return one._replace(
        age=min(one.age + 1, KEPT + (0 if is_at_once else OLDEST_ROUND)), until=max(one.until - 1, LONG_DEAD)
    )


def _said(revision: int) -> str:
    return "dead" if revision == NONE_IS_GOOD else f"revision {revision}"
