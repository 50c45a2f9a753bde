"""A client of one request: it connects, asks, reads the answer and goes. So each request may reach another worker."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

PATIENCE = 6.0  # seconds: longer than anything is stopped for


class Lost(Exception):
    """No answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    cookies: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None

    def wire(self) -> bytes:
        """Write it as it goes over the line (RFC 9112)."""
        payload = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", "host: 127.0.0.1", "connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body is not None:
            lines += ["content-type: application/json"]
        lines += [f"content-length: {len(payload)}", "", ""]
        return "\r\n".join(lines).encode() + payload


async def ask(port: int, request: Request) -> Answer:
    """Ask, and return the answer.

    Raises:
        Lost: none came, or only a part of one.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request.wire())
                raw = await reader.read(1 << 20)
                while more := await reader.read(1 << 20):
                    raw += more
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        raise Lost from None
    return _read(raw)


async def hang_up(port: int, request: Request, *, after: float, share: float) -> None:
    """Send a share of a request, and go without waiting for the answer."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            wire = request.wire()
            writer.write(wire[: max(1, round(share * len(wire)))])
            await asyncio.sleep(after)
            writer.transport.abort()


def _read(raw: bytes) -> Answer:
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        raise Lost
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if len(body) < int(dict(headers).get("content-length", "0")):
        raise Lost
    pairs = [value.partition(";")[0].partition("=") for name, value in headers if name == "set-cookie"]
    return Answer(int(first.split()[1]), {name: value for name, _, value in pairs}, body)
