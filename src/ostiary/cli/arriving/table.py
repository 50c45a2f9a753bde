"""A csv file, with a header: `email`; where known `name`, `password`, `roles`, `verified`, `disabled`, `created_at`.

`password` is a hash, never a password. `roles` are separated by spaces. `verified` and `disabled` are `true` or
`false`. A value stands in one line, so a quote that is never closed breaks one row and no other.
"""

import csv
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Final, TextIO

from ostiary.cli.arriving.source import Broken, Options, moment
from ostiary.core.arrival import Arrival
from ostiary.errors import Misconfigured

_COLUMNS: Final = frozenset({"email", "name", "password", "roles", "verified", "disabled", "created_at"})
_TRUTH: Final[Mapping[str, bool]] = {
    "": False,
    "false": False,
    "0": False,
    "no": False,
    "true": True,
    "1": True,
    "yes": True,
}
_LONGEST: Final = 100_000


def read(place: str, options: Options) -> Iterator[Arrival | Broken]:  # noqa: ARG001 - a file says all of it itself
    """Read the accounts of a file.

    Raises:
        Misconfigured: the file cannot be read, or its header has no `email`, or a column that nobody knows.
    """
    try:
        with Path(place).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = _lines(file)
            header = _header(place, next(lines, (1, None))[1])
            for n, values in lines:
                if values:
                    yield _account(f"line {n}", header, values)
                elif values is None:
                    yield Broken(f"line {n}", "has quotes in a wrong place, or is too long")
    except OSError as error:
        raise Misconfigured(f"cannot read {place}: {error.strerror}") from None


def _lines(file: TextIO) -> Iterator[tuple[int, list[str] | None]]:
    """Return the values of each line, `None` for one that is broken."""
    for n in count(1):
        line = file.readline(_LONGEST)
        if not line:
            return
        whole = len(line) < _LONGEST
        while len(line) == _LONGEST and not line.endswith(("\n", "\r")):
            line = file.readline(_LONGEST)
        try:
            values = next(csv.reader([line], strict=True), list[str]()) if whole else None
        except csv.Error:
            values = None
        yield n, values


def _header(place: str, header: list[str] | None) -> list[str]:
    known = ", ".join(sorted(_COLUMNS))
    if not header or "email" not in header:
        raise Misconfigured(f"{place} has no column email; its header may have: {known}")
    unknown = set(header) - _COLUMNS
    if unknown:
        raise Misconfigured(f"{place} has a column {min(unknown)!r} that is not known; its header may have: {known}")
    if len(set(header)) < len(header):
        raise Misconfigured(f"{place} has a column twice")
    return header


def _account(where: str, header: list[str], values: list[str]) -> Arrival | Broken:
    if len(values) != len(header):
        more = "more" if len(values) > len(header) else "fewer"
        return Broken(where, f"has {more} values than the header has columns")
    given = {name: value.strip() for name, value in zip(header, values, strict=True)}
    verified, disabled = (_TRUTH.get(given.get(name, "").lower()) for name in ("verified", "disabled"))
    if verified is None or disabled is None:
        return Broken(where, "verified and disabled are true or false")
    created = given.get("created_at", "")
    if created and moment(created) is None:
        return Broken(where, f"{created[:40]!r} is no date")
    return Arrival(
        where=where,
        email=given["email"],
        name=given.get("name", ""),
        roles=tuple(given.get("roles", "").split()),
        secret=given.get("password") or None,
        verified=verified,
        disabled=disabled,
        created_at=moment(created),
    )
