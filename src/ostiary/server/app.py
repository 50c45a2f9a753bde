"""The application of one worker process."""

import os
import signal
import threading
import time
from typing import Final

from ostiary.asgi import Door, Receive, Scope, Send, respond
from ostiary.server import log
from ostiary.server.data import open_auth
from ostiary.server.settings import Settings
from ostiary.web.metrics import Metrics
from ostiary.web.problem import NOT_FOUND, Problem

VARIABLE: Final = "_OSTIARY_SETTINGS"
"""The environment variable in which a worker finds its settings, as JSON. They hold no secret."""

_LOOK_EVERY: Final = 1.0


def load() -> Door:
    """Make the application from the settings that the parent left. Granian calls this in each worker."""
    settings = Settings.from_json(os.environ[VARIABLE])
    log.configure(level=settings.log_level, form=settings.log_format)
    threading.Thread(target=_end_with, args=(os.getppid(),), name="ostiary-parent", daemon=True).start()
    metrics = Metrics()
    auth = open_auth(settings, sink=log.Sinks(log.LogSink(), metrics), define_roles=True)
    return Door(not_found, auth, service=True, metrics=metrics)


async def not_found(scope: Scope, _: Receive, send: Send) -> None:
    """Answer what no route of the service answers."""
    if scope["type"] == "http":
        await respond(Problem(NOT_FOUND).response(), scope, send)


def _end_with(parent: int) -> None:
    """Stop when the parent is gone: a worker that nobody can stop would keep the port, and old code, for ever."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
