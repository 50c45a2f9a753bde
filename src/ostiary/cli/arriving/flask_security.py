"""The tables of Flask-Security. It hashes not the password but its HMAC, unless it was told to leave that."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import null, select
from sqlalchemy.sql import Select

from ostiary.cli.arriving.source import Options, Row, Tables, accounts, moment, role, text
from ostiary.core.arrival import Arrival
from ostiary.errors import Misconfigured
from ostiary.methods.inherited import keyed

_OPTIONAL: Final = ("confirmed_at", "create_datetime", "username")


def read(url: str, options: Options) -> Iterator[Arrival]:
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
    group, held = tables.find("role", "id", "name"), tables.find("roles_users", "user_id", "role_id")
    joined = user.outerjoin(held, held.c.user_id == user.c.id).outerjoin(group, group.c.id == held.c.role_id)
    return select(*columns, group.c.name.label("role")).select_from(joined).order_by(user.c.id)


def _account(rows: Sequence[Row], *, name: str, salt: str) -> Arrival:
    row = rows[0]
    return Arrival(
        where=f"{name} {row['id']}",
        email=text(row["email"]),
        name=text(row.get("username")),
        roles=tuple(sorted({role(each["role"]) for each in rows if each["role"]})),
        secret=_secret(text(row["password"]), salt),
        verified=row.get("confirmed_at") is not None,
        disabled=not row["active"],
        created_at=moment(row.get("create_datetime")),
    )


def _secret(stored: str, salt: str) -> str | None:
    """Return the hash, with the key of the HMAC that it is of. Hashes as Django writes them are of the password."""
    return keyed(salt, stored) if salt and stored.startswith("$") else stored or None
