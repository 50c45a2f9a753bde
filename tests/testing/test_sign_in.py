"""`sign_in`: a test's client holds a real session, whatever the framework."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ostiary import Carrier
from ostiary.asgi import Door
from ostiary.core.events import Kind
from ostiary.errors import Invalid, Misconfigured, Refused
from ostiary.testing import FakeClock, auth_behind, in_memory, settle, sign_in
from tests.testing.applications import CLIENTS, HOUR, ISSUER, flask_app, starlette_app, sync_auth

BOTH = pytest.mark.parametrize("carrier", list(Carrier))
CROSS_SITE = {"sec-fetch-site": "cross-site"}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A client of a running application, as its framework makes one."""
    with CLIENTS[request.param](tmp_path) as client:
        yield client


def body(answer: Any) -> Any:
    """Return the JSON of an answer: Flask's is no method."""
    return answer.json() if callable(answer.json) else answer.json


@BOTH
def test_a_client_that_is_signed_in_is_known(client: Any, carrier: Carrier) -> None:
    """Nobody is known before, and afterwards the user is, by the carrier that was asked for, until the logout."""
    before = client.get("/me")
    issued = sign_in(client, "ada@example.com", carrier=carrier)
    me = client.get("/me")
    out = client.post("/auth/logout")
    after = client.get("/me")

    assert (before.status_code, me.status_code, out.status_code, after.status_code) == (401, 200, 204, 401)
    assert body(me) == {"user": issued.account.user.id, "carrier": carrier, "acr": "aal1", "roles": []}


@BOTH
def test_who_may_do_what(client: Any, carrier: Carrier) -> None:
    """Roles, strength and freshness are as the test says; a page of another site may do nothing with the cookie."""
    sign_in(client, "ada@example.com", carrier=carrier)
    reader = client.post("/edit").status_code, client.get("/fresh").status_code
    sign_in(client, "ada@example.com", carrier=carrier, roles=["editor"], amr=["pwd", "otp"], age=HOUR)
    editor = client.post("/edit").status_code, client.get("/fresh").status_code
    elsewhere = client.post("/edit", headers=CROSS_SITE).status_code

    assert reader == (403, 200)
    assert editor == (200, 401)
    assert body(client.get("/me"))["acr"] == "aal2"
    assert elsewhere == (403 if carrier is Carrier.COOKIE else 200)


def test_one_after_the_other(client: Any) -> None:
    """A second user takes the place of the first, whatever the carriers; a known address is the same account."""
    users = [
        (sign_in(client, email, carrier=carrier).account.user.id, body(client.get("/me"))["user"])
        for email, carrier in [
            ("ada@example.com", Carrier.COOKIE),
            ("bob@example.com", Carrier.BEARER),
            ("ADA@example.com", Carrier.BEARER),
            ("bob@example.com", Carrier.COOKIE),
        ]
    ]

    assert all(made == known for made, known in users)
    assert users[0] == users[2] != users[1] == users[3]


def test_a_new_cookie_replaces_the_one_that_was_put(client: Any) -> None:
    """What the application sets later takes the place of what `sign_in` has put: there are never two."""
    sign_in(client, "ada@example.com")
    eve = {"email": "eve@example.com", "password": "a lantern in the harbour", "carrier": "cookie"}
    registered = client.post("/auth/register", json=eve)

    assert registered.status_code == 201
    assert body(client.get("/me"))["user"] == body(registered)["user"]["id"]


@BOTH
async def test_an_asynchronous_client(tmp_path: Path, carrier: Carrier) -> None:
    """For a client whose requests are awaited, signing in is awaited; a user may be named by account or by id."""
    auth = in_memory(tmp_path, issuer=ISSUER)
    async with (
        auth.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(starlette_app(auth)), base_url=ISSUER) as client,
    ):
        ada = await settle(auth, "ada@example.com")
        issued = [await sign_in(client, user, carrier=carrier) for user in (ada, ada.user.id, "ada@example.com")]
        me = await client.get("/me")

    assert me.json()["user"] == ada.user.id
    assert {each.account.user.id for each in issued} == {ada.user.id}
    assert len({each.session.id for each in issued}) == 3


def test_httpx_over_wsgi(tmp_path: Path) -> None:
    """A client of httpx that calls a WSGI application is signed in like any, and an `Auth` that rests is started."""
    auth = sync_auth(tmp_path)
    with httpx.Client(transport=httpx.WSGITransport(flask_app(auth)), base_url=ISSUER) as client:
        sign_in(client, "ada@example.com")
        me = client.get("/me")
        auth.stop()

    assert me.status_code == 200


def test_django(tmp_path: Path) -> None:
    """The test client of Django carries a cookie or a token, and is told which `Auth`."""
    program = f"""
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from ostiary import Carrier
from ostiary.errors import Misconfigured
from ostiary.testing import sign_in
from tests.testing.applications import sync_auth

def me(request):
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    return HttpResponse(getattr(auth.authenticate(headers, request.method), "carrier", "nobody"))

urlpatterns = [path("me", me)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
django.setup()
from django.test import Client
client = Client()
with sync_auth(__import__("pathlib").Path({str(tmp_path)!r})).running() as auth:
    for carrier in (None, *Carrier, *Carrier):
        if carrier:
            sign_in(client, "ada@example.com", carrier=carrier, auth=auth)
        print(client.get("/me").content.decode(), client.post("/me").content.decode())
    try:
        sign_in(client, "ada@example.com")
    except Misconfigured as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[:5] == ["nobody nobody", *2 * ("cookie cookie", "bearer bearer")], done.stderr
    assert "with auth=" in done.stdout.splitlines()[5]


def test_it_is_a_session_as_any_other(tmp_path: Path) -> None:
    """The session is in the store and in the list of devices, is on record, and ends by its own times."""
    clock = FakeClock()
    auth = in_memory(tmp_path, issuer=ISSUER, clock=clock)
    with TestClient(starlette_app(auth), base_url=ISSUER) as client:
        issued = sign_in(client, "ada@example.com")
        devices = client.get("/auth/sessions").json()
        assert client.portal is not None
        activity = client.portal.call(auth.accounts.activity, issued.account.user.id)
        clock.advance(timedelta(days=31))
        late = client.get("/me")

    assert [device["id"] for device in devices["sessions"]] == [issued.session.id]
    assert [event.kind for event in activity] == [Kind.LOGGED_IN, Kind.REGISTERED]
    assert late.status_code == 401


def test_what_cannot_be(tmp_path: Path) -> None:
    """What is missing is said with its remedy: a door, a client that was entered, https, an address, a user."""
    auth = in_memory(tmp_path, issuer=ISSUER)
    app = starlette_app(auth)

    with pytest.raises(Misconfigured, match="no ostiary door"):
        sign_in(TestClient(Starlette()), "ada@example.com")
    with pytest.raises(Misconfigured, match=r"with TestClient\(app\) as client"):
        sign_in(TestClient(app, base_url=ISSUER), "ada@example.com")
    with TestClient(app) as client, pytest.raises(Misconfigured, match=r"make it with base_url='https://id\.example'"):
        sign_in(client, "ada@example.com")
    with TestClient(app, base_url=ISSUER) as client:
        with pytest.raises(Invalid, match="not an e-mail address"):
            sign_in(client, "ada@")
        with pytest.raises(Invalid, match="no such user"):
            sign_in(client, "nobody")


def test_a_disabled_user_is_not_signed_in(tmp_path: Path) -> None:
    """A session is refused to whom the application would refuse one."""
    auth = in_memory(tmp_path, issuer=ISSUER)
    with TestClient(starlette_app(auth), base_url=ISSUER) as client:
        ada = sign_in(client, "ada@example.com").account.user.id
        assert client.portal is not None
        client.portal.call(lambda: auth.accounts.disable(ada, actor="test"))

        with pytest.raises(Refused):
            sign_in(client, "ada@example.com")


def test_a_door_is_found_behind_layers(tmp_path: Path) -> None:
    """However many middlewares stand before a door, its `Auth` is found."""

    class Layer:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    auth = in_memory(tmp_path)
    door = Door(Layer(Starlette()), auth)

    async def function(scope: Any, receive: Any, send: Any) -> None:
        await door(scope, receive, send)

    assert auth_behind(Layer(Layer(door))) is auth
    assert auth_behind(function) is auth
    assert auth_behind(httpx.AsyncClient(transport=httpx.ASGITransport(Layer(door)))) is auth
