"""The guard: what it answers from memory, when it asks, and what it refuses."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.keys import Purpose
from ostiary.core.session import Carrier
from ostiary.guard import Headers, Unsure
from ostiary.testing import FakeClock
from tests.conftest import House, headers_of, make_house, sqlite_store

BOTH = pytest.mark.parametrize("carrier", list(Carrier))


@BOTH
async def test_from_memory(house: House, carrier: Carrier) -> None:
    """Once a carrier was seen, a check awaits nothing; a first access token needs no store, a first cookie does."""
    await house.user()
    issued = await house.login(carrier)
    headers = headers_of(house.auth, issued)

    first = house.auth.guard.check(headers, "GET")
    asked = await house.auth.authenticate(headers, "GET")
    second = house.auth.guard.check(headers, "GET")

    assert isinstance(first, Unsure if carrier is Carrier.COOKIE else Principal)
    assert isinstance(asked, Principal)
    assert second == asked


async def test_asked_once(house: House) -> None:
    """However many requests wait for one session, the store is asked once."""
    await house.user()
    headers = headers_of(house.auth, await house.login(Carrier.COOKIE))
    asks = 0
    fetch = house.auth.guard._fetch

    async def counted(sid: str) -> object:
        nonlocal asks
        asks += 1
        return await fetch(sid)

    house.auth.guard._fetch = counted  # type: ignore[method-assign, assignment]
    answers = await asyncio.gather(*(house.auth.authenticate(headers, "GET") for _ in range(100)))

    assert all(isinstance(answer, Principal) for answer in answers)
    assert asks == 1


@BOTH
async def test_the_lease_runs_out(house: House, carrier: Carrier) -> None:
    """When the lease has run out memory answers nothing; the store is asked, and no answer is a refusal."""
    await house.user()
    issued = await house.login(carrier)
    headers = headers_of(house.auth, issued)
    await house.check(issued)

    house.clock.advance(house.auth.policy.lease)
    from_memory = house.auth.guard.check(headers, "GET")
    from_store = await house.auth.authenticate(headers, "GET")
    await house.store.close()
    house.clock.advance(house.auth.policy.lease)
    nobody_knows = await house.auth.authenticate(headers, "GET")

    assert isinstance(from_memory, Unsure)
    assert isinstance(from_store, Principal)
    assert nobody_knows == Denied(Reason.UNAVAILABLE)


async def test_a_snapshot_is_believed_for_a_while(house: House) -> None:
    """A session read from the store is asked for again after its time, even while the lease holds."""
    await house.user()
    issued = await house.login(Carrier.COOKIE)
    headers = headers_of(house.auth, issued)
    await house.check(issued)

    house.clock.advance(house.auth.policy.believed)
    await house.auth.upkeep._follower.round()

    assert isinstance(house.auth.guard.check(headers, "GET"), Unsure)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], Reason.NO_CARRIER),
        ([(b"authorization", b"Basic YTpi")], Reason.NO_CARRIER),
        ([(b"authorization", b"Bearer")], Reason.MALFORMED),
        ([(b"authorization", b"Bearer ")], Reason.MALFORMED),
        ([(b"authorization", b"Bearer \xff\xfe")], Reason.MALFORMED),
        ([(b"authorization", b"Bearer a.b.c")], Reason.UNKNOWN_KEY),
        ([(b"authorization", b"Bearer x"), (b"authorization", b"Bearer x")], Reason.AMBIGUOUS),
        ([(b"cookie", b"__Host-ostiary=")], Reason.MALFORMED),
        ([(b"cookie", b"__Host-ostiary=nonsense")], Reason.MALFORMED),
        ([(b"cookie", b"__Host-ostiary=a; __Host-ostiary=b")], Reason.AMBIGUOUS),
        ([(b"cookie", b"__Host-ostiary=a"), (b"cookie", b"__Host-ostiary=b")], Reason.AMBIGUOUS),
        ([(b"cookie", b"ostiary=a")], Reason.NO_CARRIER),
        ([(b"cookie", b"x__Host-ostiary=a")], Reason.NO_CARRIER),
        ([(b"cookie", b"\x00\xff;;;=;__Host-ostiary")], Reason.NO_CARRIER),
    ],
)
async def test_what_cannot_be_read(house: House, headers: Headers, reason: Reason) -> None:
    """A header that cannot be read is a refusal, never an exception, never a pass."""
    assert house.auth.guard.check(headers, "GET") == Denied(reason)


async def test_two_carriers(house: House) -> None:
    """The token wins over the cookie of its own session; another session's is refused. A bad token never falls back."""
    await house.user()
    cookie, bearer = await house.login(Carrier.COOKIE), await house.login(Carrier.BEARER)
    who = await house.check(cookie)
    assert isinstance(who, Principal)
    minted = await house.auth.mint(who)
    by_cookie, by_bearer = list(headers_of(house.auth, cookie)), list(headers_of(house.auth, bearer))

    same = await house.auth.authenticate([*by_cookie, *headers_of(house.auth, minted)], "POST")

    assert isinstance(same, Principal)
    assert same.carrier is Carrier.BEARER
    assert await house.auth.authenticate([*by_cookie, *by_bearer], "GET") == Denied(Reason.AMBIGUOUS)
    for bad in (b"Bearer x", b"bearer", b"BEARER a.b"):
        answer = await house.auth.authenticate([*by_cookie, (b"authorization", bad)], "GET")
        assert answer == Denied(Reason.MALFORMED)


async def test_carriers_do_not_mix(house: House) -> None:
    """A refresh token is no cookie and no access token; a cookie is no refresh token and no access token."""
    await house.user()
    cookie, bearer = await house.login(Carrier.COOKIE), await house.login(Carrier.BEARER)
    name = house.auth.site.cookie_name.encode()

    async def check(header: bytes, value: str, prefix: bytes) -> object:
        return await house.auth.authenticate([(header, prefix + value.encode())], "GET")

    assert await check(b"cookie", bearer.session_token, name + b"=") == Denied(Reason.WRONG_CARRIER)
    assert await check(b"cookie", bearer.access_token or "", name + b"=") == Denied(Reason.MALFORMED)
    assert await check(b"authorization", cookie.session_token, b"Bearer ") == Denied(Reason.WRONG_CARRIER)
    assert await check(b"authorization", bearer.session_token, b"Bearer ") == Denied(Reason.WRONG_CARRIER)


async def test_unsafe_methods(house: House) -> None:
    """A cookie on an unsafe method needs a same-origin request or the session's own token; a bearer needs neither."""
    await house.user()
    cookie, other, bearer = [await house.login(c) for c in (Carrier.COOKIE, Carrier.COOKIE, Carrier.BEARER)]
    value = (b"cookie", f"{house.auth.site.cookie_name}={cookie.session_token}".encode())

    async def post(*headers: tuple[bytes, bytes]) -> object:
        return await house.auth.authenticate([value, *headers], "POST")

    for _ in range(2):  # from the store, then from memory
        assert await post() == Denied(Reason.CROSS_SITE)
        assert await post((b"sec-fetch-site", b"cross-site")) == Denied(Reason.CROSS_SITE)
        assert await post((b"origin", b"https://evil.example")) == Denied(Reason.CROSS_SITE)
        assert await post((b"x-csrf-token", other.csrf_token.encode())) == Denied(Reason.CROSS_SITE)
        assert isinstance(await post((b"x-csrf-token", cookie.csrf_token.encode())), Principal)
        assert isinstance(await post((b"origin", b"https://id.example")), Principal)
        assert isinstance(await post((b"sec-fetch-site", b"same-origin")), Principal)
    assert isinstance(await house.auth.authenticate(headers_of(house.auth, bearer), "POST"), Principal)


async def test_memory_is_bounded(house: House) -> None:
    """However many carriers come by, a bounded number is remembered, and those in use stay."""
    guard = house.auth.guard
    guard._verified._most = 10
    await house.user()
    kept = await house.login(Carrier.BEARER)

    for _ in range(50):
        await house.check(await house.login(Carrier.BEARER))
        await house.check(kept)

    assert len(guard) <= 20


async def test_last_use_is_written_in_batches(house: House) -> None:
    """A check writes nothing; uses are collected, at most one a minute for each session, and written together."""
    account = await house.user()
    issued = await house.login(Carrier.COOKIE)
    await house.check(issued)
    house.clock.advance(timedelta(minutes=2))
    await house.auth.upkeep._follower.round()
    for _ in range(10):
        await house.check(issued)

    (before,) = await house.auth.sessions(account.user.id)
    await house.auth.upkeep.write_seen()
    (after,) = await house.auth.sessions(account.user.id)

    assert before.last_seen_at == issued.session.created_at
    assert after.last_seen_at == house.clock.now()
    assert house.auth.guard.seen == {}


async def test_a_key_retired_while_the_feed_was_cut(tmp_path: Path) -> None:
    """A cookie under a key that another process has retired is refused once the lease has run out, and ever after."""
    one, two = (make_house(sqlite_store(tmp_path), tmp_path, clock=FakeClock()) for _ in range(2))
    async with one.auth.running(), two.auth.running():
        await one.user()
        cookie = await one.login(Carrier.COOKIE)
        for task in one.auth.upkeep._tasks:
            task.cancel()
        key = next(key for key in await two.auth.keys.all() if key.purpose is Purpose.SESSION)

        await two.auth.keys.retire(key.id, actor="test")
        one.clock.advance(one.auth.policy.lease)

        for _ in range(3):
            assert await one.check(cookie) == Denied(Reason.BAD_SIGNATURE)


async def test_the_keys_change_while_the_store_is_asked(house: House) -> None:
    """A key that is retired while the store is asked about its cookie: the answer comes too late."""
    await house.user()
    cookie = await house.login(Carrier.COOKIE)
    key = next(key for key in await house.auth.keys.all() if key.purpose is Purpose.SESSION)
    fetch = house.auth.guard._fetch

    async def slow(sid: str) -> object:
        asked = await fetch(sid)
        await house.auth.keys.retire(key.id, actor="test")
        return asked

    house.auth.guard._fetch = slow  # type: ignore[method-assign, assignment]

    assert await house.check(cookie) == Denied(Reason.BAD_SIGNATURE)


async def test_an_answer_that_slept(house: House) -> None:
    """An answer that is older than a question may be, as after a machine's sleep, is not believed: ask anew."""
    await house.user()
    cookie = await house.login(Carrier.COOKIE)
    fetch, asks = house.auth.guard._fetch, 0

    async def sleepy(sid: str) -> object:
        nonlocal asks
        asks += 1
        asked = await fetch(sid)
        if asks == 1:
            await house.auth.revoke(sid, actor="test")
            house.auth.floors.of.clear()  # as where nothing was heard of it
            house.clock.advance(timedelta(hours=1))
        return asked

    house.auth.guard._fetch = sleepy  # type: ignore[method-assign, assignment]

    assert await house.check(cookie) == Denied(Reason.REVOKED)
