"""Follows a store's feed and keeps one process's `Floors` complete and their lease renewed.

It starts by reading the head and the snapshot, and follows from that head. Each round asks the store for its head and
the entries after the view in one consistent read; the lease counts from before that question was sent. Being woken
only makes a round happen sooner: nothing but a head that was read renews.

Where there is a stream, entries come by it and are taken in without a question; the store is asked for the head, for
what the stream has lost, and for documents. While the stream is down, the store's own bell wakes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from ostiary.core.floor import Batch, Document, Entry, Floor, Floors, Head, Renewal, Snapshot
from ostiary.core.policy import Policy
from ostiary.errors import OstiaryError, Unavailable
from ostiary.feed.relay import Relay
from ostiary.ports import Clock, Store, Stream
from ostiary.shared import Shared

log = logging.getLogger("ostiary.feed")

_BATCH = 1000

Load = Callable[[], Awaitable[None]]
"""Reads the documents (keys, roles, verifiers) anew from the store and puts them to use."""


class Follower:
    """One process's follower. `run` never ends by itself; while the store cannot answer, the lease simply runs out."""

    def __init__(
        self,
        *,
        store: Store,
        floors: Floors,
        clock: Clock,
        policy: Policy,
        load: Load,
        stream: Stream | None = None,
        relay: Relay | None = None,
    ) -> None:
        self._store = store
        self._stream = stream
        self._relay = relay
        self._floors = floors
        self._clock = clock
        self._every = policy.lease.total_seconds() / 4
        self._timeout = policy.lease.total_seconds() / 2
        self._load = load
        self._loaded = False
        self._shared: Shared[None, None] = Shared(self._ask)
        self._trouble = ""
        self._renewed_at = float("-inf")

    async def begin(self) -> None:
        """Make the first rounds, in this event loop."""
        self._shared.forget()
        await self._shared.answer(None)

    def end(self) -> None:
        """Ask nothing more."""
        self._shared.cancel()

    async def run(self) -> None:
        """Follow for ever. Whatever goes wrong is logged once and tried again: meanwhile the lease runs out."""
        while True:
            await self.step()

    async def step(self) -> None:
        """Catch up, and stay until it is time to do so again."""
        try:
            await self.catch_up()
            self._trouble = ""
        except Exception as error:  # noqa: BLE001 - a follower that ends would never come back
            what = f"{type(error).__name__}: {error}" if isinstance(error, OstiaryError) else repr(type(error))
            if what != self._trouble:
                self._trouble = what
                log.warning("cannot follow the feed: %s", what)
        await self._pause()

    async def catch_up(self) -> None:
        """Wait until the view has caught up with a head that was asked for after this call, and the lease is renewed.

        One asks at a time, for all who wait. Who gives up waiting does not end the question.

        Raises:
            Unavailable: the store cannot answer, or not within half the lease.
            Misconfigured: a key came that cannot be opened.
        """
        came = self._clock.elapsed()
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    await self._shared.answer(None)
                    if self._renewed_at >= came:
                        return
        except TimeoutError:
            raise Unavailable("the store does not answer in time") from None

    async def _ask(self, _: None) -> None:
        try:
            while await self.round() is not Renewal.RENEWED:
                pass
        except TimeoutError:
            raise Unavailable("the store does not answer in time") from None

    async def round(self) -> Renewal:
        """Ask once, apply what came, and renew the lease if the view has caught up with the head that was read.

        An ask is short, but for a snapshot, which takes as long as it takes: who gave up on it would never start over.
        """
        asked_at = self._clock.elapsed()
        view = self._floors.head
        async with asyncio.timeout(self._timeout) as patience, self._store.read() as tx:
            head = await tx.feed.head()
            if view is None or view.incarnation != head.incarnation or head.seq < view.seq:
                self._floors.renew(head, asked_at=asked_at)  # the view is over, even if no snapshot comes now
                patience.reschedule(None)
                return await self._start(await tx.feed.snapshot(), asked_at)
            entries = await tx.feed.since(view.seq, limit=_BATCH) if head != view else ()
            if head != view and (not entries or entries[0].seq != view.seq + 1):
                patience.reschedule(None)
                return await self._start(await tx.feed.snapshot(), asked_at)
        if any(isinstance(entry.change, Document) for entry in entries):
            self._loaded = False
        self._apply(entries, elapsed=self._clock.elapsed())
        if self._has_overtaken(head, view):
            return Renewal.BEHIND
        self._floors.forget(elapsed=asked_at, wall=asked_at + self._clock.offset)
        return await self._renew(head, asked_at)

    def _has_overtaken(self, head: Head, view: Head) -> bool:
        """Tell whether the stream brought more than this head knows of, meanwhile. Then no history went back."""
        now = self._floors.head
        return now is not None and now.incarnation == head.incarnation and now.seq > max(head.seq, view.seq)

    async def _start(self, snapshot: Snapshot, asked_at: float) -> Renewal:
        self._loaded = False
        self._floors.start(snapshot, asked_at=asked_at, elapsed=self._clock.elapsed())
        if self._relay is not None:
            self._relay.started(snapshot.head)
        return await self._renew(snapshot.head, asked_at)

    def _apply(self, entries: Sequence[Entry], *, elapsed: float) -> bool:
        is_whole = self._floors.apply(entries, elapsed=elapsed)
        if self._relay is not None:
            self._relay.applied(entries)
        return is_whole

    async def _renew(self, head: Head, asked_at: float) -> Renewal:
        # A document that was announced but not loaded yet is a view that has not caught up.
        if not self._loaded:
            await self._load()
            self._loaded = True
        renewal = self._floors.renew(head, asked_at=asked_at)
        if renewal is Renewal.RENEWED:
            self._renewed_at = asked_at
        return renewal

    async def _pause(self) -> None:
        """Stay until the store must be asked: something was written, something is missing, or the lease wants it."""
        end = self._clock.elapsed() + self._every
        with contextlib.suppress(Unavailable):
            await self._carried(end)
            return
        with contextlib.suppress(Unavailable):
            await self._store.changed(wait=max(0.0, end - self._clock.elapsed()))
            return
        # The store cannot even be watched: do not spin.
        await asyncio.sleep(max(0.0, end - self._clock.elapsed()))

    async def _carried(self, end: float) -> None:
        """Take in what the stream brings until then, or until it brings something that only the store can complete."""
        if self._stream is None:
            raise Unavailable("there is no stream")
        while (left := end - self._clock.elapsed()) > 0:
            for batch in await self._stream.next(wait=left):
                if not self._take_in(batch):
                    return

    def _take_in(self, batch: Batch) -> bool:
        """Take in what a stream brought. `False` says that the store must be asked for the rest.

        Floors are raised whatever else is missing. The view grows only by floors that follow it: for a document its
        text must be read, too.
        """
        view, elapsed = self._floors.head, self._clock.elapsed()
        if view is None or batch.incarnation != view.incarnation:
            return False
        new = [entry for entry in batch.entries if entry.seq > view.seq]
        floors = [entry.change for entry in new if isinstance(entry.change, Floor)]
        for floor in floors:
            self._floors.raise_to(floor, elapsed=elapsed)
        if len(floors) < len(new) or (new and new[0].seq != view.seq + 1):
            return False
        return self._apply(new, elapsed=elapsed)
