"""A server as a process of its own, for the length of a block."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence

from ostiary.system import TESTING


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], port: int, settings: Mapping[str, str]) -> Generator[int]:
    """Run a server that will listen on a port, with these variables too. Gives its process id once it listens."""
    around = {name: value for name, value in os.environ.items() if name != TESTING}  # a real server refuses it
    server = subprocess.Popen(command, env={**around, **settings}, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _until_ready(server, port)
        yield server.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def _until_ready(server: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(200):
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("the server did not start")
