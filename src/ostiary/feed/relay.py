"""Passes this process's view of the feed on to verifiers elsewhere. `feed.wire` is the format.

It remembers the newest entries that were applied here, and wakes who follows. Nothing that it sends renews a lease,
save the head, which says what is left of this process's own.

| the last event of a reader                            | then it gets                                                |
|-------------------------------------------------------|-------------------------------------------------------------|
| is of another history                                 | `reset`                                                     |
| is older than what is remembered                      | what the store has of the rest; `reset` if something is gone |
| is in the view                                        | what follows, as it comes                                   |
| is beyond the view: it was read from another process  | the same, once the view is there; `reset` after a lease     |

| what happens meanwhile                                | then                                                        |
|-------------------------------------------------------|-------------------------------------------------------------|
| the view is started over                              | `reset`                                                     |
| a document was announced and is not loaded yet        | it and what follows it wait until it is                     |
| the verifier is removed                               | the stream ends                                             |
| this process stops; the stream is old                 | the stream ends, and the reader goes on somewhere           |
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

from ostiary.core.floor import Document, Entry, Floor, Floors, Head
from ostiary.core.policy import Policy
from ostiary.errors import Overloaded, Unavailable
from ostiary.feed import wire
from ostiary.feed.wire import DocumentOut, FloorOut, HeadOut, SnapshotOut
from ostiary.ports import Clock, Entropy, Store

_REMEMBERED = 10_000
_MOST_IN_CHUNK = 500
_BEAT_EVERY = 5.0
_RETRY_AFTER = 5


class Relay:
    """What one process passes on. Who applies entries to the floors tells it so, and who loads documents, too."""

    def __init__(
        self, *, store: Store, floors: Floors, clock: Clock, entropy: Entropy, policy: Policy, issuer: str
    ) -> None:
        self._store = store
        self._floors = floors
        self._clock = clock
        self._entropy = entropy
        self._policy = policy
        self._issuer = issuer
        self._lease = policy.lease.total_seconds()
        self._is_open = False
        self._view = Head("", 0)
        self._start = 0
        self._recent: list[Entry] = []
        self._history = object()
        self._documents: dict[str, DocumentOut] = {}
        self._announced: dict[str, int] = {}
        self._chunks: dict[int, tuple[int, bytes]] = {}
        self._woken = asyncio.Event()
        self._streams = Counter[str]()

    @property
    def streams(self) -> int:
        """How many streams are followed now."""
        return self._streams.total()

    # -------------------------------------------------------------------------------------------- what it is told

    def open(self) -> None:
        """Let verifiers follow, in this event loop."""
        self._woken = asyncio.Event()
        self._streams = Counter[str]()
        self._is_open = True

    def close(self) -> None:
        """End every stream soon, and begin no other."""
        self._is_open = False
        self._wake()

    def started(self, head: Head) -> None:
        """Take note that the view was started over from a snapshot."""
        self._view = head
        self._start = head.seq
        self._recent.clear()
        self._announced.clear()
        self._history = object()
        self._wake()

    def applied(self, entries: Iterable[Entry]) -> None:
        """Take note of entries that were given to the floors. What those did not take, for a gap, is not passed on."""
        view = self._floors.head
        for entry in entries:
            if view is None or not self._view.seq < entry.seq <= view.seq:
                continue
            self._recent.append(entry)
            self._view = Head(view.incarnation, entry.seq)
            if isinstance(entry.change, Document):
                self._announced[entry.change.name] = entry.change.version
        if len(self._recent) > 2 * _REMEMBERED:
            del self._recent[:_REMEMBERED]
            self._start = self._recent[0].seq - 1
        self._wake()

    def equip(self, documents: Iterable[DocumentOut]) -> None:
        """Pass these documents on from now on. One without a body is announced, and says nothing to a verifier."""
        self._documents = {document.name: document for document in documents}
        self._wake()

    def _wake(self) -> None:
        self._chunks.clear()
        self._woken.set()
        self._woken = asyncio.Event()

    # -------------------------------------------------------------------------------------------- what it tells

    def head(self) -> HeadOut:
        """Return up to where this process has followed, and what is left of its lease.

        Raises:
            Unavailable: nothing is left. An old lease must not be passed on.
        """
        head, left = self._floors.head, self._floors.fresh_until - self._clock.elapsed()
        if head is None or left <= 0:
            raise Unavailable("the lease has run out")
        return HeadOut(incarnation=head.incarnation, seq=head.seq, lease=left)

    def snapshot(self) -> SnapshotOut:
        """Return everything that a verifier starts from, as it is in this moment.

        Raises:
            Unavailable: the lease has run out, or a document is not loaded yet: the reader would not hear of it again.
        """
        head = self.head()
        if any(self._wire(Document(*announced)) is None for announced in self._announced.items()):
            raise Unavailable("a document is not loaded yet")
        return SnapshotOut(
            incarnation=head.incarnation,
            seq=head.seq,
            issuer=self._issuer,
            lease=self._lease,
            access_life=self._policy.access_life.total_seconds(),
            leeway=self._policy.leeway.total_seconds(),
            floors=tuple(FloorOut.of(floor) for floor in self._floors.live()),
            documents=tuple(document for document in self._documents.values() if document.body is not None),
        )

    def follow(self, after: Head, *, verifier: str, is_welcome: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """Return what comes after a head, in chunks of whole events, for as long as the reader is welcome.

        Each verifier has streams of its own: one that opens too many keeps no other out.

        Raises:
            Overloaded: this verifier follows too often already.
            Unavailable: this process stops.
        """
        if not self._is_open:
            raise Unavailable("not started, or stopped")
        if self._streams[verifier] >= self._policy.most_streams:
            raise Overloaded(_RETRY_AFTER)
        return self._follow(after, verifier, is_welcome)

    # -------------------------------------------------------------------------------------------- a stream

    async def _follow(self, after: Head, verifier: str, is_welcome: Callable[[], bool]) -> AsyncGenerator[bytes]:
        streams = self._streams  # a stream that outlives this opening is none of the next one's
        if streams[verifier] >= self._policy.most_streams:
            return  # others came between the promise and this first step
        streams[verifier] += 1
        try:
            yield wire.BEAT  # so that the reader knows at once that it is heard
            async with aclosing(self._chunks_after(after, is_welcome)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Unavailable:
            pass  # the store cannot say what the reader has missed: it asks again
        finally:
            streams[verifier] -= 1
            if not streams[verifier]:
                del streams[verifier]

    async def _chunks_after(self, after: Head, is_welcome: Callable[[], bool]) -> AsyncGenerator[bytes]:
        now = asyncio.get_running_loop().time
        incarnation, seq, history = after.incarnation, after.seq, self._history
        end, here_by = now() + self._life(), now() + self._lease
        while self._is_open and is_welcome() and now() < end:
            woken = self._woken
            missed = await self._missed(incarnation, seq) if seq < self._start else ()
            is_beyond = seq > self._view.seq
            if (
                incarnation != self._view.incarnation
                or history is not self._history
                or missed is None
                or (is_beyond and now() >= here_by)
            ):
                yield wire.RESET
                return
            if is_beyond:
                await _within(woken, here_by - now())
                continue
            seq, chunk = self._encoded(seq, missed) if missed else self._next(seq)
            if chunk:
                yield chunk
            elif not await _within(woken, min(_BEAT_EVERY, end - now())):
                yield wire.BEAT

    def _life(self) -> float:
        """Return how long a stream lives. Not all the same, so that verifiers do not come back all at once."""
        return self._policy.stream_life.total_seconds() * (0.75 + self._entropy.bytes(1)[0] / 1020)

    async def _missed(self, incarnation: str, seq: int) -> Sequence[Entry] | None:
        """Ask the store for entries that are not remembered any more. `None` if they are not there any more either."""
        limit = min(_MOST_IN_CHUNK, self._start - seq)
        try:
            async with asyncio.timeout(self._lease):
                news = await self._store.news(seq, limit=limit)
        except TimeoutError:
            raise Unavailable("the store does not answer in time") from None
        is_whole = [entry.seq for entry in news.entries] == list(range(seq + 1, seq + 1 + limit))
        return news.entries if news.head.incarnation == incarnation and is_whole else None

    def _next(self, seq: int) -> tuple[int, bytes]:
        """Return the last `seq` of the next chunk, and the chunk. Streams that stand at one place share it."""
        if seq not in self._chunks:
            begin = seq - self._start
            self._chunks[seq] = self._encoded(seq, self._recent[begin : begin + _MOST_IN_CHUNK])
        return self._chunks[seq]

    def _encoded(self, seq: int, entries: Iterable[Entry]) -> tuple[int, bytes]:
        """Write the entries after `seq`, as far as their documents are loaded."""
        changes: list[tuple[int, FloorOut | DocumentOut]] = []
        for entry in entries:
            out = self._wire(entry.change)
            if out is None:
                break
            changes.append((entry.seq, out))
        last = changes[-1][0] if changes else seq
        return last, wire.events(self._view.incarnation, changes)

    def _wire(self, change: Floor | Document) -> FloorOut | DocumentOut | None:
        """Return what is sent of a change. `None` while its document is not loaded; a newer version is as good."""
        if isinstance(change, Floor):
            return FloorOut.of(change)
        loaded = self._documents.get(change.name)
        if loaded is None:  # what only a newer version of ours knows
            return DocumentOut(name=change.name, version=change.version, body=None)
        return loaded if loaded.version >= change.version else None


async def _within(woken: asyncio.Event, seconds: float) -> bool:
    """Wait for something to happen, so long at most, and say whether it did."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await woken.wait()
    except TimeoutError:
        return False
    return True
