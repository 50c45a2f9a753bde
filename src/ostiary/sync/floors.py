"""The view of the feed, where several threads bring what is new."""

import threading
from collections.abc import Iterable

from ostiary.core.floor import Entry, Floor, Head, Renewal, Snapshot
from ostiary.core.floor import Floors as Unlocked
from ostiary.core.policy import Policy


class Floors(Unlocked):
    """What `core.floor` decides, one thread at a time. Reading takes no lock: each look is one look into a table.

    Without it a floor could sink: two threads find the same one to be lower than theirs, and the higher is put first.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._lock = threading.RLock()

    def start(self, snapshot: Snapshot, *, asked_at: float, elapsed: float) -> None:
        """Begin, or begin again, from a snapshot."""
        with self._lock:
            super().start(snapshot, asked_at=asked_at, elapsed=elapsed)

    def apply(self, entries: Iterable[Entry], *, elapsed: float) -> bool:
        """Apply entries, in order."""
        with self._lock:
            return super().apply(entries, elapsed=elapsed)

    def raise_to(self, floor: Floor, *, elapsed: float) -> None:
        """Take in a floor. It never sinks."""
        with self._lock:
            super().raise_to(floor, elapsed=elapsed)

    def renew(self, head: Head, *, asked_at: float, left: float | None = None) -> Renewal:
        """Say what a head means, and renew the lease if the view has caught up with it."""
        with self._lock:
            return super().renew(head, asked_at=asked_at, left=left)

    def forget(self, *, elapsed: float, wall: float) -> int:
        """Drop the floors that have outlived all they kill."""
        with self._lock:
            return super().forget(elapsed=elapsed, wall=wall)

    def forked(self) -> None:
        """Begin in a child: a thread of the parent may have had the lock, and what it was doing is not finished."""
        self._lock = threading.RLock()
        self.fresh_until = float("-inf")
