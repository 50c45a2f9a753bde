"""A line between two processes that can be cut, slowed and reset."""

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.servers.server import free_port

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, as a firewall or a dead host's successor does


class Line:
    """A port here that leads to a port there. What passes, passes in order; nothing is ever altered."""

    def __init__(self, there: int) -> None:
        self.there = there
        self.port = free_port()
        self.delay = 0.0
        """Seconds by which everything is late, each way."""
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.mend()
        while self._ends:  # one may be on its way yet
            self.reset()
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Let nothing through any more, and tell nobody: connections stay, and wait."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything through again, at once."""
        self.delay = 0.0
        self._whole.set()

    def reset(self) -> None:
        """Break every connection, with a reset at both ends."""
        for end in tuple(self._ends):
            _reset(end)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._ends.add(writer)
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.there)
            ends.add(far_writer)
            self._ends.add(far_writer)
            pumps = [
                asyncio.create_task(self._pump(reader, far_writer)),
                asyncio.create_task(self._pump(far_reader, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.wait(pumps)
        except OSError:
            pass  # nobody is there
        finally:
            self._ends -= ends
            for end in ends:
                _reset(end)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(1 << 16):
                await self._whole.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(chunk)
                await writer.drain()


def _reset(end: asyncio.StreamWriter) -> None:
    line = end.get_extra_info("socket")
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.transport.abort()
