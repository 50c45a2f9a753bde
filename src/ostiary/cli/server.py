"""`ostiary init | serve | migrate | check | version`: the service itself."""

import asyncio
import importlib.metadata
import os
import platform
import sqlite3
import sys
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ostiary.cli.options import Given
from ostiary.core.mount import Mount
from ostiary.errors import Misconfigured
from ostiary.server.check import judge, look
from ostiary.server.data import check_folder, prepare
from ostiary.server.settings import KEY, Settings
from ostiary.stores.sql import SqlStore

_WHO = '"email":"ada@example.com","password":"a lantern in the harbour"'


def init(given: Given) -> None:
    """Make the data folder, the database and the keys. What is there already stays as it is."""
    settings = given.settings()
    fresh = asyncio.run(prepare(settings)).is_new
    sentence = "made" if fresh else "everything was there already:"
    given.out.done(
        f"{sentence} {settings.place} and {settings.key_file}",
        {"made": fresh, "database": settings.place, "key_file": settings.key_file},
    )


def serve(
    given: Given,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help=KEY["host"].help)] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help=KEY["port"].help)] = None,
    workers: Annotated[str | None, typer.Option(metavar="N", help=KEY["workers"].help)] = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM. Makes what is missing at the first start."""
    from ostiary.server.serve import serve as run  # noqa: PLC0415 - other commands start faster without granian

    settings = given.settings(host=host, port=port, workers=workers)
    raise typer.Exit(run(settings, ready=partial(_welcome, given, settings)))


def migrate(given: Given) -> None:
    """Bring the schema of the database to this version."""
    from ostiary.stores.sql.migrations import upgrade  # noqa: PLC0415 - other commands start faster without alembic

    settings = given.settings()
    if settings.owns_folder:
        check_folder(settings.data)
    store = SqlStore(settings.store)
    before = asyncio.run(store.revision())
    if before is None:
        raise Misconfigured(f"the database {settings.place} is empty; run: ostiary init")
    upgrade(settings.store)
    after = asyncio.run(store.revision())
    sentence = f"the schema was {after} already; nothing to do" if before == after else f"the schema is {after} now"
    given.out.done(sentence, {"before": before, "after": after})


def check(given: Given) -> None:
    """Say what is unsafe for production, and what to do about it. Exit code 1 if anything is."""
    settings = given.settings()
    findings = judge(settings, asyncio.run(look(settings, file=given.file())))
    safe = all(finding.good for finding in findings)
    if given.out.json:
        given.out.record({"safe": safe, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            given.out.finding(good=finding.good, sentence=finding.sentence, remedy=finding.remedy)
    raise typer.Exit(0 if safe else 1)


def version(given: Given) -> None:
    """Say which version this is."""
    given.out.record(
        {
            "ostiary": importlib.metadata.version("ostiary"),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "granian": importlib.metadata.version("granian"),
        }
    )


def tries(base: str, mount: Mount) -> list[str]:
    """Return three lines for a shell, to paste one after the other."""
    register, login, session = (base + mount.at(f"/auth/{name}") for name in ("register", "login", "session"))
    send = "-H 'content-type: application/json' -d"
    read = r"""sed 's/.*"access_token": *"\([^"]*\)".*/\1/'"""
    return [
        f"curl -s {register} {send} '{{{_WHO}}}'",
        f"""TOKEN=$(curl -s {login} {send} '{{{_WHO},"carrier":"bearer"}}' | {read})""",
        f'curl -s {session} -H "authorization: Bearer $TOKEN"',
    ]


def _begins(link: str | None) -> list[Text]:
    if link is None:
        return []
    said = "There is no administrator yet. This link makes one: once, within an hour, in a browser on this machine."
    return [Text(said, style="bold"), Text(f"  {link}", style="cyan"), Text()]


def _welcome(given: Given, settings: Settings, address: str, *, link: str | None) -> None:
    """Say where the service is, what to try, and how it gets its administrator."""
    base = f"http://{f'[{address}]' if ':' in address else address}:{settings.port}"
    if given.out.json:
        facts = {"address": base, "issuer": settings.issuer, "database": settings.place, "workers": settings.workers}
        given.out.record({**facts, "pid": os.getpid()})
        return
    if settings.log_format == "json":
        return
    where = settings.database.parent if settings.database else settings.place
    workers = "1 worker" if settings.workers == 1 else f"{settings.workers} workers"
    lines = [
        Text("Ostiary", style="bold").append(f" is at {base}, with {workers}. Ctrl-C stops it.", style="not bold"),
        Text(f"Users see {settings.issuer}; everything is in {where}", style="dim"),
        Text(),
        Text("Try it:", style="bold"),
        *(Text(f"  {line}", style="cyan") for line in tries(base, Mount(settings.prefix))),
        Text(),
        *_begins(link),
    ]
    console = Console(highlight=False)
    for line in lines:
        if console.is_terminal:
            console.print(line, soft_wrap=True)
        else:
            sys.stdout.write(f"{line.plain}\n")
    sys.stdout.flush()
