"""How commands answer, and how they ask.

Tables have colour on a terminal and are plain, aligned text elsewhere. With `--json` stdout has JSON and nothing else.
Questions and errors go to stderr or the terminal itself.
"""

import getpass
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ostiary.errors import Invalid, OstiaryError

_LONGEST_PASSWORD: Final = 10_000


@dataclass(frozen=True, slots=True)
class Output:
    """Where an answer goes."""

    json: bool

    def rows(self, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, none: str) -> None:
        """Write a table: these columns of each row on a screen, everything as JSON. `none` says that it is empty."""
        rows = list(rows)
        if self.json:
            _write(json.dumps(rows, default=_plain))
        elif not rows:
            _write(none)
        elif sys.stdout.isatty():
            table = Table(box=None, header_style="bold", pad_edge=False)
            for column in columns:
                table.add_column(_title(column), overflow="fold")
            for row in rows:
                table.add_row(*(Text(_shown(row[column])) for column in columns))
            Console().print(table)
        else:
            cells = [[_title(c) for c in columns], *([_shown(row[c]) for c in columns] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            for line in cells:
                padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                _write("  ".join(padded).rstrip())

    def record(self, record: Mapping[str, Any]) -> None:
        """Write one thing, a line for each of its values."""
        if self.json:
            _write(json.dumps(record, default=_plain))
            return
        width = max(len(_title(name)) for name in record)
        for name, value in record.items():
            line = Text(_title(name).ljust(width), style="bold").append(f"  {_shown(value)}", style="not bold")
            _print(line)

    def done(self, sentence: str, record: Mapping[str, Any]) -> None:
        """Say what was done: a sentence on a screen, the record as JSON."""
        _write(json.dumps(record, default=_plain) if self.json else sentence)

    def finding(self, *, good: bool, sentence: str, remedy: str) -> None:
        """Write one line of a list of findings."""
        line = Text("ok      ", style="green") if good else Text("unsafe  ", style="bold red")
        line.append(sentence, style="not bold default")
        if remedy:
            line.append(f"; {remedy}", style="not bold yellow")
        _print(line)


def complain(message: str) -> None:
    """Write an error to stderr, one line for each of its lines, in red on a terminal."""
    console = Console(stderr=True)
    for line in message.splitlines():
        text = Text(f"ostiary: {_clean(line)}")
        if console.is_terminal:
            text.stylize("bold red")
        console.print(text, soft_wrap=True)


def new_password() -> str:
    """Return a new password: typed twice and not shown, or a line of stdin when that is no terminal."""
    if not sys.stdin.isatty():
        return _password_line()
    password = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != password:
        raise Invalid("password", "the two are not the same")
    return password


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone. Without a terminal only `--yes` is an answer.

    Raises:
        OstiaryError: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise OstiaryError(f"{question} Nobody can be asked here; confirm with --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise OstiaryError("nothing was done")


def _password_line() -> str:
    try:
        line = sys.stdin.buffer.readline(_LONGEST_PASSWORD).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("password", "what stdin gave is not UTF-8") from None
    password = line.removesuffix("\n").removesuffix("\r")
    if not password:
        raise Invalid("password", "stdin gave none")
    return password


def _title(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case list():
            return " ".join(map(str, cast("list[object]", value))) or "-"
        case _:
            return _clean(str(value)) or "-"


def _clean(text: str) -> str:
    """Escape what could do something else to a terminal than show text. Names of devices are what a client says."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _print(text: Text) -> None:
    if sys.stdout.isatty():
        Console().print(text, soft_wrap=True)
    else:
        _write(text.plain)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
