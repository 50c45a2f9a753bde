"""One view of the feed over HTTP, from its snapshot until it must be started over.

It reads the events from the head of the snapshot on, and asks for the head every quarter of a lease. Only a head that
was asked for renews, and the lease is what was left of the answerer's own, counted from before the ask:

| what comes                                        | then                                                           |
|---------------------------------------------------|----------------------------------------------------------------|
| a head that the view has caught up with           | the lease is renewed; with the first, the view begins to answer|
| a head beyond the view                            | it waits: it renews once the stream has brought all up to it   |
| nothing of the rest within half a lease           | another connection, and so perhaps another worker              |
| nothing within another half                       | start over from the snapshot                                   |
| a document                                        | it is put to use before the view counts it                     |
| a gap                                             | memory stops answering; start over                             |
| `reset`, another incarnation, a history gone back | start over                                                     |
| no answer                                         | nothing: the lease runs out                                    |
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

import msgspec

from ostiary.core.floor import Document, Entry, Floor, Floors, Head, Renewal
from ostiary.errors import Unavailable
from ostiary.feed.wire import DocumentOut, Event, HeadOut, Reset, read_event, write_id
from ostiary.origin import Origin
from ostiary.ports import Clock

log = logging.getLogger("ostiary.feed")

FEED = "/auth/feed"
HEAD = "/auth/feed/head"

LARGEST_HEAD = 4 * 1024
LARGEST_EVENT = 1024 * 1024
"""In bytes."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the view is behind the newest head that was heard of, in entries, and for how long it has been."""

    entries: int
    since: timedelta

    def __bool__(self) -> bool:
        return self.entries > 0


class View(Protocol):
    """What answers: floors, and what is made of the documents."""

    floors: Floors

    def load(self, document: DocumentOut) -> None:
        """Put a document to use. Raises `ValueError` when it cannot be read."""
        ...


V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A head that was heard of, when it was asked for, and what was left of the answerer's lease."""

    head: Head
    asked_at: float
    left: float


class Following(Generic[V]):
    """One view, from its snapshot until it must be started over."""

    def __init__(
        self,
        origin: Origin,
        view: V,
        clock: Clock,
        *,
        lease: float,
        renewed: Callable[[V], None],
        troubled: Callable[[str], None],
    ) -> None:
        self._origin = origin
        self._view = view
        self._floors = view.floors
        self._clock = clock
        self._every = lease / 4
        self.patience = lease / 2
        self._renewed = renewed
        self._troubled = troubled
        self._asking: asyncio.Task[None] | None = None
        self._carrying: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._heard: Head | None = None
        self._awaited: _Asked | None = None
        self._behind_since: float | None = None
        self._late_since = 0.0
        self._is_second_stream = False

    @property
    def lag(self) -> Lag:
        """How far behind the view is, and for how long."""
        view, since = self._floors.head, self._behind_since
        if self._heard is None or view is None or since is None:
            return Lag(0, timedelta(0))
        return Lag(self._heard.seq - view.seq, timedelta(seconds=self._clock.elapsed() - since))

    async def run(self) -> None:
        """Follow until the view must be started over."""
        self._carrying = asyncio.create_task(self._carry())
        try:
            while not self._over.is_set():
                try:
                    await self.ask()
                except Unavailable as error:
                    self._troubled(str(error))
                self._look_at_stream()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._every):
                        await self._over.wait()
        finally:
            tasks = [task for task in (self._carrying, self._asking) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -------------------------------------------------------------------------------------------- the head

    async def ask(self) -> None:
        """Ask for the head. Who comes while that is under way waits for the same answer.

        Raises:
            Unavailable: there is none.
        """
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._has_asked)
        await asyncio.shield(self._asking)

    def _has_asked(self, asking: "asyncio.Task[None]") -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # everyone who waited may be gone: then nobody else looks at it

    async def _ask(self) -> None:
        asked_at = self._clock.elapsed()
        try:
            body = await self._origin.get(HEAD, within=self.patience, most=LARGEST_HEAD)
        except asyncio.CancelledError:
            # Whoever waits for this answer was not cancelled. They are told, as they would be of any other failure.
            raise Unavailable("this view of the feed is over") from None
        try:
            answer = msgspec.json.decode(body, type=HeadOut)
        except msgspec.MsgspecError:
            raise Unavailable(f"{self._origin.name}{HEAD} says nothing that can be read") from None
        wall = self._clock.now()  # this also notices a clock that was put forward
        self._floors.forget(elapsed=asked_at, wall=wall.timestamp())
        self._consider(_Asked(answer.read(), asked_at, answer.lease))

    def _consider(self, asked: _Asked) -> None:
        match self._floors.renew(asked.head, asked_at=asked.asked_at, left=asked.left):
            case Renewal.RENEWED:
                self._renewed(self._view)
                if self._awaited is None:
                    self._behind_since = None
            case Renewal.BEHIND:
                self._heard = asked.head
                if self._behind_since is None:
                    self._behind_since = self._late_since = asked.asked_at
                # The nearer of two heads is reached first; of one head, what was asked last renews for longer.
                if self._awaited is None or asked.head.seq <= self._awaited.head.seq:
                    self._awaited = asked
            case Renewal.START_OVER:
                self._start_over("the feed has another history")

    def _start_over(self, why: str) -> None:
        self._troubled(why)
        self._over.set()

    # -------------------------------------------------------------------------------------------- the stream

    def _look_at_stream(self) -> None:
        """Give up a stream that does not bring what there is: first for another one, then with the whole view."""
        if self._behind_since is None or self._clock.elapsed() - self._late_since <= self.patience:
            return
        if self._is_second_stream:
            self._start_over("the stream of events stays behind")
            return
        self._is_second_stream, self._late_since = True, self._clock.elapsed()
        if self._carrying is not None:
            self._carrying.cancel()
        self._carrying = asyncio.create_task(self._carry())

    async def _carry(self) -> None:
        """Take in what the stream brings. One that ends is opened again, at once if it has lived for a while."""
        trouble = ""
        while not self._over.is_set():
            began = self._clock.elapsed()
            try:
                await self._carry_once()
            except Unavailable as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("the stream of events has ended: %s", trouble)
            if self._clock.elapsed() - began < self.patience:
                await asyncio.sleep(self._every / 2)

    async def _carry_once(self) -> None:
        head = self._floors.head
        last = {"last-event-id": write_id(head), "accept": "text/event-stream"} if head is not None else {}
        async with self._origin.stream(FEED, within=2 * self.patience, headers=last) as chunks:
            async for text in _events(chunks):
                try:
                    event = read_event(text)
                    if event is not None:
                        self._take_in(event)
                except (ValueError, OverflowError, RecursionError):
                    self._start_over("an event cannot be read")
                if self._over.is_set():
                    return

    def _take_in(self, event: Event | Reset) -> None:
        view = self._floors.head
        if isinstance(event, Reset) or view is None or event.head.incarnation != view.incarnation:
            self._start_over("the feed has another history")
            return
        if event.head.seq <= view.seq:
            return
        change: Floor | Document
        if isinstance(event.what, DocumentOut):
            change = Document(event.what.name, event.what.version)
            self._view.load(event.what)
        else:
            change = event.what.read()
        if not self._floors.apply([Entry(event.head.seq, change)], elapsed=self._clock.elapsed()):
            self._start_over("the stream of events has a gap")
        elif self._awaited is not None and self._awaited.head.seq <= event.head.seq:
            caught, self._awaited = self._awaited, None
            self._is_second_stream = False
            self._behind_since = None
            self._consider(caught)


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut a stream into its events, each without the empty line that ends it."""
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        while (end := rest.find(b"\n\n")) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 2]
        if len(rest) > LARGEST_EVENT:
            raise Unavailable("an event is too large")
