"""The application of one worker process."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from ostiary.asgi import App, Door, Receive, Scope, Send, language, respond
from ostiary.auth import Auth
from ostiary.errors import Unavailable
from ostiary.server import log
from ostiary.server.data import open_auth
from ostiary.server.settings import Settings
from ostiary.web.http import Request
from ostiary.web.metrics import Metrics
from ostiary.web.pages import Look, Pages
from ostiary.web.problem import NOT_FOUND, Problem
from ostiary.web.standing import mount

logger = logging.getLogger("ostiary.server")

VARIABLE: Final = "_OSTIARY_SETTINGS"
"""The environment variable in which a worker finds its settings, as JSON. A URL in them may hold a password."""

_LOOK_EVERY: Final = 1.0
_TRY_EVERY: Final = 0.5


def load() -> App:
    """Make the application from the settings that the parent left. Granian calls this in each worker."""
    settings = Settings.from_json(os.environ[VARIABLE])
    log.configure(level=settings.log_level, form=settings.log_format)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="ostiary-parent", daemon=True).start()
    metrics = Metrics()
    auth = open_auth(settings, sink=log.Sinks(log.LogSink(), metrics), define_roles=True)

    look = Look(
        brand=settings.brand,
        accent=settings.accent,
        logo=settings.logo,
        templates=settings.templates,
        geoip=settings.geoip,
    )
    nothing = nowhere(Pages(auth, look, service=True))

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            _at_the_signal(auth.relay.close)
        await nothing(scope, receive, send)

    door = Door(inside, auth, service=True, metrics=metrics, pages=look)

    async def outside(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _start(auth)
        await door(scope, receive, send)

    return outside


def nowhere(pages: Pages) -> App:
    """Make what answers where no route is: with a page who reads pages, with a problem everybody else."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        accepted = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        if scope["type"] == "http" and b"text/html" in accepted:
            request = Request(method=scope["method"], path=scope["path"], headers=tuple(scope["headers"]))
            await respond(pages.nowhere(request), scope, send)
        else:
            await not_found(scope, receive, send)

    return answer


async def not_found(scope: Scope, _: Receive, send: Send) -> None:
    """Answer what no route of the service answers."""
    if scope["type"] == "http":
        await respond(Problem(NOT_FOUND).response(mount(scope), language(scope)), scope, send)


async def _start(auth: Auth) -> None:
    """Start, however long the store is away. At the service's own start the parent has seen that all can be used.

    A worker that gave up would be started again, and given up on: granian ends all workers when one of them ends twice
    within seconds. One that died while the store was away would so take with it those that are waiting for it. Told
    to stop meanwhile, it waits no longer: the door tries once more, and says that it cannot start.
    """
    told = asyncio.Event()
    _at_the_signal(told.set)
    said = ""
    while not told.is_set():
        try:
            await auth.start()
        except Unavailable as error:
            if str(error) != said:
                said = str(error)
                logger.warning("a worker cannot start yet: %s", said)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TRY_EVERY):
                    await told.wait()
        except Exception:  # noqa: BLE001 - whatever it is, the door meets it again, and reports it
            return
        else:
            return


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
