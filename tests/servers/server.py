"""What can be done to any throwaway server: start, stop, kill, restart, pause and resume it."""

import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.servers.folder import Folder, freeze, kill

PATIENCE = 30.0  # seconds for a start, recovery included, or for a stop


class Server(ABC):
    """A server of our own on 127.0.0.1, whose port and data stay the same until it is closed.

    `with` starts it and closes it. All methods block; who needs the event loop meanwhile uses `asyncio.to_thread`.
    """

    stop_signal = signal.SIGTERM
    close_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Folder()
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether the server takes commands. It is asked over its socket file: a port may be somebody else's."""

    def start(self) -> Self:
        """Start the server, and return when it answers."""
        assert self._process is None, "it runs already"
        self._process = self.folder.start(*self.command())
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"{type(self).__name__} does not start. Its log:\n{self.log()}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Ask the server to shut down in good order, and wait until it has."""
        self._end(self.stop_signal)

    def restart(self) -> Self:
        """Stop the server and start it again, with the same data on the same port."""
        self.stop()
        return self.start()

    def kill(self) -> None:
        """Kill all processes of the server, as `kill -9` and the end of a container do."""
        process = self._running()
        if process.poll() is None:
            kill(psutil.Process(process.pid))
        process.wait(PATIENCE)
        self._process = None

    def is_running(self) -> bool:
        """Say whether its first process is there. One that gave up by itself can be killed and started again."""
        return self._process is not None and self._process.poll() is None

    def pause(self) -> None:
        """Freeze the server: connections to it stay, and new ones are made, but nothing is answered until `resume`."""
        freeze(psutil.Process(self._running().pid))

    def resume(self) -> None:
        """Let a paused server go on. One that was not paused does not notice."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def close(self) -> None:
        """End the server for good, and remove its folder."""
        try:
            if self._process is not None:
                self._end(self.close_signal)
        finally:
            self.folder.close()  # it kills what has not ended

    def log(self) -> str:
        """Return what the server has said since it was made."""
        return (self.folder.path / "log").read_text()

    def processes(self) -> list[psutil.Process]:
        """Return all processes of the server, the first one first."""
        first = psutil.Process(self._running().pid)
        return [first, *first.children(recursive=True)]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, how: signal.Signals) -> None:
        process = self._running()
        self.resume()
        process.send_signal(how)
        process.wait(PATIENCE)
        self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it does not run"
        return self._process


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given.

    Among the ports that the kernel deals out, a client that calls a server which is down can be given the very port it
    calls: it is then connected to itself, and the server cannot start again.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
