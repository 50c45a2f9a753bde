"""The tables of Flask-Security. It hashes not the password but its HMAC, unless it was told to leave that."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import null, select
from sqlalchemy.sql import Select

from ostiary.cli.arriving.source import Broken, Options, Row, Tables, accounts, moment
from ostiary.core.arrival import Arrival
from ostiary.errors import Misconfigured
from ostiary.methods.inherited import keyed

_OPTIONAL: Final = ("confirmed_at", "create_datetime", "username")


def read(url: str, options: Options) -> Iterator[Arrival | Broken]:
    """Read the accounts of an application on Flask-Security.

    Raises:
        Misconfigured: its `SECURITY_PASSWORD_SALT` was not said. Without it no password can be compared.
    """
    if options.salt is None:
        raise Misconfigured(
            "the passwords of Flask-Security need its SECURITY_PASSWORD_SALT: put it into the environment under that "
            "name (empty, if SECURITY_PASSWORD_SINGLE_HASH leaves it out)"
        )
    name = options.table or "user"
    return accounts(url, partial(_select, name=name), partial(_account, name=name, salt=options.salt))


def _select(tables: Tables, *, name: str) -> Select[Any]:
    user = tables.find(name, "id", "email", "password", "active")
    columns = [user.c.id, user.c.email, user.c.password, user.c.active]
    columns += [user.c[column] for column in _OPTIONAL if column in user.c]
    if not tables.has("role", "roles_users"):
        return select(*columns, null().label("role")).order_by(user.c.id)
    role, held = tables.find("role", "id", "name"), tables.find("roles_users", "user_id", "role_id")
    joined = user.outerjoin(held, held.c.user_id == user.c.id).outerjoin(role, role.c.id == held.c.role_id)
    return select(*columns, role.c.name.label("role")).select_from(joined).order_by(user.c.id)


def _account(rows: Sequence[Row], *, name: str, salt: str) -> Arrival:
    row = rows[0]
    stored = str(row["password"] or "")
    return Arrival(
        where=f"{name} {row['id']}",
        email=str(row["email"] or ""),
        name=str(row.get("username") or ""),
        roles=tuple(sorted({"-".join(str(each["role"]).split()) for each in rows if each["role"]})),
        secret=(keyed(salt, stored) if salt else stored) if stored else None,
        verified=row.get("confirmed_at") is not None,
        disabled=not row["active"],
        created_at=moment(row.get("create_datetime")),
    )
