"""Django's `auth_user`, or the table of another user model: groups become roles, and so do staff and superusers."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import null, select
from sqlalchemy.sql import Select

from ostiary.cli.arriving.source import Broken, Options, Row, Tables, accounts, moment
from ostiary.core.arrival import Arrival


def read(url: str, options: Options) -> Iterator[Arrival | Broken]:
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
    groups = {_role(str(each["role"])) for each in rows if each["role"]}
    flags = {role for role, flag in (("staff", "is_staff"), ("superuser", "is_superuser")) if row.get(flag)}
    return Arrival(
        where=f"{name} {row['id']}",
        email=str(row["email"] or ""),
        name=f"{row.get('first_name') or ''} {row.get('last_name') or ''}".strip(),
        roles=tuple(sorted(groups | flags)),
        secret=_secret(str(row["password"] or "")),
        disabled=not row["is_active"],
        created_at=moment(row.get("date_joined")),
    )


def _secret(stored: str) -> str | None:
    """Return the hash. One that begins with `!` is Django's word for no password; its Argon2 is ours behind a name."""
    return None if not stored or stored.startswith("!") else stored.removeprefix("argon2")


def _role(group: str) -> str:
    return "-".join(group.split())
