"""What goes on beside the requests, in one thread: following the feed, writing down last uses, purging what is over."""

import contextlib
import logging
import threading
from collections.abc import Callable

from ostiary.auth.upkeep import PURGE_EVERY, WRITE_SEEN_EVERY
from ostiary.errors import OstiaryError
from ostiary.ports import Clock
from ostiary.sync.auth.upkeep import Chores
from ostiary.sync.feed.follower import Follower
from ostiary.sync.floors import Floors
from ostiary.sync.guard import Guard
from ostiary.sync.ports import Store

log = logging.getLogger("ostiary.auth")


class Upkeep(Chores):
    """The background of one process. A failure of the store is waited out; the lease sees to safety meanwhile."""

    def __init__(self, *, store: Store, guard: Guard, floors: Floors, clock: Clock, follower: Follower) -> None:
        super().__init__(store=store, guard=guard, floors=floors, clock=clock)
        self._follower = follower
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Make the first round, so that memory may answer, and begin."""
        self._follower.begin()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="ostiary-background", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop everything, and write down the last uses still in memory. A step under way is waited for."""
        self._stopped.set()
        self._follower.end()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with contextlib.suppress(OstiaryError):
            self.write_seen()

    def _run(self, stopped: threading.Event) -> None:
        now = self._clock.elapsed
        chores = {self.write_seen: WRITE_SEEN_EVERY, self.purge: PURGE_EVERY}
        due = {chore: now() + every.total_seconds() for chore, every in chores.items()}
        while not stopped.is_set():
            self._follower.step()
            for chore, at in due.items():
                if now() >= at and not stopped.is_set():
                    _do(chore)
                    due[chore] = now() + chores[chore].total_seconds()


def _do(chore: Callable[[], None]) -> None:
    try:
        chore()
    except OstiaryError:
        pass  # the store cannot answer now; the next time will do
    except Exception as error:  # noqa: BLE001 - what goes on beside requests must go on
        log.warning("%s failed: %r", getattr(chore, "__name__", "a chore"), type(error))
