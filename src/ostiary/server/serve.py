"""Runs the service: everything that can be wrong is found first, then granian starts the workers."""

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from ostiary.errors import Misconfigured
from ostiary.server import app, log
from ostiary.server.data import prepare
from ostiary.server.settings import Settings

_PATIENCE: Final = 30
"""Seconds that a worker may take to start, or to finish its requests when it is stopped."""
_HEADERS_WITHIN: Final = 10_000
"""Milliseconds in which a client must have sent its headers."""


class Ready(Protocol):
    """What to do when the service answers."""

    def __call__(self, address: str, *, link: str | None) -> None:
        """Take the address at which this machine reaches it, and what makes the first administrator, if anything."""
        ...


def serve(settings: Settings, *, ready: Ready) -> int:
    """Run until told to stop (SIGINT, SIGTERM). Returns the exit code.

    When the first worker answers, `ready` is called.

    Raises:
        Misconfigured, Unavailable: it cannot start; one line says why and what to do.
    """
    log.configure(level=settings.log_level, form=settings.log_format)
    address = bind(settings.host, settings.port)
    link = asyncio.run(prepare(settings, begins=True)).link
    _wait_for_threads()
    os.environ[app.VARIABLE] = settings.to_json()
    server = Server(
        "ostiary.server.app:load",
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN),
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig=dict(log.GRANIAN),
        respawn_failed_workers=True,
        workers_kill_timeout=_PATIENCE,
    )
    when = (address, settings.port, partial(ready, link=link))
    threading.Thread(target=_call_when_answering, args=when, daemon=True).start()
    try:
        # Our own loader: granian's would put the working directory in front of the path that modules are found on.
        server.serve(target_loader=app.load, wrap_loader=False)
    except SystemExit as stopped:
        # A worker that was faster to see Ctrl-C than its parent counts as lost with granian. It is not.
        return 0 if server.interrupt_signal or not stopped.code else 1
    return 0


def bind(host: str, port: int) -> str:
    """Return the address that a host name stands for, once it is sure that this port of it can be listened on.

    Workers share the port (`SO_REUSEPORT`), so a second service would not fail to start there: it would take half of
    the first one's requests. Asking without sharing finds that out.

    Raises:
        Misconfigured: it cannot be listened on.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise Misconfigured(
            f"the host {host!r} is not known; --host takes an address or a name of this machine"
        ) from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen(1)
        except OSError as error:
            raise Misconfigured(_why_not(host, port, error)) from None
    return str(place[0])


def _why_not(host: str, port: int, error: OSError) -> str:
    match error:
        case PermissionError():
            return f"port {port} is for root only; choose one above 1023 with --port"
        case OSError(errno=errno.EADDRINUSE):
            return f"port {port} of {host} is taken already; choose another with --port"
        case OSError(errno=errno.EADDRNOTAVAIL):
            return f"{host} is not an address of this machine; choose another with --host"
        case _:
            return f"cannot listen on port {port} of {host}: {error.strerror}"


def _wait_for_threads() -> None:
    """Let the threads of the preparation end. A process is forked safely while it has one thread only."""
    end = time.monotonic() + 2
    while threading.active_count() > 1 and time.monotonic() < end:
        time.sleep(0.005)


def _call_when_answering(address: str, port: int, ready: Callable[[str], None]) -> None:
    """Call when the service takes connections. It sleeps first, so that no worker is forked while this holds a lock."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - it is asked for, not listened on
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        time.sleep(0.1)
        with suppress(OSError), socket.create_connection((here, port), timeout=1):
            ready(here)
            return
