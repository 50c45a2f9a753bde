"""The door of Starlette, through a real application."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from ostiary.core.session import Carrier
from ostiary.errors import Misconfigured, Unavailable
from ostiary.starlette import current_principal, install, requires
from tests.conftest import ISSUER, PASSWORD, House

BROWSER = {"sec-fetch-site": "same-origin"}
ADA = {"email": "ada@example.com", "password": PASSWORD}


async def me(request: Request) -> Response:
    """Say who is asking."""
    return PlainTextResponse(current_principal(request).user_id)


@requires(role="editor")
async def awaited(request: Request) -> Response:
    """Edit."""
    return PlainTextResponse("edited")


@requires(role="editor")
def called(request: Request) -> Response:
    """Edit, in a thread."""
    return PlainTextResponse("edited")


class Method(HTTPEndpoint):
    @requires(fresh=timedelta(minutes=5))
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("fresh")


async def broken(request: Request) -> Response:
    """Let an error of ours through."""
    raise Unavailable("the disk of this machine is at /dev/sda")


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    """A client of a running application, one part of which is mounted."""
    app = Starlette(
        routes=[
            Route("/me", me),
            Route("/awaited", awaited, methods=["POST"]),
            Route("/called", called, methods=["POST"]),
            Route("/broken", broken),
            Mount("/below", routes=[Route("/method", Method)]),
        ]
    )
    install(app, house.auth, open=["/broken"])
    with TestClient(app, base_url=ISSUER) as client:
        yield client


def enter(client: TestClient, carrier: Carrier) -> dict[str, str]:
    """Log in. Returns the headers that this client sends from now on."""
    out = client.post("/auth/login", json=ADA | {"carrier": carrier}, headers=BROWSER).json()
    return BROWSER if carrier is Carrier.COOKIE else {"authorization": f"Bearer {out['access_token']}"}


@pytest.mark.parametrize("carrier", list(Carrier))
def test_endpoints(client: TestClient, house: House, carrier: Carrier) -> None:
    """Functions and methods, async or not, mounted or not, are reached by who may, and by nobody else."""
    user = client.post("/auth/register", json=ADA).json()["user"]["id"]
    edits = ("/awaited", "/called")

    nobody = [client.get("/me"), client.get("/below/method"), *(client.post(path) for path in edits)]
    headers = enter(client, carrier)
    ordinary = [client.post(path, headers=headers) for path in edits]
    assert client.portal is not None
    client.portal.call(lambda: house.auth.accounts.set_roles(user, ["editor"], actor="test"))
    headers = enter(client, carrier)
    editor = [client.post(path, headers=headers) for path in edits]
    fresh = client.get("/below/method", headers=headers)
    house.clock.advance(timedelta(minutes=6))
    stale = client.get("/below/method", headers=headers)

    assert [answer.status_code for answer in nobody] == [401] * 4
    assert [answer.status_code for answer in ordinary] == [403, 403]
    assert [answer.text for answer in editor] == ["edited", "edited"]
    assert client.get("/me", headers=headers).text == user
    assert fresh.text == "fresh"
    assert (stale.status_code, stale.json()["code"]) == (401, "insufficient_user_authentication")


def test_what_a_verb_raises(client: TestClient) -> None:
    """An error of ours that an endpoint lets through is a problem, and says nothing of what is behind it."""
    answer = client.get("/broken")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "sda" not in answer.text


def test_no_door() -> None:
    """An endpoint that asks who is there, with no door in front, fails: nobody gets in by a forgotten `install`."""
    client = TestClient(Starlette(routes=[Route("/me", me), Route("/awaited", awaited)]))

    for path in ("/me", "/awaited"):
        with pytest.raises(Misconfigured, match="no ostiary door"):
            client.get(path)


def test_nothing_required() -> None:
    """A requirement that names nothing is an error when it is written."""
    with pytest.raises(ValueError, match="nothing is required"):
        requires()


def test_no_lifespan(house: House) -> None:
    """Where the server knows no lifespan, the first request starts what is needed."""
    app = Starlette(routes=[Route("/me", me)])
    install(app, house.auth)
    client = TestClient(app, base_url=ISSUER)  # not entered: no lifespan is run

    answer = client.get("/me")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert house.auth.started
