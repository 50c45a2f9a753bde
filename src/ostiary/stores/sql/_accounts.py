"""Users, what finds them, and what proves them. What each verb promises stands in `ostiary.ports`."""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Text, bindparam, delete, func, insert, literal, select, type_coerce, update
from sqlalchemy.dialects.postgresql import insert as insert_or  # SQLite's `ON CONFLICT` reads the same

from ostiary.core.user import Credential, Identifier, User
from ostiary.stores.sql.link import Link, columns
from ostiary.stores.sql.schema import credentials, identifiers, users


class Users:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, *users: User) -> None:
        await self._link.many(_USER_ADD, [columns(user) for user in users])

    async def get(self, user_id: str) -> User | None:
        return await self._link.row(User, _USER_GET, held=_USER_GET_HELD, user_id=user_id)

    async def swap(self, old: User, new: User) -> bool:
        return await self._link.count(_USER_SWAP, old_id=old.id, old_revision=old.revision, **columns(new)) == 1

    async def remove(self, user_id: str) -> bool:
        return await self._link.count(_USER_REMOVE, user_id=user_id) == 1

    async def page(self, *, after: str, limit: int) -> Sequence[User]:
        return await self._link.rows(User, _USER_PAGE, after=after, limit=limit)

    async def holds(self, role: str, *, but: str = "") -> bool:
        return await self._link.row(User, _USER_HOLDS, role=_begun(role), but=but) is not None


class Identifiers:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, *identifiers: Identifier) -> bool:
        added = await self._link.each(_value, _IDENTIFIER_ADD, [columns(identifier) for identifier in identifiers])
        return len(added) == len(identifiers)

    async def get(self, kind: str, value: str) -> Identifier | None:
        return await self._link.row(Identifier, _IDENTIFIER_GET, the_kind=kind, the_value=value)

    async def taken(self, kind: str, values: Collection[str]) -> Collection[str]:
        asked = [{"the_kind": kind, "the_value": value} for value in values]
        return set(await self._link.each(_value, _IDENTIFIER_TAKEN, asked))

    async def of(self, user_id: str) -> Sequence[Identifier]:
        if not user_id:
            return []
        return await self._link.rows(Identifier, _IDENTIFIERS_OF, owner=user_id)

    async def remove(self, identifier: Identifier) -> bool:
        named = {"the_kind": identifier.kind, "the_value": identifier.value, "owner": identifier.user_id}
        return await self._link.count(_IDENTIFIER_REMOVE, **named) == 1


class Credentials:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, *credentials: Credential) -> None:
        await self._link.many(_CREDENTIAL_ADD, [columns(credential) for credential in credentials])

    async def get(self, credential_id: str) -> Credential | None:
        held = _CREDENTIAL_GET_HELD
        return await self._link.row(Credential, _CREDENTIAL_GET, held=held, credential_id=credential_id)

    async def swap(self, old: Credential, new: Credential) -> bool:
        was = {"old_id": old.id, "old_version": old.version, "old_secret": old.secret}
        return await self._link.count(_CREDENTIAL_SWAP, **was, **columns(new)) == 1

    async def of(self, user_id: str, kind: str) -> Sequence[Credential]:
        if not user_id:
            return []
        await self._link.hold(HOLD_USER, user_id=user_id)
        return await self._link.rows(Credential, _CREDENTIALS_OF, owner=user_id, the_kind=kind)


def _value(*, value: str) -> str:
    return value


# ------------------------------------------------------------------------------------------------ statements

HOLD_USER = select(users.c.id).where(users.c.id == bindparam("user_id")).with_for_update(key_share=True)

_USER_ADD = insert(users)
_USER_GET = select(users).where(users.c.id == bindparam("user_id"))
_USER_GET_HELD = _USER_GET.with_for_update(key_share=True)
_USER_SWAP = update(users).where(
    users.c.id == bindparam("old_id"),
    users.c.revision == bindparam("old_revision"),
)
_USER_REMOVE = delete(users).where(users.c.id == bindparam("user_id"))  # all that hangs from it goes by its foreign key
# Of the JSON array ["a","b"], ,"a","b"] is looked at: a comma and a quotation mark side by side begin a role there,
# and nothing else does, for within one every such mark has a backslash before it.
_ROLES = literal(",", Text) + func.substr(type_coerce(users.c.roles, Text), 2)
_USER_HOLDS = (
    select(users)
    .where(func.replace(_ROLES, bindparam("role", type_=Text), "") != _ROLES, users.c.id != bindparam("but"))
    .limit(1)
)
_USER_PAGE = select(users).where(users.c.id > bindparam("after")).order_by(users.c.id).limit(bindparam("limit"))

_IDENTIFIER_ADD = (
    insert_or(identifiers).on_conflict_do_nothing(index_elements=["kind", "value"]).returning(identifiers.c.value)
)
_IDENTIFIER_TAKEN = select(identifiers.c.value).where(
    identifiers.c.kind == bindparam("the_kind"),
    identifiers.c.value == bindparam("the_value"),
)
_IDENTIFIER_GET = select(identifiers).where(
    identifiers.c.kind == bindparam("the_kind"),
    identifiers.c.value == bindparam("the_value"),
)
_IDENTIFIERS_OF = (
    select(identifiers)
    .where(identifiers.c.user_id == bindparam("owner"))
    .order_by(identifiers.c.kind, identifiers.c.value)
)
_IDENTIFIER_REMOVE = delete(identifiers).where(
    identifiers.c.kind == bindparam("the_kind"),
    identifiers.c.value == bindparam("the_value"),
    identifiers.c.user_id == bindparam("owner"),
)

_CREDENTIAL_ADD = insert(credentials)
_CREDENTIAL_GET = select(credentials).where(credentials.c.id == bindparam("credential_id"))
_CREDENTIAL_GET_HELD = (
    select(*credentials.c)
    .select_from(users.join(credentials))  # rows are held in this order
    .where(credentials.c.id == bindparam("credential_id"))
    .with_for_update(key_share=True)
)
_CREDENTIAL_SWAP = update(credentials).where(
    credentials.c.id == bindparam("old_id"),
    credentials.c.version == bindparam("old_version"),
    credentials.c.secret == bindparam("old_secret"),
)
_CREDENTIALS_OF = (
    select(credentials)
    .where(credentials.c.user_id == bindparam("owner"), credentials.c.kind == bindparam("the_kind"))
    .order_by(credentials.c.id)
)


def _begun(role: str) -> str:
    return "," + json.dumps(role, ensure_ascii=False)
