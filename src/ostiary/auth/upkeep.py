"""What goes on beside the requests: following the feed, writing down last uses, purging what is over.

Nothing of it is ever done within a request, and no step of it holds the store for long.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from ostiary.auth.post import Post
from ostiary.core.floor import Floors
from ostiary.errors import OstiaryError
from ostiary.feed.follower import Follower
from ostiary.guard import Guard
from ostiary.ports import Clock, Store

log = logging.getLogger("ostiary.auth")

WRITE_SEEN_EVERY = timedelta(seconds=15)
PURGE_EVERY = timedelta(minutes=1)
LETTER_ENDS_WITHIN = timedelta(seconds=5)
_STEP = 500
_PAUSE = 0.05
_KEEP_ENDED_SESSIONS = timedelta(days=30)
_KEEP_EVENTS = timedelta(days=400)
_KEEP_COUNTERS = timedelta(days=2)
_KEEP_CHALLENGES = timedelta(days=1)
_KEEP_FLOORS = timedelta(hours=1)


class Chores:
    """What is done now and then."""

    def __init__(self, *, store: Store, guard: Guard, floors: Floors, clock: Clock) -> None:
        self._store = store
        self._guard = guard
        self._floors = floors
        self._clock = clock
        self._heads: deque[tuple[float, int]] = deque()

    async def write_seen(self) -> None:
        """Write down which sessions were used, in one transaction. What cannot be written is kept for the next time."""
        seen, self._guard.seen = self._guard.seen, {}
        if not seen:
            return
        try:
            async with self._store.write() as tx:
                await tx.sessions.seen({sid: datetime.fromtimestamp(at, UTC) for sid, at in seen.items()})
        except OstiaryError:
            self._guard.seen = {**seen, **self._guard.seen}
            raise

    async def purge(self) -> None:
        """Delete what is over, in small steps with pauses between them."""
        now = self._clock.now()
        up_to = self._old_enough()
        while await self._purge_step(now, up_to):  # noqa: ASYNC110 - a pause, not a wait: others get the store between steps
            await asyncio.sleep(_PAUSE)

    async def _purge_step(self, now: datetime, up_to: int) -> bool:
        async with self._store.write() as tx:
            counts = (
                await tx.sessions.purge(ended_before=now - _KEEP_ENDED_SESSIONS, limit=_STEP),
                await tx.counters.purge(before=now - _KEEP_COUNTERS, limit=_STEP),
                await tx.challenges.purge(expired_before=now - _KEEP_CHALLENGES, limit=_STEP),
                await tx.events.purge(before=now - _KEEP_EVENTS, limit=_STEP),
                await tx.feed.purge(up_to=up_to, until_before=now, limit=_STEP),
            )
        return _STEP in counts

    def _old_enough(self) -> int:
        """Return the newest `seq` that may be purged: one this process has known for an hour by elapsed time.

        A clock that is put forward and back again must not make a floor be forgotten early.
        """
        elapsed = self._clock.elapsed()
        if self._floors.head is not None:
            self._heads.append((elapsed, self._floors.head.seq))
        old_enough = 0
        while self._heads and self._heads[0][0] <= elapsed - _KEEP_FLOORS.total_seconds():
            old_enough = self._heads.popleft()[1]
        return old_enough


class Upkeep(Chores):
    """The background of one process. A failure of the store is waited out; the lease sees to safety meanwhile."""

    def __init__(
        self, *, store: Store, guard: Guard, floors: Floors, clock: Clock, follower: Follower, post: Post | None
    ) -> None:
        super().__init__(store=store, guard=guard, floors=floors, clock=clock)
        self._follower = follower
        self._post = post
        self._posting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that this runs in, and with it everything else of an `Auth`. `None` while it rests."""
        return self._tasks[0].get_loop() if self._tasks else None

    async def start(self, *, sends: bool) -> None:
        """Make the first round, so that memory may answer, and begin. Letters leave from here if it `sends`."""
        await self._follower.begin()
        self._tasks = [
            asyncio.create_task(self._follower.run(), name="ostiary-follow"),
            asyncio.create_task(_repeat(self.write_seen, WRITE_SEEN_EVERY), name="ostiary-seen"),
            asyncio.create_task(_repeat(self.purge, PURGE_EVERY), name="ostiary-purge"),
        ]
        if self._post is not None and sends:
            self._post.begin()
            self._posting = asyncio.create_task(self._post.run(), name="ostiary-post")

    async def stop(self) -> None:
        """Stop everything, and write down the last uses still in memory. A letter is sent to its end, if near."""
        if self._post is not None and self._posting is not None:
            self._post.end()
            await asyncio.wait([self._posting], timeout=LETTER_ENDS_WITHIN.total_seconds())
            self._tasks.append(self._posting)
            self._posting = None
        for task in self._tasks:
            task.cancel()
        self._follower.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        with contextlib.suppress(OstiaryError):
            await self.write_seen()


async def _repeat(step: Callable[[], Awaitable[None]], every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await step()
        except OstiaryError:
            pass  # the store cannot answer now; the next time will do
        except Exception as error:  # noqa: BLE001 - what goes on beside requests must go on
            log.warning("%s failed: %r", step.__name__, type(error))
