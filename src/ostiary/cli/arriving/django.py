"""Django's `auth_user`, or the table of another user model: groups become roles, flags too."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import null, select
from sqlalchemy.sql import Select

from ostiary.cli.arriving.source import Options, Row, Tables, accounts, moment, role, text
from ostiary.core.arrival import Arrival


def read(url: str, options: Options) -> Iterator[Arrival]:
    """Read the accounts of a Django project."""
    name = options.table or "auth_user"
    return accounts(url, partial(_select, name=name, email=options.email), partial(_account, name=name))


def _select(tables: Tables, *, name: str, email: str) -> Select[Any]:
    user = tables.find(name, "id", email, "password", "is_active")
    optional = [user.c[column] for column in _OPTIONAL if column in user.c]
    columns = [user.c.id, user.c[email].label("email"), user.c.password, user.c.is_active, *optional]
    membership = f"{name}_groups"
    if not tables.has(membership, "auth_group"):
        return select(*columns, null().label("role")).order_by(user.c.id)
    member, group = tables.find(membership, "group_id"), tables.find("auth_group", "id", "name")
    key = next(column for column in member.c if column.name not in {"id", "group_id"})  # `user_id`, or the model's name
    joined = user.outerjoin(member, key == user.c.id).outerjoin(group, member.c.group_id == group.c.id)
    return select(*columns, group.c.name.label("role")).select_from(joined).order_by(user.c.id)


_OPTIONAL = ("first_name", "last_name", "date_joined", "is_staff", "is_superuser")


def _account(rows: Sequence[Row], *, name: str) -> Arrival:
    row = rows[0]
    groups = {role(each["role"]) for each in rows if each["role"]}
    flags = {flag for flag in ("is_staff", "is_superuser") if row.get(flag)}
    return Arrival(
        where=f"{name} {row['id']}",
        email=text(row["email"]),
        name=f"{text(row.get('first_name'))} {text(row.get('last_name'))}".strip(),
        roles=tuple(sorted(groups | flags)),
        secret=_secret(text(row["password"])),
        disabled=not row["is_active"],
        created_at=moment(row.get("date_joined")),
    )


def _secret(stored: str) -> str | None:
    """Return the hash. One that begins with `!` is Django's word for no password."""
    return None if not stored or stored.startswith("!") else stored
