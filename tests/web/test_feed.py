"""The feed over HTTP, through the door."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from ostiary.asgi import answers
from ostiary.auth.work import Work
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.floor import Document, Floor
from ostiary.core.keys import Purpose
from ostiary.core.session import Carrier
from ostiary.core.token import read_access_token
from ostiary.errors import Invalid, Refused, Taken
from tests.web.conftest import Place, bearer, problem
from tests.web.flow import flowing


@pytest.fixture
async def key(place: Place) -> str:
    """The key of a verifier."""
    return (await place.auth.verifiers.add("orders", actor="test"))[1]


async def get(place: Place, path: str, key: str, **headers: str) -> httpx.Response:
    """Ask as a verifier."""
    async with place.client() as client:
        return await client.get(path, headers=bearer(key) | headers)


async def start(place: Place, key: str) -> str:
    """Return what a verifier goes on after that has read the snapshot, once all is in it that was written before."""
    async with place.store.read() as tx:
        head = await tx.feed.head()
    while place.auth.floors.head != head:
        await asyncio.sleep(0.001)
    out = (await get(place, "/auth/feed/snapshot", key)).json()
    return f"{out['incarnation']}:{out['seq']}"


# ------------------------------------------------------------------------------------------------ what it says


async def test_a_verifier(place: Place, key: str) -> None:
    """From the snapshot, the events and the head a verifier knows at once of a logout: all that it needs is there."""
    await place.user()
    visitor = await place.visitor(Carrier.BEARER)
    session, after = visitor.out["session"]["id"], await start(place, key)

    async with flowing(place.door, key, after) as flow:
        assert (await visitor.send("POST", "/auth/logout")).status_code == 204
        ((event_id, name, data),) = await flow.until(1)
    head = (await get(place, "/auth/feed/head", key)).json()

    assert (name, data["sid"], data["floor"]) == ("floor", session, None)
    assert event_id == f"{head['incarnation']}:{head['seq']}"
    assert 0 < head["lease"] <= place.auth.policy.lease.total_seconds()
    snapshot = (await get(place, "/auth/feed/snapshot", key)).json()
    assert (snapshot["seq"], snapshot["floors"]) == (head["seq"], [data])


async def test_an_event_stream(place: Place, key: str) -> None:
    """The answer is an event stream that nobody between us may keep or hold back."""
    async with flowing(place.door, key, await start(place, key)) as flow:
        pass

    assert flow.status == 200
    assert flow.headers["content-type"] == "text/event-stream"
    assert flow.headers["cache-control"] == "no-store"
    assert flow.headers["x-accel-buffering"] == "no"
    assert "content-length" not in flow.headers


async def test_roles(place: Place, key: str) -> None:
    """The table of roles is in the snapshot, and comes as it is when it changes."""
    await place.auth.accounts.define_roles({"editor": ["edit"]}, actor="test")
    before = (await get(place, "/auth/feed/snapshot", key)).json()["documents"]
    async with flowing(place.door, key, await start(place, key)) as flow:
        await place.auth.accounts.define_roles({"editor": ["edit", "publish"]}, actor="test")
        ((_, _, after),) = await flow.until(1)

    assert {"name": "roles", "version": 1, "body": {"editor": ["edit"]}} in before
    assert after == {"name": "roles", "version": 2, "body": {"editor": ["edit", "publish"]}}


async def test_keys(place: Place, key: str) -> None:
    """A rotation comes with the new key, and with the end of the old one; nothing of it is secret."""
    (old,) = [record for record in await place.auth.keys.all() if record.purpose is Purpose.ACCESS]
    async with flowing(place.door, key, await start(place, key)) as flow:
        new = await place.auth.keys.rotate(Purpose.ACCESS, actor="test")
        await place.auth.keys.rotate(Purpose.SESSION, actor="test")
        (_, _, document), (_, _, again) = await flow.until(2)

    keys = {jwk["kid"]: jwk for jwk in document["body"]["keys"]}
    end = new.signs_from + place.auth.policy.access_life + place.auth.policy.leeway
    assert keys.keys() == {old.id, new.id}
    assert keys[old.id]["exp"] == end.timestamp()
    assert "exp" not in keys[new.id]
    assert not any({"d", "k", "p"} & jwk.keys() for jwk in keys.values())
    assert again["body"] == document["body"]


async def test_a_key_that_is_over(place: Place, key: str) -> None:
    """A key that was retired says that it verifies nothing from now on, or is not there at all."""
    (old,) = [record for record in await place.auth.keys.all() if record.purpose is Purpose.ACCESS]
    async with flowing(place.door, key, await start(place, key)) as flow:
        await place.auth.keys.retire(old.id, actor="test")
        ((_, _, document),) = await flow.until(1)

    now = place.clock.now().timestamp()
    assert all(jwk.get("exp", now + 1) > now for jwk in document["body"]["keys"])
    assert old.id not in {jwk["kid"] for jwk in document["body"]["keys"]}


# ------------------------------------------------------------------------------------------------ who may ask


async def test_without_a_key(place: Place, key: str) -> None:
    """Who shows no key is told which to show, and who shows another that it is not good."""
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    for path in ("/auth/feed/snapshot", "/auth/feed/head", "/auth/feed"):
        async with place.client() as client:
            bare = await client.get(path)
        shown = await get(place, path, wrong)

        assert problem(bare) == (401, "verifier_required")
        assert problem(shown) == (401, "invalid_verifier")
        assert bare.headers["www-authenticate"] == 'Bearer realm="ostiary"'
        assert shown.headers["www-authenticate"].startswith('Bearer realm="ostiary", error="invalid_token"')


async def test_removed(place: Place, key: str) -> None:
    """A verifier that is removed is cut off at once, and refused when it comes again; others are not."""
    _, other = await place.auth.verifiers.add("bills", actor="test")
    after = await start(place, key)
    async with flowing(place.door, key, after) as flow, flowing(place.door, other, after) as others:
        await place.auth.verifiers.remove("orders", actor="test")
        await others.until(1)
        assert flow.is_over
        assert not others.is_over

    assert problem(await get(place, "/auth/feed/head", key)) == (401, "invalid_verifier")
    assert (await get(place, "/auth/feed/head", other)).status_code == 200
    assert place.kinds[-3:] == [Kind.VERIFIER_ADDED, Kind.VERIFIER_ADDED, Kind.VERIFIER_REMOVED]


async def test_what_is_kept_of_a_key(place: Place, key: str) -> None:
    """The key is not kept anywhere, nor said of a verifier; who adds the name again has another key."""
    (record,) = await place.auth.verifiers.all()
    await place.auth.verifiers.remove("orders", actor="test")
    _, again = await place.auth.verifiers.add("orders", actor="test")

    assert key.startswith(f"osv1.{record.id}.")
    assert key.rpartition(".")[2].encode() not in record.digest
    assert "digest" not in repr(record)
    assert again.split(".")[1:] != key.split(".")[1:]
    assert problem(await get(place, "/auth/feed/head", key)) == (401, "invalid_verifier")


async def test_names(place: Place, key: str) -> None:
    """A name is one word, and belongs to one verifier; who removes another than there is hears of it."""
    for name in ("", "a b", "a\n", "a" * 65):
        with pytest.raises(Invalid):
            await place.auth.verifiers.add(name, actor="test")
    with pytest.raises(Taken):
        await place.auth.verifiers.add("orders", actor="test")
    with pytest.raises(Invalid):
        await place.auth.verifiers.remove("bills", actor="test")

    assert [record.name for record in await place.auth.verifiers.all()] == ["orders"]
    assert (await get(place, "/auth/feed/head", key)).status_code == 200


async def test_a_session_token_is_no_key_and_a_key_no_session(place: Place, key: str) -> None:
    """What a verifier holds is refused by the guard and by the reader of access tokens."""
    answer = await place.auth.authenticate([(b"authorization", f"Bearer {key}".encode())], "GET")
    token = read_access_token(
        key,
        keyring=place.auth.keyring,
        expected_issuer=place.auth.site.issuer,
        expected_audience=place.auth.audience,
        now=place.clock.now(),
        policy=place.auth.policy,
    )

    assert not answer
    assert not token
    with pytest.raises(Refused, match=Reason.MALFORMED):
        await place.auth.refresh(key)


# ------------------------------------------------------------------------------------------------ where to go on


@pytest.mark.parametrize("event_id", ["", "x", ":1", "x:", "x:-1", "x:1:", "x:0x1", "x:" + "9" * 20, "é:1", "x: 1"])
async def test_which_event(place: Place, key: str, event_id: str) -> None:
    """Who does not say which event was the last is told how to say it."""
    async with place.client() as client:
        shown = (b"authorization", f"Bearer {key}".encode())
        headers = [shown, (b"last-event-id", event_id.encode())]
        said = await client.get("/auth/feed", headers=headers)
        silent = await client.get("/auth/feed", headers=bearer(key))
        twice = await client.get("/auth/feed", headers=[shown, *[(b"last-event-id", b"x:1")] * 2])

    for answer in (said, silent, twice):
        assert problem(answer) == (400, "invalid_event_id")
        assert "Last-Event-ID: <incarnation>:<seq>" in answer.json()["detail"]


# ------------------------------------------------------------------------------------------------ the lease


async def test_the_lease_has_run_out(place: Place, key: str) -> None:
    """A process whose own lease is over asks the store once; if that cannot answer, verifiers hear 503 and no lease."""
    place.clock.advance(timedelta(seconds=3))
    asked = await get(place, "/auth/feed/head", key)
    await place.store.close()
    place.clock.advance(timedelta(seconds=3))
    answers = [await get(place, path, key) for path in ("/auth/feed/head", "/auth/feed/snapshot")]
    await place.store.open()
    back = await get(place, "/auth/feed/head", key)

    assert asked.json()["lease"] == pytest.approx(2)
    assert [problem(answer) for answer in answers] == [(503, "unavailable")] * 2
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
    assert back.json()["lease"] == pytest.approx(2)


async def test_removed_while_nobody_could_know(place: Place, key: str) -> None:
    """A process that was cut off does not let a verifier in that was removed meanwhile: it asks first."""
    for task in place.auth._upkeep._tasks:
        task.cancel()
    async with place.store.write() as tx:
        assert await tx.verifiers.remove("orders")
        await Work(tx, place.clock.now()).publish("verifiers")
        await tx.feed.append([Document("verifiers", 2)])
    before = await get(place, "/auth/feed/head", key)
    place.clock.advance(timedelta(seconds=3))

    assert before.status_code == 200
    assert problem(await get(place, "/auth/feed/head", key)) == (401, "invalid_verifier")


# ------------------------------------------------------------------------------------------------ the end


async def test_who_leaves(place: Place, key: str) -> None:
    """Who goes away is not written to any more, and leaves nothing behind."""
    after = await start(place, key)
    async with flowing(place.door, key, after), flowing(place.door, key, after):
        await asyncio.sleep(0.01)
        both = place.auth.relay.streams

    assert (both, place.auth.relay.streams) == (2, 0)


async def test_who_is_slow(place: Place, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes nothing in is cut, and goes on later where it was, without a gap."""
    monkeypatch.setattr(answers, "_TAKEN_IN_WITHIN", 0.05)
    after = await start(place, key)
    async with flowing(place.door, key, after, room=2) as slow:
        for sid in ("one", "two", "three"):
            async with place.store.write() as tx:
                await tx.feed.append([Floor(sid, 2, place.clock.now())])
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert place.auth.relay.streams == 0
        ((last, _, first),) = await slow.until(1)
    async with flowing(place.door, key, last) as again:
        events = await again.until(2)

    assert not slow.is_over
    assert [data["sid"] for data in (first, *(data for _, _, data in events))] == ["one", "two", "three"]


async def test_the_head_of_a_stream(place: Place, key: str) -> None:
    """HEAD says what GET would, and follows nothing."""
    async with flowing(place.door, key, await start(place, key), method="HEAD") as flow:
        await asyncio.sleep(0.01)

    assert (flow.status, flow.is_over) == (200, True)
    assert place.auth.relay.streams == 0


async def test_a_stop(place: Place, key: str) -> None:
    """When an Auth stops, its streams end."""
    async with flowing(place.door, key, await start(place, key)) as flow:
        await asyncio.sleep(0.01)
        await place.auth.stop()
        await asyncio.sleep(0.01)

        assert flow.is_over


async def test_a_bug_is_not_hidden(place: Place, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a stream that has begun is raised, so that the server cuts it and writes it down."""

    async def broken(*_: Any) -> Any:
        yield b""
        raise ZeroDivisionError

    after = await start(place, key)
    monkeypatch.setattr(place.auth.relay, "_chunks_after", broken)

    with pytest.raises(ZeroDivisionError):
        async with flowing(place.door, key, after):
            await asyncio.sleep(0.01)
    assert place.auth.relay.streams == 0


async def test_numbers(place: Place, key: str) -> None:
    """How many follow is among the numbers for Prometheus."""
    async with flowing(place.door, key, await start(place, key)):
        await asyncio.sleep(0.01)
        assert b"ostiary_feed_streams 1.0" in place.metrics.text(place.auth)

    assert b"ostiary_feed_streams 0.0" in place.metrics.text(place.auth)
