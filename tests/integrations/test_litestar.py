"""The door of Litestar, through a real application."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar, WebSocket, get, post, websocket
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from ostiary.core.session import Carrier
from ostiary.litestar import CurrentPrincipal, Door, OptionalPrincipal, Ostiary, requires
from tests.conftest import ISSUER, PASSWORD, House

ADA = {"email": "ada@example.com", "password": PASSWORD}
BROWSER = {"sec-fetch-site": "same-origin", "origin": ISSUER}
TALK = ISSUER.replace("https", "wss") + "/talk"
BOTH = pytest.mark.parametrize("carrier", list(Carrier))


@get("/me")
async def me(who: CurrentPrincipal) -> dict[str, str]:
    """Say who is asking."""
    return {"user": who.user_id}


@get("/anyone")
async def anyone(visitor: OptionalPrincipal) -> dict[str, str | None]:
    """Say who is asking, if anybody is."""
    return {"user": visitor.user_id if visitor is not None else None}


@post("/edit", guards=[requires(role="editor")])
async def edit() -> None:
    """Edit."""


@get("/fresh", guards=[requires(fresh=timedelta(minutes=5))])
async def fresh() -> None:
    """Do what needs a recent proof."""


@get("/strong", guards=[requires(aal=2)])
async def strong() -> None:
    """Do what needs two factors."""


@websocket("/talk")
async def talk(socket: WebSocket[Any, Any, Any], who: CurrentPrincipal) -> None:
    """Say who is there, and wait."""
    await socket.accept()
    await socket.send_text(who.user_id)
    await socket.receive_text()


HANDLERS = [me, anyone, edit, fresh, strong, talk]


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    """A client of the running application."""
    with TestClient(Door(_asgi(Litestar(HANDLERS, plugins=[Ostiary()])), house.auth), base_url=ISSUER) as client:
        yield client


def _asgi(app: Litestar) -> Any:
    return app


def enter(client: TestClient, carrier: Carrier) -> tuple[str, dict[str, str]]:
    """Register and log in. Returns the user's id, and the headers that this client sends from now on."""
    out = client.post("/auth/register", json=ADA | {"carrier": carrier}, headers=BROWSER).json()
    bearer = carrier is Carrier.BEARER
    return out["user"]["id"], {"authorization": f"Bearer {out['access_token']}"} if bearer else BROWSER


@BOTH
def test_the_handler_cannot_tell(client: TestClient, carrier: Carrier) -> None:
    """A handler is told who asks, by cookie or by token; without either, and after a logout, it is not reached."""
    user, headers = enter(client, carrier)

    inside = client.get("/me", headers=headers)
    logged_out = client.post("/auth/logout", headers=headers)
    outside = client.get("/me", headers=headers)

    assert inside.json() == {"user": user}
    assert logged_out.status_code == 204
    assert (outside.status_code, outside.headers["content-type"]) == (401, "application/problem+json")
    assert outside.headers["www-authenticate"].startswith("Bearer ")


@BOTH
def test_requirements(client: TestClient, house: House, carrier: Carrier) -> None:
    """Guards refuse with what is missing: a session, a role, a second factor, a recent proof."""
    nobody = client.post("/edit")
    _, headers = enter(client, carrier)
    ordinary, weak = client.post("/edit", headers=headers), client.get("/strong", headers=headers)
    recent = client.get("/fresh", headers=headers)
    house.clock.advance(timedelta(minutes=6))
    stale = client.get("/fresh", headers=headers)

    assert [answer.status_code for answer in (nobody, ordinary, recent)] == [401, 403, 200]
    assert (weak.status_code, weak.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in weak.headers["www-authenticate"]
    assert (stale.status_code, stale.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'max_age="300"' in stale.headers["www-authenticate"]


def test_a_visitor(client: TestClient) -> None:
    """A page for anyone is shown to who has no session, or one that is over; not to who shows two."""
    visitor = client.get("/anyone")
    user, headers = enter(client, Carrier.COOKIE)
    inside = client.get("/anyone", headers=headers)
    twice = client.get("/anyone", headers={"cookie": "__Host-ostiary=a; __Host-ostiary=b"})
    over = client.get("/anyone", headers={"authorization": "Bearer over"})

    assert visitor.json() == over.json() == {"user": None}
    assert inside.json() == {"user": user}
    assert twice.status_code == 400


def test_cross_site(client: TestClient) -> None:
    """A page of another site reaches no handler with our cookie."""
    enter(client, Carrier.COOKIE)

    answer = client.post("/edit", headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


@BOTH
def test_a_websocket(client: TestClient, carrier: Carrier) -> None:
    """A WebSocket opens with a session, and is closed with 4401 when that is logged out. Without one it stays shut."""
    user, headers = enter(client, carrier)

    with client.websocket_connect(TALK, headers=headers) as socket:
        said = socket.receive_text()
        client.post("/auth/logout", headers=headers)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(TALK, headers=headers):
        pass

    assert said == user
    assert closed.value.code == refused.value.code == 4401


def test_a_foreign_websocket(client: TestClient) -> None:
    """A page of another site opens no WebSocket with our cookie."""
    enter(client, Carrier.COOKIE)

    for hostile in ({"origin": "https://evil.example"}, {}):
        with (
            pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
            client.websocket_connect(TALK, headers=hostile),
        ):
            pass
