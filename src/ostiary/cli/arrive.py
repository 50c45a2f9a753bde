"""`ostiary import`: accounts from another system, with their passwords. Nobody has to choose a new one."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ostiary.auth import Auth
from ostiary.cli.arriving import SOURCES, Broken, Options
from ostiary.cli.options import ACTOR, Given
from ostiary.cli.output import confirm
from ostiary.core.arrival import Arrival, Fate
from ostiary.errors import Invalid, Unavailable

_AT_ONCE: Final = 500
_MOST_TOLD: Final = 1000
"""Rows that are told one by one. Beyond, they are counted."""
_TRIES: Final = 3
_CAME: Final = (Fate.CAME, Fate.CAME_WITHOUT_PASSWORD)
SALT: Final = "SECURITY_PASSWORD_SALT"


class _Report:
    """What became of all of them."""

    def __init__(self) -> None:
        self.fates = Counter[str]()
        self.left: list[dict[str, str]] = []

    def note(self, where: str, why: str, *, came: bool = False) -> None:
        """Count one, and tell it if it stayed or needs something."""
        self.fates[why if not came else str(Fate.CAME)] += 1
        if not came and why != Fate.WAS_HERE and len(self.left) < _MOST_TOLD:
            self.left.append({"row": where, "why": why})

    @property
    def coming(self) -> int:
        """How many come, or came."""
        return sum(self.fates[fate] for fate in _CAME)


def arrive(  # noqa: PLR0917 - typer calls it by keyword
    given: Given,
    place: Annotated[str, typer.Argument(metavar="URL-OR-FILE", help="The other system's database, or a csv file.")],
    source: Annotated[str, typer.Option("--from", help=f"What it is: {', '.join(SOURCES)}.")],
    table: Annotated[str | None, typer.Option(help="The table of its users, if it has another name.")] = None,
    email: Annotated[str, typer.Option(help="The column of the address.")] = "email",
    password: Annotated[str, typer.Option(help="The column of the hash.")] = "password",  # noqa: S107 - a column's name
    name: Annotated[str | None, typer.Option(help="The column of the name.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Bring in accounts from another system, with roles and passwords. Twice is once: who is here already stays."""
    read = SOURCES.get(source)
    if read is None:
        raise Invalid("--from", f"one of {', '.join(SOURCES)}")
    options = Options(table=table, email=email, password=password, name=name, salt=os.environ.get(SALT))
    where = str(Path(place).expanduser()) if source == "csv" else place

    async def look(auth: Auth) -> _Report:
        return await _all(auth, read(where, options), changes=False)

    async def bring(auth: Auth) -> _Report:
        return await _all(auth, read(where, options), changes=True)

    looked = given.run(look)
    if not given.out.json or dry_run:
        _tell(given, looked, done=False)
    if dry_run or not looked.coming:
        return
    confirm(f"Bring in {looked.coming} accounts?", yes=yes)
    _tell(given, given.run(bring), done=True)


async def _all(auth: Auth, rows: Iterator[Arrival | Broken], *, changes: bool) -> _Report:
    report = _Report()
    columns = (SpinnerColumn(), TextColumn("{task.completed} accounts"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=None)
        while batch := list(islice(rows, _AT_ONCE)):
            arrivals = [row for row in batch if isinstance(row, Arrival)]
            for broken in batch:
                if isinstance(broken, Broken):
                    report.note(broken.where, broken.why)
            fates = await _brought(auth, arrivals) if changes else await auth.arrivals.look(arrivals)
            for arrival, fate in zip(arrivals, fates, strict=True):
                report.note(arrival.where, fate, came=fate is Fate.CAME)
            progress.update(task, advance=len(batch))
    return report


async def _brought(auth: Auth, arrivals: list[Arrival]) -> "list[Fate]":
    for left in reversed(range(_TRIES)):
        try:
            return list(await auth.arrivals.add(arrivals, actor=ACTOR))
        except Unavailable:
            if not left:
                raise
    raise AssertionError


def _tell(given: Given, report: _Report, *, done: bool) -> None:
    record: dict[str, Any] = {"done": done, "accounts": dict(report.fates), "rows": report.left}
    if given.out.json:
        given.out.record(record)
        return
    given.out.rows(
        ("accounts", "what"), [{"accounts": n, "what": fate} for fate, n in report.fates.items()], none="none"
    )
    for row in report.left:
        given.out.done(f"  {row['row']}: {row['why']}", row)
