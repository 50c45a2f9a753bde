"""Counters, challenges, verifiers, keys at rest, the audit log. What each verb promises stands in `ostiary.ports`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Text, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as insert_or  # SQLite's `ON CONFLICT` reads the same

from ostiary.core.events import Event
from ostiary.core.throttle import Counter
from ostiary.ports import Challenge, KeyRecord, VerifierRecord
from ostiary.stores.sql._feed import HOLD_HEAD
from ostiary.stores.sql.link import Link, columns
from ostiary.stores.sql.schema import challenges, counters, events, keys, verifiers


class Counters:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def get(self, keys: Collection[str]) -> Mapping[str, Counter]:
        found: dict[str, Counter] = {}
        for key in sorted(keys):  # in one order, so that nobody waits in a circle
            await self._link.hold(_HOLD_COUNTER, the_key=key)
            counter = await self._link.row(Counter, _COUNTER_GET, the_key=key)
            if counter is not None:
                found[key] = counter
        return found

    async def swap(self, old: Mapping[str, Counter], new: Mapping[str, Counter]) -> bool:
        if await self.get({**old, **new}) != dict(old):
            return False
        for key in old:
            await self._link.count(_COUNTER_REMOVE, the_key=key)
        await self._link.many(_COUNTER_ADD, [{"key": key, **columns(counter)} for key, counter in new.items()])
        return True

    async def purge(self, *, before: datetime, limit: int) -> int:
        return await self._link.count(_COUNTERS_PURGE, before=before, limit=limit)


class Challenges:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, challenge: Challenge) -> None:
        await self._link.count(_CHALLENGE_ADD, **columns(challenge))

    async def take(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        return await self._link.row(Challenge, _CHALLENGE_TAKE, the_purpose=purpose, the_digest=digest, now=now)

    async def purge(self, *, expired_before: datetime, limit: int) -> int:
        return await self._link.count(_CHALLENGES_PURGE, before=expired_before, limit=limit)


class Verifiers:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, verifier: VerifierRecord) -> bool:
        return await self._link.count(_VERIFIER_ADD, **columns(verifier)) == 1

    async def all(self) -> Sequence[VerifierRecord]:
        return await self._link.rows(VerifierRecord, _VERIFIERS)

    async def remove(self, name: str) -> bool:
        return await self._link.count(_VERIFIER_REMOVE, the_name=name) == 1


class Keys:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, key: KeyRecord) -> None:
        await self._link.count(_KEY_ADD, **columns(key))

    async def all(self) -> Sequence[KeyRecord]:
        await self._link.hold(HOLD_HEAD)
        return await self._link.rows(KeyRecord, _KEYS)

    async def swap(self, old: KeyRecord, new: KeyRecord) -> bool:
        was = {"old_id": old.id, "old_verifies_until": old.verifies_until}
        return await self._link.count(_KEY_SWAP, **was, **columns(new)) == 1


class Events:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, *events: Event) -> None:
        await self._link.many(_EVENT_ADD, [columns(event) for event in events])

    async def of(self, user_id: str, *, limit: int) -> Sequence[Event]:
        if not user_id:
            return []
        return await self._link.rows(Event, _EVENTS_OF, owner=user_id, limit=limit)

    async def forget(self, user_id: str) -> int:
        return await self._link.count(_EVENTS_FORGET, owner=user_id) if user_id else 0

    async def purge(self, *, before: datetime, limit: int) -> int:
        return await self._link.count(_EVENTS_PURGE, before=before, limit=limit)


# ------------------------------------------------------------------------------------------------ statements

_COUNTER_GET = select(counters.c.count, counters.c.at).where(counters.c.key == bindparam("the_key"))
_HOLD_COUNTER = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("the_key", type_=Text), 0)))
_COUNTER_ADD = insert(counters)
_COUNTER_REMOVE = delete(counters).where(counters.c.key == bindparam("the_key"))
_COUNTERS_PURGE = delete(counters).where(
    counters.c.key.in_(
        select(counters.c.key)
        .where(counters.c.at < bindparam("before"))
        .order_by(counters.c.at)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)

_CHALLENGE_ADD = insert(challenges)
_CHALLENGE_TAKE = (
    delete(challenges)
    .where(
        challenges.c.purpose == bindparam("the_purpose"),
        challenges.c.digest == bindparam("the_digest"),
        challenges.c.expires_at > bindparam("now"),
    )
    .returning(challenges)
)
_CHALLENGES_PURGE = delete(challenges).where(
    tuple_(challenges.c.purpose, challenges.c.digest).in_(
        select(challenges.c.purpose, challenges.c.digest)
        .where(challenges.c.expires_at < bindparam("before"))
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)

_VERIFIER_ADD = insert_or(verifiers).on_conflict_do_nothing(index_elements=["name"])
_VERIFIERS = select(verifiers).order_by(verifiers.c.name)
_VERIFIER_REMOVE = delete(verifiers).where(verifiers.c.name == bindparam("the_name"))

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
_EVENTS_FORGET = update(events).where(events.c.user_id == bindparam("owner"), events.c.ip != "").values(ip="")
_EVENTS_PURGE = delete(events).where(
    events.c.id.in_(
        select(events.c.id)
        .where(events.c.at < bindparam("before"))
        .order_by(events.c.at)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)
