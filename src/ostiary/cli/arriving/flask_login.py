"""A table of the application's own, as with Flask-Login: its columns are said with the command."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.sql import Select

from ostiary.cli.arriving.source import Options, Row, Tables, accounts, text
from ostiary.core.arrival import Arrival


def read(url: str, options: Options) -> Iterator[Arrival]:
    """Read accounts from a table whose columns were named."""
    return accounts(url, partial(_select, options=options), partial(_account, options=options))


def _select(tables: Tables, *, options: Options) -> Select[Any]:
    more = [options.name] if options.name else []
    user = tables.find(options.table or "user", "id", options.email, options.password, *more)
    columns = [user.c.id, user.c[options.email].label("email"), user.c[options.password].label("password")]
    columns += [user.c[name].label("name") for name in more]
    return select(*columns).order_by(user.c.id)


def _account(rows: Sequence[Row], *, options: Options) -> Arrival:
    row = rows[0]
    return Arrival(
        where=f"{options.table or 'user'} {row['id']}",
        email=text(row["email"]),
        name=text(row.get("name")),
        secret=text(row["password"]) or None,
    )
