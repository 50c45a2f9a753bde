"""Counters, keys at rest, and the audit log. What each verb promises stands in `ostiary.ports`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or  # SQLite's `ON CONFLICT` reads the same

from ostiary.core.events import Event
from ostiary.core.throttle import Counter
from ostiary.ports import KeyRecord
from ostiary.stores.sql.link import Link, columns
from ostiary.stores.sql.schema import counters, events, keys


class Counters:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def get(self, key: str) -> Counter | None:
        return await self._link.row(Counter, _COUNTER_GET, the_key=key)

    async def put(self, key: str, counter: Counter) -> None:
        await self._link.count(_COUNTER_PUT, key=key, **columns(counter))

    async def remove(self, key: str) -> None:
        await self._link.count(_COUNTER_REMOVE, the_key=key)

    async def purge(self, *, before: datetime, limit: int) -> int:
        return await self._link.count(_COUNTERS_PURGE, before=before, limit=limit)


class Keys:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, key: KeyRecord) -> None:
        await self._link.count(_KEY_ADD, **columns(key))

    async def all(self) -> Sequence[KeyRecord]:
        return await self._link.rows(KeyRecord, _KEYS)

    async def swap(self, old: KeyRecord, new: KeyRecord) -> bool:
        was = {"old_id": old.id, "old_verifies_until": old.verifies_until}
        return await self._link.count(_KEY_SWAP, **was, **columns(new)) == 1


class Events:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, event: Event) -> None:
        await self._link.count(_EVENT_ADD, **columns(event))

    async def of(self, user_id: str, *, limit: int) -> Sequence[Event]:
        if not user_id:
            return []
        return await self._link.rows(Event, _EVENTS_OF, owner=user_id, limit=limit)

    async def purge(self, *, before: datetime, limit: int) -> int:
        return await self._link.count(_EVENTS_PURGE, before=before, limit=limit)


# ------------------------------------------------------------------------------------------------ statements

_COUNTER_GET = select(counters.c.count, counters.c.at).where(counters.c.key == bindparam("the_key"))
_COUNTER_INSERT = insert_or(counters)
_COUNTER_PUT = _COUNTER_INSERT.on_conflict_do_update(
    index_elements=["key"],
    set_={"count": _COUNTER_INSERT.excluded["count"], "at": _COUNTER_INSERT.excluded["at"]},
)
_COUNTER_REMOVE = delete(counters).where(counters.c.key == bindparam("the_key"))
_COUNTERS_PURGE = delete(counters).where(
    counters.c.key.in_(
        select(counters.c.key)
        .where(counters.c.at < bindparam("before"))
        .order_by(counters.c.at)
        .limit(bindparam("limit"))
    )
)

_KEY_ADD = insert(keys)
_KEYS = select(keys).order_by(keys.c.created_at, keys.c.id)
_KEY_SWAP = update(keys).where(
    keys.c.id == bindparam("old_id"),
    keys.c.verifies_until.is_not_distinct_from(bindparam("old_verifies_until")),
)

_RECORDED = [column for column in events.c if column is not events.c.id]
_EVENT_ADD = insert(events).values({column: bindparam(column.name, type_=column.type) for column in _RECORDED})
_EVENTS_OF = (
    select(*_RECORDED)
    .where(events.c.user_id == bindparam("owner"))
    .order_by(events.c.at.desc(), events.c.id.desc())
    .limit(bindparam("limit"))
)
_EVENTS_PURGE = delete(events).where(
    events.c.id.in_(
        select(events.c.id).where(events.c.at < bindparam("before")).order_by(events.c.at).limit(bindparam("limit"))
    )
)
