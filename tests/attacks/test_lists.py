"""A list whose filter is missing, null or hostile shows what belongs to somebody else (CVE-2024-39683)."""

from typing import Any

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.session import Carrier
from tests.conftest import ISSUER, House, headers_of


def client_of(house: House) -> httpx.AsyncClient:
    """Return a client of a door with nothing behind it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return httpx.AsyncClient(transport=httpx.ASGITransport(Door(app, house.auth)), base_url=ISSUER)


HOSTILE_FILTERS = ["user_id=", "user_id=*", "user=null", "id=", "all=", "all=true&user_id=", "limit=100", "filter[]=1"]
HOSTILE_IDS = [
    "",
    "*",
    "%",
    "%25",
    "null",
    "None",
    "..",
    "%00",
    "%2e%2e",
    "' OR 1=1 --",
    "%ff",
    "undefined",
    "0",
    "x" * 5000,
]


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_a_list_is_the_callers(house: House, carrier: Carrier) -> None:
    """The list of sessions has the caller's own, all of them, and nobody else's; other filters are refused."""
    await house.user()
    await house.user("eve@example.com")
    hers = {(await house.login(each, "eve@example.com")).session.id for each in Carrier}
    mine = await house.login(carrier)
    headers = dict(headers_of(house.auth, mine))

    async with client_of(house) as client:
        listed = await client.get("/auth/sessions", headers=headers)
        filtered = [await client.get(f"/auth/sessions?{query}", headers=headers) for query in HOSTILE_FILTERS]

    assert [row["id"] for row in listed.json()["sessions"]] == [mine.session.id]
    assert {answer.status_code for answer in filtered} == {400}
    assert not any(sid in answer.text for sid in hers for answer in (listed, *filtered))


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_nothing_of_others_is_ended_or_named(house: House, carrier: Carrier) -> None:
    """Another user's session looks like one that never was; ending all ends one's own alone."""
    await house.user()
    eve = await house.user("eve@example.com")
    hers = await house.login(Carrier.COOKIE, "eve@example.com")
    mine = await house.login(carrier)
    headers = dict(headers_of(house.auth, mine))

    async with client_of(house) as client:
        theirs = [
            await client.request(method, f"/auth/sessions/{hers.session.id}", headers=headers, json={"name": "x"})
            for method in ("DELETE", "PATCH")
        ]
        nobodys = [
            await client.request(method, f"/auth/sessions/{'x' * 22}", headers=headers, json={"name": "x"})
            for method in ("DELETE", "PATCH")
        ]
        everywhere = await client.delete("/auth/sessions?all=true", headers=headers)

    assert {answer.status_code for answer in theirs} == {404}
    assert [answer.content for answer in theirs] == [answer.content for answer in nobodys]
    assert everywhere.json() == {"ended": 1}
    assert await house.auth.sessions(eve.user.id) == [hers.session]


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
async def test_hostile_ids(house: House, hostile: str) -> None:
    """An id that is empty, a wildcard or nonsense finds nothing: nothing is ended, nothing is renamed."""
    account = await house.user()
    mine = await house.login(Carrier.COOKIE)
    headers = dict(headers_of(house.auth, mine))

    async with client_of(house) as client:
        answers = [
            await client.request(method, f"{ISSUER}/auth/sessions/{hostile}", headers=headers, json={"name": "x"})
            for method in ("DELETE", "PATCH")
        ]

    assert {answer.status_code for answer in answers} <= {404, 405, 418}
    assert await house.auth.sessions(account.user.id) == [mine.session]


async def test_an_empty_filter_inside(house: House) -> None:
    """The verbs themselves find nothing for nobody: no user is not every user."""
    await house.user()
    issued = await house.login(Carrier.COOKIE)

    assert await house.auth.sessions("") == []
    assert await house.auth.accounts.activity("") == []
    assert await house.auth.revoke_all("", actor="test") == 0
    assert await house.auth.revoke(issued.session.id, actor="test", user_id="") is False
    assert await house.auth.rename(issued.session.id, "x", user_id="") is None
