"""The log: a line for each record, and nobody can write one of their own into it."""

import json
from datetime import UTC, datetime

import pytest
import structlog

from ostiary.core.events import Event, Kind
from ostiary.server import log
from ostiary.testing import Recorder

HOSTILE = "u1\n2026-01-01 [info] logged_in user=admin \x1b[2J\r\x9b31m\u2028\u202e"


@pytest.fixture(autouse=True)
def _as_before() -> None:
    """Leave no logger to another test: it would write to a stream that is closed by then."""
    structlog.reset_defaults()


def event(kind: Kind = Kind.LOGGED_IN, user_id: str = "u1", **detail: str) -> Event:
    """Return a record."""
    return Event(kind=kind, at=datetime(2026, 1, 1, tzinfo=UTC), user_id=user_id, session_id="s1", detail=detail)


@pytest.mark.parametrize("form", ["console", "json"])
def test_log_injection(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a client calls itself, its record is one line without a control character."""
    log.configure(level="info", form=form)

    log.LogSink().report(event(user_id=HOSTILE, device=HOSTILE))

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert "admin" in line


def test_a_record_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads who, what and how bad; what is empty is left out."""
    log.configure(level="info", form="json")

    log.LogSink().report(event(Kind.TOKEN_REUSED, number="3"))

    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "token_reused", "level": "error", "user": "u1", "session": "s1", "number": "3"}


def test_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    """At `warning` a login is not told, a failed one is."""
    log.configure(level="warning", form="console")

    log.LogSink().report(event())
    log.LogSink().report(event(Kind.LOGIN_FAILED))

    assert capsys.readouterr().err.count("\n") == 1


def test_every_sink_is_told() -> None:
    """Of several sinks each hears of everything."""
    first, second = Recorder(), Recorder()

    log.Sinks(first, second).report(event())

    assert first.kinds() == second.kinds() == [Kind.LOGGED_IN]
