"""`ostiary import`: accounts from another system, with their passwords. Nobody has to choose a new one."""

import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ostiary.auth import Auth
from ostiary.cli.arriving import AT_ONCE, SOURCES, Broken, Options
from ostiary.cli.options import ACTOR, Given
from ostiary.cli.output import confirm
from ostiary.core.arrival import COME, Arrival, Fate
from ostiary.core.identifier import email as canonical_email
from ostiary.errors import Invalid, Unavailable

_MOST_TOLD: Final = 1000
"""Rows that are told one by one. Beyond, they are counted."""
_TRIES: Final = 3
_NOT_TOLD: Final = frozenset({Fate.CAME, Fate.WAS_HERE})
_SEE: Final = "INSERT OR IGNORE INTO seen VALUES (?)"
_Act = Callable[[Sequence[Arrival]], Awaitable[Sequence[Fate]]]
SALT: Final = "SECURITY_PASSWORD_SALT"


class _Report:
    """What became of all of them."""

    def __init__(self) -> None:
        self.fates = Counter[str]()
        self.left: list[dict[str, str]] = []

    def note(self, where: str, why: str) -> None:
        """Count one, and tell it if it stayed or needs something."""
        self.fates[why] += 1
        if why not in _NOT_TOLD and len(self.left) < _MOST_TOLD:
            self.left.append({"row": where, "why": why})

    @property
    def coming(self) -> int:
        """How many come, or came."""
        return sum(self.fates[fate] for fate in COME)


class _Seen:
    """The addresses that there were before, in a file of its own: their number is not limited by memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE seen (address TEXT PRIMARY KEY) WITHOUT ROWID")

    def once(self, row: Arrival | Broken) -> Arrival | Broken:
        """Return the row, broken if one before had its address. What is no address was nobody's."""
        address = canonical_email(row.email) if isinstance(row, Arrival) else None
        if address is None or self._database.execute(_SEE, (address,)).rowcount == 1:
            return row
        return Broken(row.where, Fate.TWICE)

    def close(self) -> None:
        """Throw them away."""
        self._database.close()


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
        return await _all(read(where, options), auth.arrivals.look, expected=None)

    async def bring(auth: Auth) -> _Report:
        return await _all(read(where, options), partial(_brought, auth), expected=expected)

    expected = None
    if dry_run or not yes:
        looked = given.run(look)
        if dry_run or not looked.coming or not given.out.json:
            _tell(given, looked, done=False)
        if dry_run or not looked.coming:
            return
        expected = looked.fates.total()
        confirm(f"Bring in {looked.coming} accounts?", yes=yes)
    _tell(given, given.run(bring), done=True)


async def _all(rows: Iterator[Arrival | Broken], act: _Act, *, expected: int | None) -> _Report:
    report = _Report()
    with _progress() as progress, closing(_Seen()) as seen:
        task = progress.add_task("", total=expected)
        while batch := [seen.once(row) for row in islice(rows, AT_ONCE)]:
            fates = iter(await act([row for row in batch if isinstance(row, Arrival)]))
            for row in batch:
                report.note(row.where, row.why if isinstance(row, Broken) else next(fates))
            progress.update(task, advance=len(batch))
    return report


async def _brought(auth: Auth, arrivals: Sequence[Arrival]) -> Sequence[Fate]:
    for _ in range(_TRIES - 1):
        with suppress(Unavailable):
            return await auth.arrivals.add(arrivals, actor=ACTOR)
    return await auth.arrivals.add(arrivals, actor=ACTOR)


def _progress() -> Progress:
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.completed} accounts"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


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
