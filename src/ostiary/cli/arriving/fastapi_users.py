"""The table `user` of fastapi-users with SQLAlchemy: a superuser gets the role of that name."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.sql import Select

from ostiary.cli.arriving.source import Options, Row, Tables, accounts, moment, text
from ostiary.core.arrival import Arrival


def read(url: str, options: Options) -> Iterator[Arrival]:
    """Read the accounts of an application on fastapi-users."""
    name = options.table or "user"
    return accounts(url, partial(_select, name=name), partial(_account, name=name, called=options.name))


def _select(tables: Tables, *, name: str) -> Select[Any]:
    user = tables.find(name, "id", "email", "hashed_password", "is_active", "is_superuser", "is_verified")
    return select(user).order_by(user.c.id)


def _account(rows: Sequence[Row], *, name: str, called: str | None) -> Arrival:
    row = rows[0]
    return Arrival(
        where=f"{name} {row['id']}",
        email=text(row["email"]),
        name=text(row.get(called)) if called else "",
        roles=("superuser",) if row["is_superuser"] else (),
        secret=text(row["hashed_password"]) or None,
        verified=bool(row["is_verified"]),
        disabled=not row["is_active"],
        created_at=moment(row.get("created_at")),
    )
