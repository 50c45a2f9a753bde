"""The feed, and the documents it announces. What each verb promises stands in `ostiary.ports`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or  # SQLite's `ON CONFLICT` reads the same

from ostiary.core.floor import Batch, Document, Entry, Floor, Head, Snapshot
from ostiary.errors import Unavailable
from ostiary.ports import StoredDocument
from ostiary.stores.sql.link import Link, Row, columns
from ostiary.stores.sql.schema import Incarnation, TakesWrites, documents, feed, feed_head


class Feed:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def append(self, changes: Sequence[Floor | Document]) -> Batch:
        if not changes:
            return Batch((await self.head()).incarnation, ())
        [head] = await self._link.rows(Head, _ADVANCE, by=len(changes))
        entries = tuple(Entry(seq, change) for seq, change in enumerate(changes, head.seq - len(changes) + 1))
        await self._link.many(_APPEND, [_flat(entry) for entry in entries])
        self._link.announce()
        return Batch(head.incarnation, entries)

    async def head(self) -> Head:
        head = await self._link.row(Head, _HEAD)
        if head is None:
            raise Unavailable("the store cannot answer: it takes no writes, so it cannot know the end of the feed")
        return head

    async def since(self, seq: int, *, limit: int) -> Sequence[Entry]:
        return await self._link.rows(_entry, _SINCE, after=seq, limit=limit)

    async def snapshot(self) -> Snapshot:
        return Snapshot(await self.head(), tuple(await self._link.rows(Floor, _FLOORS)))

    async def purge(self, *, up_to: int, until_before: datetime, limit: int) -> int:
        return await self._link.count(_PURGE, up_to=up_to, before=until_before, limit=limit)


class Documents:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def get(self, name: str) -> StoredDocument | None:
        await self._link.hold(HOLD_HEAD)
        return await self._link.row(StoredDocument, _DOCUMENT_GET, the_name=name)

    async def add(self, document: StoredDocument) -> bool:
        return await self._link.count(_DOCUMENT_ADD, **columns(document)) == 1

    async def swap(self, old: StoredDocument, new: StoredDocument) -> bool:
        was = {"old_name": old.name, "old_version": old.version}
        return await self._link.count(_DOCUMENT_SWAP, **was, **columns(new)) == 1


def _flat(entry: Entry) -> Row:
    nothing = dict.fromkeys(("sid", "floor", "until", "name", "version"))
    return nothing | columns(entry.change) | {"seq": entry.seq}


def _entry(*, seq: int, sid: str | None, floor: int, until: datetime, name: str, version: int) -> Entry:
    return Entry(seq, Document(name, version) if sid is None else Floor(sid, floor, until))


# ------------------------------------------------------------------------------------------------ statements

HOLD_HEAD = select(feed_head.c.id).with_for_update(key_share=True)

_INCARNATION = Incarnation().label("incarnation")
_ADVANCE = update(feed_head).values(seq=feed_head.c.seq + bindparam("by")).returning(_INCARNATION, feed_head.c.seq)
_APPEND = insert(feed)
_HEAD = select(_INCARNATION, feed_head.c.seq).select_from(feed_head).where(TakesWrites())
_SINCE = select(feed).where(feed.c.seq > bindparam("after")).order_by(feed.c.seq).limit(bindparam("limit"))
_FLOORS = (
    select(feed.c.sid, func.max(feed.c.floor).label("floor"), func.max(feed.c.until).label("until"))
    .where(feed.c.sid.is_not(None))
    .group_by(feed.c.sid)
    .order_by(feed.c.sid)
)
_PURGE = delete(feed).where(
    feed.c.seq.in_(
        select(feed.c.seq)
        .where(feed.c.seq <= bindparam("up_to"), or_(feed.c.until < bindparam("before"), feed.c.until.is_(None)))
        .order_by(feed.c.seq)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
)

_DOCUMENT_GET = select(documents).where(documents.c.name == bindparam("the_name"))
_DOCUMENT_ADD = insert_or(documents).on_conflict_do_nothing(index_elements=["name"])
_DOCUMENT_SWAP = update(documents).where(
    documents.c.name == bindparam("old_name"),
    documents.c.version == bindparam("old_version"),
)
