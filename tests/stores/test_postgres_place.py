"""A PostgreSQL that cannot be used: one clear line at the start, without the password, wherever one starts."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.migrations import upgrade
from tests.server.running import here
from tests.servers.postgres import GUARDED, PASSWORD, Postgres
from tests.servers.pretender import http, of_version, pretending, silence

SECRET = "hunter2"
PATIENCE = timedelta(seconds=0.5)

Place = Callable[[Postgres], tuple[AbstractContextManager[str], type[OstiaryError], str]]
"""A place that cannot be used: how to get its URL, the error, and what is said with `DB` for the database's name."""


def at(url: str, kind: type[OstiaryError], said: str) -> tuple[AbstractContextManager[str], type[OstiaryError], str]:
    """Return a place that needs no preparation."""
    return nullcontext(url), kind, said


def pretended(answer: Callable[..., None]) -> AbstractContextManager[str]:
    """Return the URL of somebody who only pretends."""

    @contextmanager
    def url() -> Generator[str]:
        with pretending(answer) as port:
            yield f"postgresql://u:{SECRET}@127.0.0.1:{port}/db"

    return url()


NOT_ACCEPTED = "the database DB does not accept this user and password"
NO_SUCH_PLACE = "the store's URL names no host and port that there can be"

PLACES: dict[str, Place] = {
    "wrong password": lambda server: at(server.url(role=GUARDED, password=SECRET), Misconfigured, NOT_ACCEPTED),
    "no password": lambda server: at(server.url(role=GUARDED), Misconfigured, NOT_ACCEPTED),
    "unknown user": lambda server: at(server.url(role="eve", password=SECRET), Misconfigured, NOT_ACCEPTED),
    "unknown database": lambda server: at(
        server.url("atlantis", role=GUARDED, password=PASSWORD),
        Misconfigured,
        "there is no database DB; make it with createdb",
    ),
    "nobody there": lambda _: at(
        f"postgresql://u:{SECRET}@127.0.0.1:1/db",
        Unavailable,
        "the database DB cannot be reached: Connect call failed ('127.0.0.1', 1)",
    ),
    "unknown host": lambda _: at(
        f"postgresql://u:{SECRET}@no.such.host.invalid/db",
        Unavailable,
        "the database db on no.such.host.invalid cannot be reached: ",
    ),
    "impossible port": lambda _: at(f"postgresql://u:{SECRET}@127.0.0.1:99999/db", Misconfigured, NO_SUCH_PLACE),
    "impossible host": lambda _: at(f"postgresql://u:{SECRET}@xn--a..b/db", Misconfigured, NO_SUCH_PLACE),
    "no such setting": lambda _: at(
        f"postgresql://u:{SECRET}@127.0.0.1/db?sslmode=perhaps",
        Misconfigured,
        "the store's URL cannot be used: `sslmode` parameter must be one of: ",
    ),
    "no certificate": lambda _: at(
        f"postgresql://u:{SECRET}@127.0.0.1/db?sslmode=verify-full",
        Misconfigured,
        "the store's URL cannot be used: ",
    ),
    "silence": lambda _: (
        pretended(silence),
        Unavailable,
        "the database DB cannot be reached: it does not answer in time",
    ),
    "silence after the greeting": lambda _: (
        pretended(of_version("16.1")),
        Unavailable,
        "the database DB cannot answer: it does not answer in time",
    ),
    "a web server": lambda _: (pretended(http), Unavailable, "the database DB cannot be reached: "),
    "an old version": lambda _: (
        pretended(of_version("14.9")),
        Misconfigured,
        "the database DB is PostgreSQL 14; 15 or later is needed",
    ),
}


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of who runs the tests counts: no certificate, no file of passwords, no variable."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGPASSFILE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


def where(url: str) -> str:
    """Return what a message calls a database."""
    parts = urlsplit(url)
    return f"{parts.path[1:]} on {parts.hostname}:{parts.port}"


async def refusal(url: str, kind: type[OstiaryError]) -> str:
    """Return what a store says when it is opened on a database that it cannot use. It is always one line."""
    store = SqlStore(url, patience=PATIENCE)
    with pytest.raises(OstiaryError) as refused:
        await store.open()
    await store.close()
    assert refused.type is kind
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", PLACES)
def test_no_such_place(postgres: Postgres, name: str) -> None:
    """A place that is not what it should be is said in one line, in good time and without the password."""
    place, kind, said = PLACES[name](postgres)
    with place as url:
        started = time.monotonic()
        line = asyncio.run(refusal(url, kind))
        waited = time.monotonic() - started
        expected = said.replace("DB", where(url)) if "DB" in said else said

    assert line.startswith(expected)
    assert SECRET not in line
    assert PASSWORD not in line
    assert waited < 2 * PATIENCE.total_seconds() + 10


@pytest.mark.parametrize("name", [name for name in PLACES if "silence" not in name])
def test_no_such_place_to_migrate(postgres: Postgres, name: str) -> None:
    """Who would migrate such a place is told the same."""
    place, kind, said = PLACES[name](postgres)
    with place as url, pytest.raises(kind) as refused:
        upgrade(url)

    assert str(refused.value).startswith(said.replace("DB", where(url)) if "DB" in said else said)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["wrong password", "unknown database", "nobody there", "impossible port", "an old version"]
)
@pytest.mark.parametrize("command", ["init", "serve", "migrate", "users list"])
def test_no_such_place_for_a_command(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    """Every command says it in one line and ends with 1."""
    place, _, said = PLACES[name](postgres)
    (tmp_path / "ostiary-data").mkdir(0o700)
    with place as url:
        monkeypatch.setenv("OSTIARY_STORE", url)
        done = here(*command.split(), cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ostiary: {said.replace('DB', where(url)) if 'DB' in said else said}")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


def test_check_of_no_such_place(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ostiary check` counts it among what is unsafe, and goes on with the rest."""
    monkeypatch.setenv("OSTIARY_STORE", postgres.url(role=GUARDED, password=SECRET))
    done = here("check", "--json", cwd=tmp_path)
    findings = msgspec.json.decode(done.stdout)["findings"]

    assert done.returncode == 1
    assert {"subject": "store", "good": False} in [
        {"subject": finding["subject"], "good": finding["good"]} for finding in findings
    ]
    assert SECRET not in done.stdout


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@h:port/db",
        f"postgresql://u:{SECRET}@[::1/db",
        f"postgresql://u:{SECRET}@h:1,h:2/db",
        f"postgresql://u:not@{SECRET}@h/db",
    ],
)
def test_unreadable_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A URL that cannot be read is refused without being repeated; half of a password is not taken for a host."""
    monkeypatch.setenv("OSTIARY_STORE", url)
    done = here("migrate", cwd=tmp_path)
    with pytest.raises(Misconfigured, match="the store's URL cannot be read; ") as refused:
        SqlStore(url)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert SECRET not in done.stderr + str(refused.value)


def test_a_password_does_well(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the right password everything is made, and nothing that is said holds it."""
    monkeypatch.setenv("OSTIARY_STORE", postgres.database(role=GUARDED, password=PASSWORD))
    said = [here(*command.split(), cwd=tmp_path) for command in ("init", "migrate", "check", "users list", "init")]

    assert [done.returncode for done in said] == [0, 0, 1, 0, 0]  # a folder under the working directory is unsafe
    assert not [done for done in said if PASSWORD in done.stdout + done.stderr]
    assert said[0].stdout.startswith("made test_")
    assert said[4].stdout.startswith("everything was there already: ")
