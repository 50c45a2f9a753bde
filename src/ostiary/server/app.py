"""The application of one worker process."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from ostiary.asgi import Door, Receive, Scope, Send, respond
from ostiary.server import log
from ostiary.server.data import open_auth
from ostiary.server.settings import Settings
from ostiary.web.metrics import Metrics
from ostiary.web.problem import NOT_FOUND, Problem

VARIABLE: Final = "_OSTIARY_SETTINGS"
"""The environment variable in which a worker finds its settings, as JSON. A URL in them may hold a password."""

_LOOK_EVERY: Final = 1.0


def load() -> Door:
    """Make the application from the settings that the parent left. Granian calls this in each worker."""
    settings = Settings.from_json(os.environ[VARIABLE])
    log.configure(level=settings.log_level, form=settings.log_format)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="ostiary-parent", daemon=True).start()
    metrics = Metrics()
    auth = open_auth(settings, sink=log.Sinks(log.LogSink(), metrics), define_roles=True)

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            _at_the_signal(auth.relay.close)
        await not_found(scope, receive, send)

    return Door(inside, auth, service=True, metrics=metrics)


async def not_found(scope: Scope, _: Receive, send: Send) -> None:
    """Answer what no route of the service answers."""
    if scope["type"] == "http":
        await respond(Problem(NOT_FOUND).response(), scope, send)


def _at_the_signal(close: Callable[[], None]) -> None:
    """End what would go on for ever when the worker is told to stop.

    Granian waits for every answer to end before it says that the life of the application is over. Its own way to hear
    of the signal is the event loop's, and stays: what is called here is called beside it.
    """
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(signum)

        def told(number: int, frame: FrameType | None, before: object = before) -> None:
            loop.call_soon_threadsafe(close)
            if callable(before):
                before(number, frame)

        signal.signal(signum, told)


def _end_with(parent: int) -> None:
    """Stop when the parent is gone: a worker that nobody can stop would keep the port, and old code, for ever."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
