"""What each route of the table does, over HTTP."""

from datetime import timedelta

import pytest

from ostiary.core.events import Kind
from ostiary.core.policy import CHEAPEST
from ostiary.core.session import Carrier
from tests.conftest import PASSWORD
from tests.web.conftest import BROWSER, Place, bearer, problem

BOTH = pytest.mark.parametrize("carrier", list(Carrier))
ADA = {"email": "Ada@Example.com", "password": PASSWORD}
NEW = "another lantern, far away"


async def test_register(place: Place) -> None:
    """A new account is answered with what its user sees of it; nobody is logged in, and nothing secret is said."""
    async with place.client() as client:
        answer = await client.post("/auth/register", json=ADA | {"name": " Ada  Lovelace "}, headers=BROWSER)

    user = answer.json()["user"]
    assert (answer.status_code, list(answer.json())) == (201, ["user"])
    assert set(user) == {"id", "email", "email_verified", "name", "language", "roles", "created_at"}
    assert (user["email"], user["name"], user["roles"]) == ("Ada@Example.com", "Ada Lovelace", [])
    assert user["created_at"] == "2026-01-01T00:00:00Z"
    assert "set-cookie" not in answer.headers


@BOTH
async def test_register_and_enter(place: Place, carrier: Carrier) -> None:
    """With a carrier the new user is in at once."""
    async with place.client() as client:
        answer = await client.post("/auth/register", json=ADA | {"carrier": carrier}, headers=BROWSER)
        out = answer.json()
        headers = bearer(out["access_token"]) if carrier is Carrier.BEARER else {}
        session = await client.get("/auth/session", headers=headers)

    assert answer.status_code == 201
    assert session.json() == {"user": out["user"], "session": out["session"]}


async def test_register_refused(place: Place) -> None:
    """An address that is taken, one that is none, and a password that will not do are refused by name."""
    await place.user()
    tries = {
        ("taken", 409, "email"): ADA,
        ("invalid", 422, "email"): ADA | {"email": "ada at example.com"},
        ("weak_password", 422, "password"): ADA | {"email": "eve@example.com", "password": "password"},
        ("invalid", 422, "name"): ADA | {"email": "eve@example.com", "name": "a" * 201},
    }

    async with place.client() as client:
        for (code, status, field), body in tries.items():
            answer = await client.post("/auth/register", json=body)

            assert problem(answer) == (status, code)
            assert [error["field"] for error in answer.json()["errors"]] == [field]


@BOTH
async def test_login(place: Place, carrier: Carrier) -> None:
    """A cookie login gives cookies and never a token; a bearer login gives tokens and never a cookie."""
    await place.user()

    async with place.client() as client:
        answer = await client.post("/auth/login", json=ADA | {"carrier": carrier}, headers=BROWSER)

    out = answer.json()
    assert answer.status_code == 200
    assert (out["session"]["carrier"], out["session"]["current"]) == (carrier, True)
    if carrier is Carrier.COOKIE:
        assert out.keys() == {"user", "session", "csrf_token"}
        session, device = (cookie.split("; ", 1) for cookie in answer.headers.get_list("set-cookie"))
        assert session[0].startswith("__Host-ostiary=os1c.")
        assert session[1] == "Secure; HttpOnly; SameSite=Lax; Path=/"
        assert device[0].startswith("__Host-ostiary-device=osd1.")
        assert device[1] == "Max-Age=31536000; Secure; HttpOnly; SameSite=Lax; Path=/"
    else:
        tokens = {"access_token", "token_type", "expires_in", "refresh_token", "device_token"}
        assert out.keys() == tokens | {"user", "session"}
        assert (out["token_type"], out["expires_in"]) == ("Bearer", 600)
        assert "set-cookie" not in answer.headers


async def test_login_refused(place: Place) -> None:
    """Unknown, wrong and disabled answer alike to the byte, and set nothing."""
    await place.user()
    disabled = await place.user("eve@example.com")
    await place.auth.accounts.disable(disabled.user.id, actor="test")
    tries = [("ada@example.com", NEW), ("nobody@example.com", PASSWORD), ("eve@example.com", PASSWORD), ("x", PASSWORD)]

    async with place.client() as client:
        answers = [
            await client.post("/auth/login", json={"email": email, "password": password, "carrier": "cookie"})
            for email, password in tries
        ]

    assert {problem(answer) for answer in answers} == {(401, "bad_credentials")}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(answer.headers.multi_items()) for answer in answers}) == 1
    assert "set-cookie" not in answers[0].headers


async def test_guessing_is_slowed(place: Place) -> None:
    """After some wrong guesses one is told how long to wait."""
    await place.user()
    wrong = ADA | {"password": NEW, "carrier": "bearer"}

    async with place.client() as client:
        answers = [await client.post("/auth/login", json=wrong) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "1"


async def test_one_subscriber(place: Place) -> None:
    """All addresses of one IPv6 /64 count as one when accounts are made."""
    statuses: list[int] = []
    for number in range(21):
        async with place.client(address=f"2001:db8:1:2::{number:x}") as client:
            body = {"email": f"user{number}@example.com", "password": PASSWORD}
            statuses.append((await client.post("/auth/register", json=body)).status_code)

    assert statuses == [201] * 20 + [429]


async def test_a_new_cookie_ends_the_old_one(place: Place) -> None:
    """Logging in at a browser that holds a session ends that session, whoever it belonged to."""
    await place.user()
    await place.user("eve@example.com")
    first = await place.visitor(Carrier.COOKIE)
    phone = await place.visitor(Carrier.BEARER)
    old = first.client.cookies["__Host-ostiary"]

    body = {"email": "eve@example.com", "password": PASSWORD, "carrier": "cookie"}
    answer = await first.client.post("/auth/login", json=body, headers=BROWSER)

    assert answer.status_code == 200
    async with place.client() as thief:
        again = await thief.get("/auth/session", headers={"cookie": f"__Host-ostiary={old}"})
    assert problem(again) == (401, "invalid_token")
    assert (await first.send("GET", "/auth/session")).json()["user"]["email"] == "eve@example.com"
    assert (await phone.send("GET", "/auth/session")).status_code == 200


@BOTH
async def test_a_login_that_fails_ends_nothing(place: Place, carrier: Carrier) -> None:
    """The session that a browser holds outlives a login that fails, and one for another carrier."""
    await place.user()
    visitor = await place.visitor(Carrier.COOKIE)

    await visitor.send("POST", "/auth/login", json=ADA | {"carrier": "cookie", "password": NEW})
    await visitor.send("POST", "/auth/login", json=ADA | {"carrier": "bearer"})

    assert (await visitor.send("GET", "/auth/session")).status_code == 200


@BOTH
async def test_step_up(place: Place, carrier: Carrier) -> None:
    """A step-up renews the same session: its old cookie and access tokens are dead, and its refresh token leads on."""
    await place.user()
    visitor = await place.visitor(carrier)
    before = visitor.client.cookies.get("__Host-ostiary")
    place.clock.advance(timedelta(minutes=5))

    wrong = await visitor.send("POST", "/auth/step-up", json={"password": NEW})
    answer = await visitor.send("POST", "/auth/step-up", json={"password": PASSWORD})

    out = answer.json()
    assert problem(wrong) == (401, "bad_credentials")
    assert (answer.status_code, out.keys()) == (200, visitor.out.keys() - {"device_token"})
    assert out["session"]["id"] == visitor.out["session"]["id"]
    assert out["session"]["auth_time"] == "2026-01-01T00:05:00Z"
    old = {"cookie": f"__Host-ostiary={before}"} if carrier is Carrier.COOKIE else visitor.headers
    new = bearer(out["access_token"]) if carrier is Carrier.BEARER else BROWSER
    assert (await visitor.client.get("/auth/session", headers=new)).status_code == 200
    async with place.client() as thief:
        assert problem(await thief.get("/auth/session", headers=old)) == (401, "invalid_token")
    if carrier is Carrier.BEARER:
        refresh = {"refresh_token": visitor.out["refresh_token"]}
        assert (await visitor.client.post("/auth/refresh", json=refresh)).status_code == 200


async def test_a_borrowed_token_cannot_step_up(place: Place) -> None:
    """An access token that a cookie gave away cannot renew the cookie, which it does not hold."""
    await place.user()
    visitor = await place.visitor(Carrier.COOKIE)
    token = (await visitor.send("POST", "/auth/token")).json()["access_token"]

    async with place.client() as client:
        stepped = await client.post("/auth/step-up", json={"password": PASSWORD}, headers=bearer(token))
        more = await client.post("/auth/token", headers=bearer(token))

    assert problem(stepped) == problem(more) == (403, "cookie_required")
    assert (await visitor.send("GET", "/auth/session")).status_code == 200


async def test_refresh(place: Place) -> None:
    """A refresh token gives its successor and an access token; a copy that comes later ends the session."""
    await place.user()
    visitor = await place.visitor(Carrier.BEARER)
    first = {"refresh_token": visitor.out["refresh_token"]}

    second = await visitor.client.post("/auth/refresh", json=first)
    third = await visitor.client.post("/auth/refresh", json={"refresh_token": second.json()["refresh_token"]})
    place.clock.advance(CHEAPEST.grace * 2)
    copied = await visitor.client.post("/auth/refresh", json=first)
    after = await visitor.client.post("/auth/refresh", json={"refresh_token": third.json()["refresh_token"]})

    assert second.json().keys() == visitor.out.keys() - {"device_token"}
    assert second.json()["session"]["id"] == visitor.out["session"]["id"]
    assert "set-cookie" not in second.headers
    assert third.status_code == 200
    assert problem(copied) == problem(after) == (401, "invalid_grant")
    assert copied.content == after.content
    assert Kind.TOKEN_REUSED in place.kinds


async def test_token(place: Place) -> None:
    """A cookie is exchanged for a short access token; a bearer has its own, and a cookie is no refresh token."""
    await place.user()
    browser, phone = await place.visitor(Carrier.COOKIE), await place.visitor(Carrier.BEARER)

    answer = await browser.send("POST", "/auth/token")
    refused = await phone.send("POST", "/auth/token")
    cookie = browser.client.cookies["__Host-ostiary"]
    swapped = await phone.client.post("/auth/refresh", json={"refresh_token": cookie})

    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert problem(refused) == (403, "cookie_required")
    assert problem(swapped) == (401, "invalid_grant")


@BOTH
async def test_changing_the_password(place: Place, carrier: Carrier) -> None:
    """A changed password ends every other session; the current one must be known and the new one must do."""
    await place.user()
    here, there = await place.visitor(carrier), await place.visitor(Carrier.BEARER)

    wrong = await here.send("POST", "/auth/password/change", json={"current": NEW, "new": NEW})
    weak = await here.send("POST", "/auth/password/change", json={"current": PASSWORD, "new": "password"})
    changed = await here.send("POST", "/auth/password/change", json={"current": PASSWORD, "new": NEW})

    assert problem(wrong) == (401, "bad_credentials")
    assert problem(weak) == (422, "weak_password")
    assert changed.status_code == 204
    assert (await here.send("GET", "/auth/session")).status_code == 200
    assert problem(await there.send("GET", "/auth/session")) == (401, "invalid_token")


async def test_keys(place: Place) -> None:
    """The key set has the public parts alone, and may be kept for five minutes."""
    async with place.client() as client:
        answer = await client.get("/.well-known/jwks.json")

    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "application/jwk-set+json",
        "public, max-age=300",
    )
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_the_service(place: Place) -> None:
    """The service says that it lives, that it is ready only while its lease holds, and what it has counted."""
    await place.user()
    await place.visitor(Carrier.BEARER)

    async with place.client() as client:
        healthy, ready = await client.get("/healthz"), await client.get("/readyz")
        metrics = (await client.get("/metrics")).text
        place.clock.advance(CHEAPEST.lease)
        late = await client.get("/readyz")

    assert (healthy.status_code, ready.status_code) == (200, 200)
    assert problem(late) == (503, "unavailable")
    assert 'ostiary_events_total{kind="logged_in"} 1.0' in metrics
    assert 'ostiary_events_total{kind="token_reused"} 0.0' in metrics
    assert "ostiary_lease_seconds 2.0" in metrics
    assert "ostiary_feed_seq 1.0" in metrics
