"""A client that reads an endless answer through the ASGI door, as a server would pass it on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from ostiary.asgi import Door, Message


class Flow:
    """An answer under way. What the door sends waits in a queue; a slow client is one that takes nothing out of it."""

    def __init__(self, *, room: int = 0) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_over = False
        self._bodies = asyncio.Queue[bytes | None](room)
        self._gone = asyncio.Event()
        self._was_read = False

    async def receive(self) -> Message:
        if not self._was_read:
            self._was_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self._bodies.put(message.get("body", b""))
        if not message.get("more_body", False):
            self.is_over = True

    def leave(self) -> None:
        """Go away."""
        self._gone.set()

    async def until(self, count: int) -> list[tuple[str, str, Any]]:
        """Read so many events: id, name, data."""
        events: list[tuple[str, str, Any]] = []
        async with asyncio.timeout(20):
            while len(events) < count:
                events += events_of(await self._bodies.get() or b"")
        return events


def events_of(text: bytes) -> list[tuple[str, str, Any]]:
    """Read events: id, name, data. Comments are passed over."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.decode().split("\n\n")]
    return [
        (block.get("id", ""), block["event"], msgspec.json.decode(block["data"]))
        for block in blocks
        if "event" in block
    ]


@asynccontextmanager
async def flowing(door: Door, key: str, after: str, *, method: str = "GET", room: int = 0) -> AsyncGenerator[Flow]:
    """Begin to follow the feed, and leave at the end of the block. Then the door must be done soon."""
    flow = Flow(room=room)
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"last-event-id", after.encode())]
    scope: Any = {
        "type": "http",
        "method": method,
        "path": "/auth/feed",
        "query_string": b"",
        "headers": headers,
        "client": ("203.0.113.7", 5000),
    }
    answering = asyncio.create_task(door(scope, flow.receive, flow.send))
    try:
        async with asyncio.timeout(20):
            while not flow.status:
                await asyncio.sleep(0)
        yield flow
    finally:
        flow.leave()
        async with asyncio.timeout(20):
            await answering
