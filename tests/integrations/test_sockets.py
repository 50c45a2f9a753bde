"""A WebSocket and a long response: they end when the session does, through every door."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

import ostiary.fastapi
import ostiary.starlette
from ostiary.asgi import Door, alive, current
from ostiary.core.session import Carrier
from tests.conftest import ISSUER, PASSWORD, House

ADA = {"email": "ada@example.com", "password": PASSWORD}
BROWSER = {"sec-fetch-site": "same-origin", "origin": ISSUER}
TALK = ISSUER.replace("https", "wss") + "/talk"
heard: list[int] = []


async def talk(socket: WebSocket) -> None:
    """Say what is heard, until the client goes."""
    current(socket.scope)
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect as gone:
        heard.append(gone.code)


async def count(request: Request) -> StreamingResponse:
    """Count for as long as the session lives, and end the session on the way."""
    who = current(request.scope)
    auth = request.app.state.auth

    async def numbers() -> AsyncIterator[str]:
        for number in range(9):
            if not await alive(request.scope):
                return
            if number == 3:
                await auth.revoke(who.session_id, actor="test")
            yield str(number)

    return StreamingResponse(numbers())


ROUTES = [WebSocketRoute("/talk", talk), Route("/count", count)]


def _plain(house: House) -> Door:
    app = Starlette(routes=ROUTES)
    app.state.auth = house.auth
    return Door(app, house.auth)


def _starlette(house: House) -> Starlette:
    app = Starlette(routes=ROUTES)
    app.state.auth = house.auth
    ostiary.starlette.install(app, house.auth)
    return app


def _fastapi(house: House) -> FastAPI:
    app = FastAPI(routes=list(ROUTES))
    app.state.auth = house.auth
    ostiary.fastapi.install(app, house.auth)
    return app


@pytest.fixture(params=[_plain, _starlette, _fastapi])
def client(request: pytest.FixtureRequest, house: House) -> Iterator[TestClient]:
    """A client of the same application behind each door."""
    make: Callable[[House], Starlette] = request.param
    heard.clear()
    with TestClient(make(house), base_url=ISSUER) as client:
        yield client


def enter(client: TestClient, carrier: Carrier) -> tuple[str, dict[str, str]]:
    """Register and log in. Returns the user's id, and the headers that this client sends from now on."""
    out = client.post("/auth/register", json=ADA | {"carrier": carrier}, headers=BROWSER).json()
    bearer = carrier is Carrier.BEARER
    return out["user"]["id"], {"authorization": f"Bearer {out['access_token']}"} if bearer else BROWSER


BOTH = pytest.mark.parametrize("carrier", list(Carrier))


@BOTH
def test_revoked(client: TestClient, carrier: Carrier) -> None:
    """An open WebSocket is closed with 4401 when its session is logged out, and the application hears that it is."""
    _, headers = enter(client, carrier)

    with client.websocket_connect(TALK, headers=headers) as socket:
        socket.send_text("still here")
        said = socket.receive_text()
        client.post("/auth/logout", headers=headers)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert said == "still here"
    assert closed.value.code == 4401
    assert heard == [4401]


def test_disabled(client: TestClient, house: House) -> None:
    """An open WebSocket is closed when its user is disabled."""
    user, headers = enter(client, Carrier.COOKIE)
    assert client.portal is not None

    with client.websocket_connect(TALK, headers=headers) as socket:
        client.portal.call(lambda: house.auth.accounts.disable(user, actor="test"))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert closed.value.code == 4401


def test_ended_by_itself(client: TestClient, house: House) -> None:
    """An open WebSocket is closed when its session has ended by itself, which no entry of the feed says."""
    _, headers = enter(client, Carrier.COOKIE)

    with client.websocket_connect(TALK, headers=headers) as socket:
        house.clock.advance(house.auth.policy.session_life)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert closed.value.code == 4401


@BOTH
def test_a_client_that_goes(client: TestClient, carrier: Carrier) -> None:
    """A WebSocket that the client closes is closed as the client said, and nothing is left watching it."""
    _, headers = enter(client, carrier)

    with client.websocket_connect(TALK, headers=headers) as socket:
        socket.close(1000)

    assert heard == [1000]


@BOTH
def test_a_long_response(client: TestClient, carrier: Carrier) -> None:
    """A long response that asks whether the session is alive ends where the session did."""
    _, headers = enter(client, carrier)

    counted = client.get("/count", headers=headers)

    assert counted.text == "0123"
