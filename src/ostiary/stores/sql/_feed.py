"""The feed, and the documents it announces. What each verb promises stands in `ostiary.ports`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert as insert_or  # SQLite's `ON CONFLICT` reads the same

from ostiary.core.floor import Batch, Document, Entry, Floor, Head, News, Snapshot
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
            raise Unavailable(_NO_HEAD)
        return head

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


Headed = tuple[Head, Entry | None]
"""A row of `NEWS`. The head is in each, and in one even if no entry is."""


def headed(*, incarnation: str, head: int, seq: int | None, **change: Any) -> Headed:  # noqa: ANN401 - typed by `_entry`
    """Return what a row of `NEWS` says."""
    return Head(incarnation, head), None if seq is None else _entry(seq=seq, **change)


def news(rows: Sequence[Headed]) -> News:
    """Return what the rows of `NEWS` say.

    Raises:
        Unavailable: there are none.
    """
    if not rows:
        raise Unavailable(_NO_HEAD)
    return News(rows[0][0], tuple(entry for _, entry in rows if entry is not None))


def _flat(entry: Entry) -> Row:
    nothing = dict.fromkeys(("sid", "floor", "until", "name", "version"))
    return nothing | columns(entry.change) | {"seq": entry.seq}


def _entry(*, seq: int, sid: str | None, floor: int, until: datetime, name: str, version: int) -> Entry:
    return Entry(seq, Document(name, version) if sid is None else Floor(sid, floor, until))


# ------------------------------------------------------------------------------------------------ statements

_NO_HEAD = "the store cannot answer: it takes no writes, so it cannot know the end of the feed"

HOLD_HEAD = select(feed_head.c.id).with_for_update(key_share=True)

_INCARNATION = Incarnation().label("incarnation")
_ADVANCE = update(feed_head).values(seq=feed_head.c.seq + bindparam("by")).returning(_INCARNATION, feed_head.c.seq)
_APPEND = insert(feed)
_HEAD = select(_INCARNATION, feed_head.c.seq).select_from(feed_head).where(TakesWrites())
_new = (
    select(feed).where(feed.c.seq > bindparam("after")).order_by(feed.c.seq).limit(bindparam("limit")).subquery("new")
)
NEWS = (
    select(_INCARNATION, feed_head.c.seq.label("head"), *_new.c)
    .select_from(feed_head.outerjoin(_new, true()))
    .where(TakesWrites())
    .order_by(_new.c.seq)
)
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
