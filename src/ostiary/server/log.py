"""What the service writes to its log: one line for each thing that happened, on stderr.

No secret ever reaches a log. What a client chose (a device's name, a made-up address) can neither begin a line of its
own nor move the cursor of the terminal in which the log is read.
"""

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import Processor

from ostiary.core.events import Event, Kind
from ostiary.ports import EventSink

_ALARMING: Final = frozenset({Kind.TOKEN_REUSED})
_NOTEWORTHY: Final = frozenset({Kind.LOGIN_FAILED, Kind.LETTER_GIVEN_UP})


def configure(*, level: str, form: str) -> None:
    """Set up the log of this process: `form` is `console` or `json`."""
    is_terminal = sys.stderr.isatty()
    render: Processor = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            printable,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    ours = logging.getLogger("ostiary")
    ours.handlers = [ServerLog()]
    ours.setLevel(level.upper())
    ours.propagate = False


def printable(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what a terminal or a line-based reader could take for something else than text."""
    return {
        key: _escaped(value) if isinstance(value, str) and key != "exception" else value for key, value in event.items()
    }


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class LogSink:
    """Writes each audit record to the log."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()

    def report(self, event: Event) -> None:
        """Write one line. A log that cannot be written must not fail what has happened already."""
        known = {"user": event.user_id, "session": event.session_id, "actor": event.actor, "ip": event.ip}
        words = {name: value for name, value in {**event.detail, **known}.items() if value}
        if event.kind in _ALARMING:
            say = self._log.error
        elif event.kind in _NOTEWORTHY:
            say = self._log.warning
        else:
            say = self._log.info
        with contextlib.suppress(OSError, ValueError):
            say(event.kind.value, **words)


class Sinks:
    """Tells several sinks."""

    def __init__(self, *sinks: EventSink) -> None:
        self._sinks = sinks

    def report(self, event: Event) -> None:
        """Tell each."""
        for sink in self._sinks:
            sink.report(event)


class ServerLog(logging.Handler):
    """Passes on what the packages of this process log: ours whole, granian's without its tracebacks through itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, and the traceback of an error that nobody expected."""
        error = record.exc_info if record.name.startswith("ostiary") else None
        with contextlib.suppress(OSError, ValueError):
            structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=error)


GRANIAN: Final = {
    "handlers": {"console": {"class": "ostiary.server.log.ServerLog"}, "access": {"class": "logging.NullHandler"}},
    "loggers": {
        "_granian": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "granian.access": {"handlers": ["access"], "level": "WARNING", "propagate": False},
    },
}
"""How granian logs: through us, warnings and errors only."""
