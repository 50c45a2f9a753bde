"""A csv file, with a header: `email`; where known `name`, `password`, `roles`, `verified`, `disabled`, `created_at`.

`password` is a hash, never a password. `roles` are separated by spaces. `verified` and `disabled` are `true` or
`false`.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

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


def read(place: str, options: Options) -> Iterator[Arrival | Broken]:  # noqa: ARG001 - a file says all of it itself
    """Read the accounts of a file.

    Raises:
        Misconfigured: the file cannot be read, or its header has no `email`, or a column that nobody knows.
    """
    try:
        with Path(place).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = csv.DictReader(file, restkey="more", strict=True)
            unknown = set(lines.fieldnames or ()) - _COLUMNS
            if "email" not in (lines.fieldnames or ()) or unknown:
                what = f"a column {min(unknown)!r} that is not known" if unknown else "no column email"
                raise Misconfigured(f"{place} has {what}; its header may have: {', '.join(sorted(_COLUMNS))}")
            while True:
                try:
                    row = next(lines)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Broken(f"line {lines.line_num}", str(error))
                    continue
                yield _account(f"line {lines.line_num}", row)
    except OSError as error:
        raise Misconfigured(f"cannot read {place}: {error.strerror}") from None


def _account(where: str, row: dict[str, str]) -> Arrival | Broken:
    if "more" in row:
        return Broken(where, "has more values than the header has columns")
    given = {name: (value or "").strip() for name, value in row.items()}
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
