"""The revision floors, the lease, and what they allow.

A cached principal or an access token of revision `r` is good only while `r >= floor(sid)`, and memory may answer only
while the lease holds:

| what happened                                     | then                                                           |
|---------------------------------------------------|----------------------------------------------------------------|
| nothing was read yet                              | not ready: memory answers nothing                              |
| a snapshot                                        | the view starts from it; its head renews the lease, as below   |
| a head equal to the view                          | the lease is renewed, counted from before the head was asked   |
| a head beyond the view                            | nothing is renewed until everything up to it is applied        |
| entries that follow the view                      | applied, in order                                              |
| entries with a gap                                | the lease ends; nothing is answered until the gap is filled    |
| another incarnation, or a head before the view    | the view is over: nothing renews it before a snapshot came     |
| a floor older than all it kills                   | forgotten: by elapsed time *and* by the clock of who issued    |

A head may be relayed: by a guard that follows the store itself, and says what is left of its own lease.

| a relayed head                                    | then                                                           |
|---------------------------------------------------|----------------------------------------------------------------|
| equal to the view                                 | the lease is what was left, counted from before the ask        |
| before the view, which was no further at the time | the same: whoever relays lags, but the view has all they have  |
| before the view, which was further by then        | history went back: start over from the snapshot                |

"The time" is when whoever relays asked the store: what is left of their lease says no later than when that was.

Times named `elapsed` are seconds of a clock that never stops nor goes back; times named `wall` are seconds since the
epoch.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ostiary.core.policy import Policy

NONE_IS_GOOD = 2**63 - 1
"""The floor of a revoked session: no revision reaches it."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The lowest revision of a session that is still good. `until` is when the last thing it kills dies by itself."""

    sid: str
    floor: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A document (`keys`, `roles`) has a new version."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the feed. `seq` is contiguous."""

    seq: int
    change: Floor | Document


@dataclass(frozen=True, slots=True)
class Head:
    """Where the feed stands. `incarnation` changes when its history does."""

    incarnation: str
    seq: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that follow each other, and the incarnation of the feed that they belong to."""

    incarnation: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class News:
    """What a follower asks for: the head, and the first entries after its view, as both are at one moment."""

    head: Head
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a follower needs to start: the head read first, then all live floors."""

    head: Head
    floors: tuple[Floor, ...]


class Renewal(Enum):
    """What a head that was read means for the lease."""

    RENEWED = "renewed"
    BEHIND = "behind"
    START_OVER = "start_over"


class Floors:
    """The view of the feed that one process holds. It decides, and does nothing else: whoever follows feeds it."""

    def __init__(self, policy: Policy) -> None:
        self._lease = policy.lease.total_seconds()
        kills = max(policy.snapshot_life, policy.access_life + policy.leeway)
        self._keep = (kills + policy.lease).total_seconds()
        self._leeway = policy.leeway.total_seconds()
        self._head: Head | None = None
        self._grown: deque[tuple[float, int]] = deque()
        self._raised: deque[tuple[float, Floor]] = deque()
        self.of: dict[str, int] = {}
        """Each session's floor, by `sid`. A session that is not in it has floor 0."""
        self.fresh_until = float("-inf")
        """When the lease ends, in elapsed seconds."""

    @property
    def head(self) -> Head | None:
        """Up to where the view is complete, or `None` before a snapshot to start, or start over, from."""
        return self._head

    def start(self, snapshot: Snapshot, *, asked_at: float, elapsed: float) -> None:
        """Begin, or begin again, from a snapshot that came at `elapsed`. The lease must be renewed.

        What was known before is dropped, save what was raised since `asked_at`: the snapshot may not know of it.
        """
        since = [(at, floor) for at, floor in self._raised if at >= asked_at]
        self._head = snapshot.head
        self._grown.clear()
        self._grown.append((elapsed, snapshot.head.seq))
        self._raised.clear()
        self.of.clear()
        self.fresh_until = float("-inf")
        for at, floor in since + [(elapsed, floor) for floor in snapshot.floors]:
            self.raise_to(floor, elapsed=at)

    def apply(self, entries: Iterable[Entry], *, elapsed: float) -> bool:
        """Apply entries that came at `elapsed`, in order.

        On a gap the lease ends, the rest is left alone, and the answer is `False`.
        """
        if self._head is None:
            return False
        for entry in entries:
            if entry.seq <= self._head.seq:
                continue
            if entry.seq != self._head.seq + 1:
                self.fresh_until = float("-inf")
                return False
            if isinstance(entry.change, Floor):
                self.raise_to(entry.change, elapsed=elapsed)
            self._grow_to(Head(self._head.incarnation, entry.seq), elapsed)
        return True

    def raise_to(self, floor: Floor, *, elapsed: float) -> None:
        """Take in a floor that came at `elapsed`, out of order if need be. A floor never sinks.

        It is kept from when it came, never from when it was asked for: a session that was read in between, while it
        lived, would be believed for longer than its floor is kept.
        """
        if floor.floor > self.of.get(floor.sid, 0):
            self.of[floor.sid] = floor.floor
            self._raised.append((elapsed, floor))

    def live(self) -> Iterator[Floor]:
        """Yield every floor that is in force, one per session."""
        return (floor for _, floor in self._raised if self.of.get(floor.sid) == floor.floor)

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        """Say what a head asked for at `asked_at` means, and renew the lease if the view has caught up with it.

        `left` comes with a relayed head: how many seconds were left of the lease of whoever relays it.

        A view that must start over is not renewed by any head before it has: a head that went back may have come as
        far again, by another way, when it is asked for next.
        """
        lease = self._lease if left is None else min(left, self._lease)
        if self._head is None or head.incarnation != self._head.incarnation:
            return self._start_over()
        if head.seq < self._head.seq and (left is None or head.seq < self._stood(asked_at + lease - self._lease)):
            return self._start_over()
        if head.seq > self._head.seq:
            return Renewal.BEHIND
        self.fresh_until = max(self.fresh_until, asked_at + lease)
        return Renewal.RENEWED

    def forget(self, *, elapsed: float, wall: float) -> int:
        """Drop the floors that have outlived all they kill. Returns how many."""
        dropped = 0
        while self._raised and self._is_outlived(*self._raised[0], elapsed, wall):
            _, floor = self._raised.popleft()
            if self.of.get(floor.sid) == floor.floor:
                del self.of[floor.sid]
                dropped += 1
        return dropped

    def _start_over(self) -> Renewal:
        self._head = None
        self.fresh_until = float("-inf")
        return Renewal.START_OVER

    def _grow_to(self, head: Head, elapsed: float) -> None:
        """Take note of when the view grew: a relayed head is as old as two leases at most, or worth nothing."""
        self._head = head
        self._grown.append((elapsed, head.seq))
        while self._grown[1][0] < elapsed - 2 * self._lease:
            self._grown.popleft()

    def _stood(self, moment: float) -> int:
        """Return up to where the view was complete before a moment of the last two leases."""
        return max((seq for at, seq in self._grown if at < moment), default=0)

    def _is_outlived(self, raised_at: float, floor: Floor, elapsed: float, wall: float) -> bool:
        return raised_at + self._keep <= elapsed and floor.until.timestamp() + self._leeway < wall
