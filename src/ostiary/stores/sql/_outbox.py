"""Letters that have not left yet. What each verb promises stands in `ostiary.ports`."""

from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update

from ostiary.ports import LetterRecord
from ostiary.stores.sql.link import Link, columns
from ostiary.stores.sql.schema import outbox


class Outbox:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, letter: LetterRecord) -> None:
        await self._link.count(_ADD, **columns(letter))

    async def first(self) -> datetime | None:
        return await self._link.row(_due_at, _FIRST)

    async def claim(self, *, now: datetime, until: datetime) -> LetterRecord | None:
        return await self._link.row(LetterRecord, _CLAIM, now=now, until=until)

    async def again(self, letter: LetterRecord, *, at: datetime) -> bool:
        return await self._link.count(_AGAIN, the_id=letter.id, the_tries=letter.tries, at=at) == 1

    async def done(self, letter_id: str) -> bool:
        return await self._link.count(_DONE, the_id=letter_id) == 1


def _due_at(*, due_at: datetime) -> datetime:
    return due_at


_ADD = insert(outbox)
_FIRST = select(outbox.c.due_at).order_by(outbox.c.due_at).limit(1)
_CLAIM = (
    update(outbox)
    .where(
        outbox.c.id
        == select(outbox.c.id)
        .where(outbox.c.due_at <= bindparam("now"))
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # who claims at the same time takes the next
        .scalar_subquery()
    )
    .values(due_at=bindparam("until"), tries=outbox.c.tries + 1)
    .returning(outbox)
)
_AGAIN = (
    update(outbox)
    .where(outbox.c.id == bindparam("the_id"), outbox.c.tries == bindparam("the_tries"))
    .values(due_at=bindparam("at"))
)
_DONE = delete(outbox).where(outbox.c.id == bindparam("the_id"))
