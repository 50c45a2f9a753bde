"""The records of logins. What each verb promises stands in `ostiary.ports`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from ostiary.core.session import COMPARED, Device, Session
from ostiary.stores.sql._accounts import HOLD_USER
from ostiary.stores.sql.link import Link, Row, columns
from ostiary.stores.sql.schema import sessions, users


class Sessions:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, session: Session) -> None:
        await self._link.count(_ADD, **_flat(session))

    async def get(self, sid: str) -> Session | None:
        return await self._link.row(_session, _GET, held=_GET_HELD, sid=sid)

    async def swap(self, old: Session, new: Session) -> bool:
        was = {f"old_{name}": getattr(old, name) for name in ("id", *COMPARED)}
        return await self._link.count(_SWAP, **was, **_flat(new)) == 1

    async def of(self, user_id: str) -> Sequence[Session]:
        if not user_id:
            return []
        await self._link.hold(HOLD_USER, user_id=user_id)
        return await self._link.rows(_session, _OF, owner=user_id)

    async def known(self, user_id: str, device: Device) -> bool:
        name, agent, ip = device.name, device.user_agent, device.ip
        found = await self._link.row(_sid, _KNOWN, owner=user_id, name=name, agent=agent, device_ip=ip)
        return found is not None

    async def seen(self, moments: Mapping[str, datetime]) -> None:
        # In the order of the ids, as every transaction that changes several sessions: so nobody waits in a circle.
        await self._link.many(_SEEN, [{"sid": sid, "at": at} for sid, at in sorted(moments.items())])

    async def purge(self, *, ended_before: datetime, limit: int) -> int:
        return await self._link.count(_PURGE, before=ended_before, limit=limit)


def _flat(session: Session) -> Row:
    row = columns(session)
    device: Device = row.pop("device")
    return row | {"device_name": device.name, "user_agent": device.user_agent, "ip": device.ip}


def _session(*, device_name: str, user_agent: str, ip: str, **fields: Any) -> Session:  # noqa: ANN401 - all other columns
    return Session(device=Device(name=device_name, user_agent=user_agent, ip=ip), **fields)


def _sid(*, id: str) -> str:  # noqa: A002 - the column's name
    return id


# ------------------------------------------------------------------------------------------------ statements

_ADD = insert(sessions)
_GET = select(sessions).where(sessions.c.id == bindparam("sid"))
_GET_HELD = (
    select(*sessions.c)
    .select_from(users.join(sessions))  # rows are held in this order
    .where(sessions.c.id == bindparam("sid"))
    .with_for_update(key_share=True)
)
_SWAP = update(sessions).where(
    *(sessions.c[name] == bindparam(f"old_{name}") for name in ("id", *COMPARED)), sessions.c.revoked_at.is_(None)
)
_OF = (
    select(sessions)
    .where(sessions.c.user_id == bindparam("owner"), sessions.c.revoked_at.is_(None))
    .order_by(sessions.c.created_at, sessions.c.id)
)
_KNOWN = (
    select(sessions.c.id)
    .where(
        sessions.c.user_id == bindparam("owner"),
        sessions.c.ip == bindparam("device_ip"),
        or_(sessions.c.device_name == bindparam("name"), sessions.c.user_agent == bindparam("agent")),
    )
    .limit(1)
)
_SEEN = (
    update(sessions)
    .where(
        sessions.c.id == bindparam("sid"), sessions.c.last_seen_at < bindparam("at"), sessions.c.revoked_at.is_(None)
    )
    .values(last_seen_at=bindparam("at"))
)
_PURGE = delete(sessions).where(
    sessions.c.id.in_(
        select(sessions.c.id)
        .where(or_(sessions.c.revoked_at < bindparam("before"), sessions.c.expires_at < bindparam("before")))
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)
