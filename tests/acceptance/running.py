"""The examples as processes of their own: one line each."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.server.running import clean_environment, free_port

ROOT = Path(__file__).parents[2]
_PATIENCE = 45.0
"""Seconds: a busy machine takes long to load what an application is made of."""


@dataclass(frozen=True)
class Example:
    """An application that granian serves. A `factory` is called to make it."""

    interface: str
    target: str
    factory: bool = True

    @property
    def talks(self) -> bool:
        """Whether it has a WebSocket, at `/talk`."""
        return self.interface == "asgi"


EXAMPLES = {
    "asgi": Example("asgi", "examples.asgi_app:create_app"),
    "starlette": Example("asgi", "examples.starlette_app:create_app"),
    "fastapi": Example("asgi", "examples.fastapi_app:create_app"),
    "litestar": Example("asgi", "examples.litestar_app:create_app"),
    "flask": Example("wsgi", "examples.flask_app:create_app"),
    "wsgi": Example("wsgi", "examples.wsgi_app:create_app"),
    "django": Example("wsgi", "examples.django_project.wsgi:application", factory=False),
}


@contextmanager
def served(example: Example, folder: Path) -> Generator[str]:
    """Start an example on a free port, and yield its address. It is told where its database and its issuer are."""
    log = folder / "log"
    for _ in range(3):  # another process may take the port before granian does
        url = f"http://127.0.0.1:{free_port()}"
        process = _start(example, folder, url, log)
        try:
            if _is_up(process, url, log):
                yield url
                return
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    raise AssertionError(log.read_text())


def _start(example: Example, folder: Path, url: str, log: Path) -> "subprocess.Popen[bytes]":
    port = url.rpartition(":")[2]
    command = [sys.executable, "-m", "granian", "--interface", example.interface, "--host", "127.0.0.1", "--port", port]
    more = {"DATABASE": str(folder / "app.db"), "ISSUER": url, "PYTHONPATH": os.pathsep.join(("src", "."))}
    with log.open("ab") as out:
        return subprocess.Popen(
            [*command, *(["--factory"] if example.factory else []), example.target],
            cwd=ROOT,
            env=clean_environment(more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def _is_up(process: "subprocess.Popen[bytes]", url: str, log: Path) -> bool:
    """Wait until it answers. `False` when it has ended instead."""
    end = time.monotonic() + _PATIENCE
    while process.poll() is None:
        with socket.socket() as probe:
            listens = probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0
        if listens and httpx.get(f"{url}/public/hours", trust_env=False, timeout=_PATIENCE).status_code == 200:
            return True
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    return False
