"""Odd values come back exactly as they were given."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ostiary.core.floor import NONE_IS_GOOD, Document, Entry
from ostiary.core.session import Device
from ostiary.core.throttle import Counter
from ostiary.ports import Store, StoredDocument
from ostiary.testing.conformance import given
from ostiary.testing.conformance.given import ada, read, written

TEXTS = {
    "quotes": "'; DROP TABLE users; --",
    "doubled": "\"\"''``",
    "pattern": "%_\\%",
    "placeholder": "? :user_id $1 %s {0}",
    "long": "x" * 10_000,
    "emoji": "🦉👩‍👩‍👧",
    "decomposed": "e\u0301 \u00e9",
    "reversed": "\u202eevil",
    "lines": "a\r\nb\tc\x1b[31m",
    "word": "NULL",
    "number": "007",
    "json": '["a", {"b": null}]',
    "space": "  ",
    "last plane": "\U0010ffff",
}

MOMENTS = {
    "the first": datetime(1, 1, 1, tzinfo=UTC),
    "the last": datetime.max.replace(tzinfo=UTC),
    "before 1970": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "1970": datetime(1970, 1, 1, tzinfo=UTC),
    "a microsecond": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "elsewhere": datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=5, minutes=45))),
}


class ValuesSuite:
    """Whatever a record may hold comes back as it was, to the character and the microsecond."""

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    async def test_text(self, store: Store, text: str) -> None:
        """Every text of every record comes back as it was, is found by itself, and does nothing else."""
        user = given.user(text, name=text, roles=(text, "", text), language=text)
        identifier = given.identifier(text, kind=text, typed=text, user_id=text)
        credential = given.credential(text, user_id=text, kind=text, secret=text)
        device = Device(name=text, user_agent=text, ip=text)
        session = given.session(text, user_id=text, client_id=text, device=device, amr=(text,))
        document = StoredDocument(name=text, version=1, body=text)
        counter = Counter(count=1, at=given.NOW)
        key = given.key(text, sealed=text.encode())
        letter = given.letter(text)
        event = given.event(user_id=text, session_id=text, actor=text, ip=text, detail={text: text})
        async with store.write() as tx:
            await tx.users.add(user)
            await tx.identifiers.add(identifier)
            await tx.credentials.add(credential)
            await tx.sessions.add(session)
            await tx.feed.append([given.floor(text), Document(text, 1)])
            await tx.documents.add(document)
            await given.put(tx, text, counter)
            await tx.keys.add(key)
            await tx.outbox.add(letter)
            await tx.events.add(event)

        claimed = await written(store, lambda tx: tx.outbox.claim(now=given.NOW, until=given.NOW))
        assert claimed == replace(letter, tries=1)
        async with store.read() as tx:
            assert await tx.users.get(text) == user
            assert await tx.users.page(after="", limit=10) == [user]
            assert await tx.identifiers.get(text, text) == identifier
            assert await tx.identifiers.of(text) == [identifier]
            assert await tx.credentials.get(text) == credential
            assert await tx.credentials.of(text, text) == [credential]
            assert await tx.sessions.get(text) == session
            assert await tx.sessions.of(text) == [session]
            assert (await tx.feed.snapshot()).floors == (given.floor(text),)
            assert await tx.documents.get(text) == document
            assert await given.counter(tx, text) == counter
            assert await tx.keys.all() == [key]
            assert await tx.events.of(text, limit=10) == [event]
        entries = (await store.news(0, limit=10)).entries
        assert entries == (Entry(1, given.floor(text)), Entry(2, Document(text, 1)))

    @pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
    async def test_moment(self, store: Store, moment: datetime) -> None:
        """A moment comes back as the same moment, to the microsecond, in UTC."""
        await written(store, lambda tx: given.put(tx, "k", Counter(count=1, at=moment)))

        counter = await read(store, lambda tx: given.counter(tx, "k"))

        assert counter is not None
        assert counter == Counter(count=1, at=moment)
        assert counter.at.utcoffset() is not None

    @pytest.mark.parametrize("number", [0, -1, 2**31, 2**53 + 1, NONE_IS_GOOD, -(2**63)])
    async def test_number(self, store: Store, number: int) -> None:
        """A number of 64 bits comes back as it was."""
        await written(store, lambda tx: tx.feed.append([given.floor("s", number)]))

        assert (await read(store, lambda tx: tx.feed.snapshot())).floors == (given.floor("s", number),)

    async def test_nul(self, store: Store) -> None:
        """A text with a NUL is kept as it was or refused as a contradiction; it is never cut short, in no table."""
        cut, whole = given.identifier("before"), given.identifier("before\0after")
        await ada(store)
        await written(store, lambda tx: tx.identifiers.add(cut))
        with suppress(ValueError):
            await written(store, lambda tx: tx.identifiers.add(whole))

        async with store.read() as tx:
            assert await tx.identifiers.get("email", "before\0after") in (None, whole)
            assert await tx.identifiers.get("email", "before\0other") is None
            assert await tx.users.get("ada\0") is None
            assert await tx.sessions.of("ada\0") == []
        assert not await written(store, lambda tx: tx.users.remove("ada\0"))

    async def test_no_text(self, store: Store) -> None:
        """Nothing is called by half a surrogate pair, and to look for it is no error."""
        half = "\ud800"
        await written(store, lambda tx: tx.users.add(given.user()))

        async with store.read() as tx:
            assert await tx.users.get(half) is None
            assert await tx.identifiers.get("email", half) is None
            assert await tx.identifiers.of(half) == []
            assert await tx.credentials.of(half, "password") == []
            assert await tx.sessions.get(half) is None
            assert await tx.sessions.of(half) == []
            assert await tx.documents.get(half) is None
            assert await given.counter(tx, half) is None
            assert await tx.events.of(half, limit=10) == []
        assert not await written(store, lambda tx: tx.users.remove(half))

    async def test_bytes(self, store: Store) -> None:
        """Every byte comes back as it was."""
        key = given.key(sealed=bytes(range(256)))
        await written(store, lambda tx: tx.keys.add(key))

        assert await read(store, lambda tx: tx.keys.all()) == [key]
