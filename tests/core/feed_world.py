"""The worlds in which feed, floor, lease and cache must keep their promises. A page to read first.

The decisions are not modelled: `start`, `apply`, `renew`, `raise_to` and `forget` are those of `ostiary.core.floor`.
What is modelled is what surrounds them:

| world         | who is in it                                                                                     |
|---------------|--------------------------------------------------------------------------------------------------|
| `Following`   | a store that fails over, and one guard that follows it. Guards do not know of each other         |
| `Verifying`   | the same store, a guard or two, and a verifier in another service that follows any of them       |
| `Remembering` | a guard's memory: tokens, sessions read from the store, floors forgotten, clocks put right       |

**The store** (`Truth`) has one feed per incarnation: the names of the sessions that were logged out, in order. A
failover begins a new incarnation with a copy that may lack the end of the feed, or all of it: a standby that had not
caught up, or an older backup. What it lacks counts as acknowledged no more: that session lives again.

**A guard** has a view (`View`: all that `Floors` holds) and at most one question under way. The answer is the head and
the next entry, read at one moment; or a snapshot, whose head and floors may come from different moments, head first.
**A verifier** asks guards, any of them each time. A guard answers while its own lease holds, from its memory, and says
what is left of its lease; it may lag behind what the verifier has from another one.

**Nothing is ever forced to happen**: any number of ticks may pass between any two steps. So what stands still or is
cut off needs no step of its own:

| in the real world                                         | here                                                     |
|-----------------------------------------------------------|----------------------------------------------------------|
| a partition, a server that is down, a notification lost   | the step is not taken                                    |
| SIGSTOP, a suspended machine, a slow network              | time passes between two steps                            |
| a time-out, a cancelled question, an answer lost          | "gives up"                                               |
| a replica that lags and is asked, a notification          | nothing: neither renews. At most a round is made sooner  |
| a crash and a restart                                     | "restarts": memory is gone                               |
| a stream that carries entries (Redis, server-sent events) | whatever was ever on a feed may be carried to anybody at |
|                                                           | any later time, in any order, or never                   |

**Bounds.** A lease is 2 ticks. There are two sessions, so that two histories can differ at one `seq`; each is logged
out once in each incarnation; there is one failover. It fences the old primary. In `Verifying`, a guard's rounds and the
verifier's snapshot are answered within one moment, and only the head is long on its way: the rest is searched in
`Following`. `Remembering` names its own bounds. Ages and leases beyond what matters are the same. So each world is
finite, and a search ends when nothing new is left, not at some depth.

A backup that is put back by hand keeps the incarnation (`has_timeline=False`). Nobody can then tell two histories apart
that have come equally far: so nobody is logged out before everybody has asked (`is_quiet`), the verifier for a head
that is younger than what it was told last. That this is needed is one of the mistakes.

**Promises**, in every state; `Remembering` looks at the first alone:

- a session is accepted nowhere once its logout was acknowledged a lease ago: not one tick later (`LATE`);
- memory that answers has a view, and the view has every floor up to its head (`HOLE`);
- were the faults over now, three questions of everybody would be enough: then all that live are accepted and none that
  are dead (`STUCK`). Only a floor that came while a snapshot was under way, and that a failover has lost, refuses for
  as long as it is kept.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from ostiary.core.floor import NONE_IS_GOOD, Entry, Floor, Floors, Head, Renewal, Snapshot
from ostiary.core.policy import WEB

LEASE = 2
BELIEVED = 3
ACCESS_LIFE = 3
KEPT = max(BELIEVED, ACCESS_LIFE) + LEASE

TICK = timedelta(seconds=1)
POLICY = replace(
    WEB,
    lease=LEASE * TICK,
    snapshot_life=BELIEVED * TICK,
    access_life=ACCESS_LIFE * TICK,
    grace=0 * TICK,
    leeway=0 * TICK,
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Now is always 0, elapsed and by the true wall clock. What lies in the past is negative."""


class Raised(NamedTuple):
    """A floor that is in force: how many ticks ago it came, whose it is, how high, and in how many it may go."""

    age: int
    sid: str
    lowest: int = NONE_IS_GOOD
    until: int = 0

    @property
    def floor(self) -> Floor:
        return Floor(self.sid, self.lowest, EPOCH + self.until * TICK)


class At(NamedTuple):
    """A head: an incarnation, and where its feed stands."""

    incarnation: int
    seq: int

    @property
    def head(self) -> Head:
        return Head(str(self.incarnation), self.seq)


class View(NamedTuple):
    """All that `Floors` holds, in ticks from now, so that two states can be compared."""

    at: At | None = None
    raised: tuple[Raised, ...] = ()
    left: int = 0
    """What is left of the lease."""
    grown: tuple[tuple[int, int], ...] = ()
    """How long ago it came to be complete up to where, from 1 on. It matters to who hears of relayed heads."""

    def floors(self, kind: type[Floors] = Floors) -> Floors:
        floors = kind(POLICY)
        if self.at is not None:
            Floors.start(floors, Snapshot(self.at.head, ()), asked_at=0, elapsed=0)
        if self.grown:
            floors._grown = deque((-age, seq) for age, seq in self.grown)
        for raised in self.raised:
            floors.raise_to(raised.floor, elapsed=-raised.age)
        if self.left:
            floors.fresh_until = self.left
        return floors

    @classmethod
    def of(cls, floors: Floors) -> "View":
        raised = (
            Raised(-int(at), floor.sid, floor.floor, (floor.until - EPOCH) // TICK) for at, floor in floors._raised
        )
        at = At(int(floors.head.incarnation), floors.head.seq) if floors.head else None
        grown = tuple((-int(came), seq) for came, seq in floors._grown if at and seq)
        return cls(at, tuple(raised), int(max(0, floors.fresh_until)), grown)

    def later(self) -> "View":
        grown = {min(age + 1, LEASE + 1): seq for age, seq in self.grown}  # of what is long ago, the last
        return self._replace(left=max(0, self.left - 1), grown=tuple(grown.items()))

    def has(self, sid: str) -> bool:
        return any(raised.sid == sid for raised in self.raised)


# ------------------------------------------------------------------------------------------------ the rules


class Rules(NamedTuple):
    """The rules of the house, or a deliberate mistake in one of them."""

    floors: type[Floors] = Floors
    counted_from: Callable[[int], int] = lambda age: age
    """How long ago a question counts as asked."""
    head_first: bool = True
    """Whether a snapshot's head is read before its floors."""
    asks_the_truth: bool = True
    """Whether a replica that lags renews nothing."""
    counts_sleep: bool = True
    """Whether a lease runs out while its machine sleeps."""
    renews_by_asking: bool = True
    """Whether what the store says unasked renews nothing."""
    names_the_incarnation: bool = True
    """Whether a stream says of which incarnation an entry is."""
    left: Callable[[int], int] = lambda left: left
    """What a verifier takes, of what a guard says is left of its lease."""
    is_fenced: bool = True
    """Whether a failover ends the old primary."""
    has_timeline: bool = True
    """Whether a failover changes the incarnation."""
    is_quiet: bool = False
    """Whether after a failover nobody is logged out before everybody has asked, and the streams begin anew."""
    looks_for: str = ""
    """The one promise to look at. Otherwise all of them are."""


# ------------------------------------------------------------------------------------------------ the store

ADA, EVE = "ada", "eve"
_LIVES = -1


class Truth(NamedTuple):
    """The store. Eve is whoever is logged out second: the two do not differ in anything else."""

    feeds: tuple[tuple[str, ...], ...] = ((),)
    """What was logged out, in order, in each incarnation. The last is in force."""
    ages: tuple[int, int] = (_LIVES, _LIVES)
    """How long ago the logouts were acknowledged."""

    @property
    def feed(self) -> tuple[str, ...]:
        return self.feeds[-1]

    def can_be_logged_out(self) -> Iterator[str]:
        for sid in (ADA, EVE) if any(self.feeds) else (ADA,):
            if sid not in self.feed:
                yield sid

    def logged_out(self, sid: str) -> "Truth":
        ada, eve = self.ages
        return Truth((*self.feeds[:-1], (*self.feed, sid)), (0, eve) if sid == ADA else (ada, 0))

    def failed_over(self) -> Iterator[tuple[str, "Truth"]]:
        if len(self.feeds) > 1:
            return
        for lost in range(len(self.feed) + 1):
            feed = self.feed[: len(self.feed) - lost]
            ada, eve = (age if sid in feed else _LIVES for sid, age in zip((ADA, EVE), self.ages, strict=True))
            yield f"the store fails over and has lost {lost}", Truth((*self.feeds, feed), (ada, eve))

    def later(self) -> "Truth":
        ada, eve = (age if age == _LIVES else min(age + 1, LEASE) for age in self.ages)
        return Truth(self.feeds, (ada, eve))

    def long_dead(self) -> Iterator[str]:
        """Yield who was logged out a lease ago."""
        return (sid for sid, age in zip((ADA, EVE), self.ages, strict=True) if age >= LEASE)


# ------------------------------------------------------------------------------------------------ who follows


class Answer(NamedTuple):
    """What was read so far. The entries follow the view; a snapshot is complete once it has both halves."""

    at: At | None
    entries: tuple[tuple[int, str], ...] = ()
    snapshot: tuple[str, ...] | None = None
    starts_over: bool = False
    left: int | None = None
    """What is left of the lease of the guard that relays it."""

    @property
    def is_complete(self) -> bool:
        return self.at is not None and (self.snapshot is not None or not self.starts_over)


@cache
def settled(view: View) -> View:
    """With no question under way, what came is older than the next one, and how much older matters to nobody."""
    return view._replace(raised=tuple(sorted(one._replace(age=LEASE + 1) for one in view.raised)))


def next_entry(view: View, feed: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Return what follows the view. That no more than one comes at a time is the hardest case."""
    after = view.at.seq if view.at else 0
    return tuple((after + 1, sid) for sid in feed[after : after + 1])


def streamed(rules: Rules, truth: Truth, view: View) -> Iterator[tuple[int, str]]:
    """Yield what a stream may carry to a view."""
    if view.at is None:
        return
    last = len(truth.feeds) - 1
    for incarnation, feed in enumerate(truth.feeds):
        is_ours = incarnation == (view.at.incarnation if rules.has_timeline else last)
        if is_ours or not rules.names_the_incarnation or not (rules.has_timeline or rules.is_quiet):
            yield from ((seq, sid) for seq, sid in enumerate(feed, start=1) if seq > view.at.seq)


def _entry(row: tuple[int, str]) -> Entry:
    return Entry(row[0], Raised(0, row[1]).floor)


@cache
def verdict(rules: Rules, view: View, at: At) -> Renewal:
    """Return what a head means to a view."""
    return view.floors(rules.floors).renew(at.head, asked_at=0)


@cache
def told(rules: Rules, view: View, answer: Answer, asked: int) -> tuple[Renewal, View]:
    """Return what becomes of a view when an answer comes that counts as asked so long ago."""
    assert answer.at is not None
    floors = view.floors(rules.floors)
    if answer.starts_over:
        sids = answer.snapshot or ()
        floors.start(Snapshot(answer.at.head, tuple(Raised(0, sid).floor for sid in sids)), asked_at=-asked, elapsed=0)
    else:
        floors.apply(map(_entry, answer.entries), elapsed=0)
    renewal = floors.renew(answer.at.head, asked_at=-asked, left=answer.left)
    return renewal, View.of(floors)


@cache
def carried(rules: Rules, view: View, seq: int, sid: str) -> View:
    """Return what becomes of a view when a stream carries an entry to it."""
    floors = view.floors(rules.floors)
    floors.apply([_entry((seq, sid))], elapsed=0)
    return View.of(floors)


@cache
def raised_here(view: View, sid: str) -> View:
    """Return what becomes of a view when its own process has ended a session."""
    floors = view.floors()
    floors.raise_to(Raised(0, sid).floor, elapsed=0)
    return View.of(floors)


@cache
def forgotten(view: View) -> View:
    """Return what is left of a view once every floor in it has outlived what it kills."""
    floors = view.floors()
    floors.forget(elapsed=KEPT + 1, wall=float("inf"))
    return View.of(floors)


# ------------------------------------------------------------------------------------------------ the promises

LATE = "a session is accepted a lease after its logout"
HOLE = "memory answers from a view with a hole"
STUCK = "a session that lives is not accepted again"


def broken_by(truth: Truth, view: View, incarnation: int) -> Iterator[str]:
    """Yield the promises that a view breaks, where `incarnation` is what the present one is called."""
    if not view.left:
        return
    if not all(view.has(sid) for sid in truth.long_dead()):
        yield LATE
    is_present = view.at is not None and view.at.incarnation == incarnation
    if view.at is None or (is_present and not all(view.has(sid) for sid in truth.feed[: view.at.seq])):
        yield HOLE


def the_one(promises: Iterable[str], rules: Rules) -> str:
    """Return the first broken promise that is looked for."""
    return next((promise for promise in promises if rules.looks_for in {"", promise}), "")


@cache
def is_just(truth: Truth, view: View) -> bool:
    """Tell whether memory answers, refuses all that are dead, and accepts the living at the latest when it forgets."""
    lasting = forgotten(view)
    return view.left == LEASE and all(
        view.has(sid) if sid in truth.feed else not lasting.has(sid) for sid in (ADA, EVE)
    )
