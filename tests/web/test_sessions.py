"""Seeing one's sessions and ending them, over HTTP."""

import pytest

from ostiary.core.session import Carrier
from tests.web.conftest import BROWSER, Place, problem

BOTH = pytest.mark.parametrize("carrier", list(Carrier))


@BOTH
async def test_logout(place: Place, carrier: Carrier) -> None:
    """A logout is 204, clears the cookie if there is one, and its session is dead at once; others live on."""
    await place.user()
    visitor, other = await place.visitor(carrier), await place.visitor(carrier)
    cookie = visitor.client.cookies.get("__Host-ostiary")

    answer = await visitor.send("POST", "/auth/logout")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["clear-site-data"] == '"cache"'
    cleared = answer.headers.get_list("set-cookie")
    if carrier is Carrier.COOKIE:
        assert cleared == ["__Host-ostiary=; Max-Age=0; Secure; HttpOnly; SameSite=Lax; Path=/"]
        assert "__Host-ostiary" not in visitor.client.cookies
    else:
        assert not cleared
    held = {"cookie": f"__Host-ostiary={cookie}"} if carrier is Carrier.COOKIE else visitor.headers
    async with place.client() as thief:
        assert problem(await thief.get("/auth/session", headers=held)) == (401, "invalid_token")
        again = await thief.post("/auth/logout", headers=held | BROWSER)
    assert problem(again) == (401, "invalid_token")
    assert bool(again.headers.get("set-cookie")) is (carrier is Carrier.COOKIE)
    assert (await other.send("GET", "/auth/session")).status_code == 200


@BOTH
async def test_devices(place: Place, carrier: Carrier) -> None:
    """A user sees their own devices, knows which one they hold, renames one, and ends one."""
    await place.user()
    here = await place.visitor(carrier, device="My  desk")
    there = await place.visitor(Carrier.BEARER)

    listed = (await here.send("GET", "/auth/sessions")).json()["sessions"]
    renamed = await here.send("PATCH", f"/auth/sessions/{there.out['session']['id']}", json={"name": "Phone"})
    ended = await here.send("DELETE", f"/auth/sessions/{there.out['session']['id']}")

    assert [(row["device"], row["current"]) for row in listed] == [("My desk", True), ("python-httpx", False)]
    assert listed[0]["ip"] == "203.0.113.7"
    assert (renamed.status_code, renamed.json()["device"], renamed.json()["current"]) == (200, "Phone", False)
    assert ended.status_code == 204
    assert "set-cookie" not in ended.headers
    assert problem(await there.send("GET", "/auth/session")) == (401, "invalid_token")
    assert len((await here.send("GET", "/auth/sessions")).json()["sessions"]) == 1


async def test_ending_the_own_session(place: Place) -> None:
    """Ending the session one holds, by its id, is a logout: the cookie is cleared with it."""
    await place.user()
    visitor = await place.visitor(Carrier.COOKIE)

    answer = await visitor.send("DELETE", f"/auth/sessions/{visitor.out['session']['id']}")

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]


@BOTH
async def test_ending_many(place: Place, carrier: Carrier) -> None:
    """All others end, or all."""
    await place.user()
    here, others = await place.visitor(carrier), [await place.visitor(each) for each in Carrier]

    ended = await here.send("DELETE", "/auth/sessions")
    kept = await here.send("GET", "/auth/session")
    everywhere = await here.send("DELETE", "/auth/sessions", params={"all": "true"})

    assert (ended.status_code, ended.json(), kept.status_code) == (200, {"ended": 2}, 200)
    assert "set-cookie" not in ended.headers
    assert everywhere.json() == {"ended": 1}
    assert ("set-cookie" in everywhere.headers) is (carrier is Carrier.COOKIE)
    for visitor in (here, *others):
        assert (await visitor.send("GET", "/auth/session")).status_code == 401
