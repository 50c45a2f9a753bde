"""The door of FastAPI, through a real application."""

import re
import runpy
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from openapi_spec_validator import validate
from starlette.testclient import WebSocketDenialResponse

from ostiary import Auth, Principal
from ostiary.core.session import Carrier
from ostiary.fastapi import CurrentPrincipal, Fresh, OptionalPrincipal, Requires, install
from tests.conftest import ISSUER, PASSWORD, House

README = Path(__file__).parents[2] / "README.md"
BROWSER = {"sec-fetch-site": "same-origin"}
ADA = {"email": "ada@example.com", "password": PASSWORD}


def make_app(house: House) -> FastAPI:  # noqa: C901 - a list of routes
    """An application that had routes and a lifespan before the door was installed."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        app.state.lived = [house.auth.started]
        yield
        app.state.lived.append(house.auth.started)

    app = FastAPI(lifespan=lifespan)

    @app.get("/me")
    async def me(who: CurrentPrincipal) -> dict[str, str]:
        return {"user": who.user_id}

    @app.get("/anyone")
    async def anyone(who: OptionalPrincipal) -> dict[str, str | None]:
        return {"user": who.user_id if who is not None else None}

    @app.post("/edit", dependencies=[Depends(Requires(role="editor"))])
    def edit() -> None: ...

    @app.get("/read")
    async def read(who: Annotated[Principal, Depends(Requires(permission="read", role="editor"))]) -> str:
        return who.user_id

    @app.get("/fresh-reader", dependencies=[Depends(Requires(permission="read", fresh=timedelta(minutes=5)))])
    async def fresh_reader() -> None: ...

    @app.get("/fresh", dependencies=[Depends(Fresh(minutes=5))])
    async def fresh() -> None: ...

    @app.get("/strong", dependencies=[Depends(Requires(aal=2))])
    async def strong() -> None: ...

    @app.get("/scoped", dependencies=[Depends(Requires(scope="orders:read"))])
    async def scoped() -> None: ...

    @app.websocket("/talk")
    async def talk(socket: WebSocket, who: CurrentPrincipal) -> None:
        await socket.accept()
        await socket.send_text(who.user_id)
        await socket.close()

    install(app, house.auth, open=["/anyone", "/openapi.json"])
    return app


@pytest.fixture
def app(house: House) -> FastAPI:
    """The application, before it has started."""
    return make_app(house)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client of the running application."""
    with TestClient(app, base_url=ISSUER) as client:
        yield client


def enter(client: TestClient, carrier: Carrier) -> tuple[str, dict[str, str]]:
    """Register and log in. Returns the user's id, and the headers that this client sends from now on."""
    answer = client.post("/auth/register", json=ADA | {"carrier": carrier}, headers=BROWSER)
    assert answer.status_code == 201
    out = answer.json()
    bearer = carrier is Carrier.BEARER
    return out["user"]["id"], {"authorization": f"Bearer {out['access_token']}"} if bearer else BROWSER


BOTH = pytest.mark.parametrize("carrier", list(Carrier))


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
def test_roles_and_permissions(client: TestClient, house: House, carrier: Carrier) -> None:
    """What a route requires is required together, of both carriers, and a role that is given counts at once."""
    user, headers = enter(client, carrier)
    refused = [
        client.request(*route, headers=headers).status_code
        for route in (("POST", "/edit"), ("GET", "/read"), ("GET", "/fresh-reader"))
    ]
    portal = client.portal
    assert portal is not None

    portal.call(lambda: house.auth.accounts.define_roles({"editor": ["read"]}, actor="test"))
    portal.call(house.auth.upkeep._follower.round)
    portal.call(lambda: house.auth.accounts.set_roles(user, ["editor"], actor="test"))
    if carrier is Carrier.BEARER:
        out = client.post("/auth/login", json=ADA | {"carrier": "bearer"}).json()
        headers = {"authorization": f"Bearer {out['access_token']}"}

    assert refused == [403, 403, 403]
    assert client.post("/edit", headers=headers).status_code == 200
    assert client.get("/read", headers=headers).json() == user
    assert client.get("/fresh-reader", headers=headers).status_code == 200
    house.clock.advance(timedelta(minutes=6))
    stale = client.get("/fresh-reader", headers=headers)
    assert (stale.status_code, stale.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'max_age="300"' in stale.headers["www-authenticate"]


def test_freshness(client: TestClient, house: House) -> None:
    """An old proof is refused with what to do about it (RFC 9470), and a step-up makes it fresh."""
    _, headers = enter(client, Carrier.COOKIE)
    assert client.get("/fresh", headers=headers).status_code == 200
    house.clock.advance(timedelta(minutes=6))

    stale = client.get("/fresh", headers=headers)
    client.post("/auth/step-up", json={"password": PASSWORD}, headers=headers)

    assert (stale.status_code, stale.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'max_age="300"' in stale.headers["www-authenticate"]
    assert client.get("/fresh", headers=headers).status_code == 200


@BOTH
def test_strength_and_scope(client: TestClient, carrier: Carrier) -> None:
    """A login by one factor is told which level is asked for (RFC 9470); a scope nobody granted is not had."""
    _, headers = enter(client, carrier)

    weak = client.get("/strong", headers=headers)
    outside = client.get("/scoped", headers=headers)

    assert (weak.status_code, weak.json()["code"]) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in weak.headers["www-authenticate"]
    assert (outside.status_code, outside.json()["code"]) == (403, "insufficient_scope")


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


def test_a_websocket(client: TestClient) -> None:
    """A WebSocket is guarded too: with a session it opens, from another site or without one it does not."""
    user, _ = enter(client, Carrier.COOKIE)
    address = ISSUER.replace("https", "wss") + "/talk"

    with client.websocket_connect(address, headers={"origin": ISSUER}) as socket:
        said = socket.receive_text()
    statuses: list[int] = []
    for hostile in ({"origin": "https://evil.example"}, {}, {"cookie": "", "origin": ISSUER}):
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(address, headers=hostile):
            pass
        statuses.append(refused.value.status_code)

    assert said == user
    assert statuses == [403, 403, 401]


def test_nothing_required() -> None:
    """A requirement that names nothing is an error when it is written, not a gate that stands open."""
    with pytest.raises(ValueError, match="nothing is required"):
        Requires()
    with pytest.raises(ValueError, match="cannot be empty"):
        Requires(role="")


def test_lifespans(app: FastAPI, house: House) -> None:
    """The application's own lifespan runs within ours: we are there before it starts and until it has ended."""
    with TestClient(app, base_url=ISSUER):
        assert house.auth.started

    assert app.state.lived == [True, True]
    assert not house.auth.started


def test_openapi(client: TestClient) -> None:
    """The application's own document is valid, and says of each guarded route that either carrier opens it."""
    document = client.get("/openapi.json").json()

    validate(document)
    assert set(document["components"]["securitySchemes"]) == {"ostiary-bearer", "ostiary-cookie"}
    for path in ("/me", "/read", "/fresh"):
        keys = {key for either in document["paths"][path]["get"]["security"] for key in either}
        assert keys == {"ostiary-bearer", "ostiary-cookie"}
        assert len(document["paths"][path]["get"]["security"]) == 2


def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README shows works as it stands: only an editor may write, and only a fresh one may delete."""
    [source] = re.findall(r"^```python\n(.+?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    shown = runpy.run_path("app.py")
    auth: Auth = shown["auth"]

    with TestClient(shown["app"], base_url=auth.site.issuer) as client:

        def knock(*headers: dict[str, str]) -> list[list[int]]:
            """Ask for every route with each of these headers."""
            routes = (("GET", "/"), ("GET", "/me"), ("POST", "/articles"), ("DELETE", "/articles"))
            return [[client.request(*route, headers=each).status_code for route in routes] for each in headers]

        nobody = knock({}, {"authorization": "Bearer over"})
        out = client.post("/auth/register", json=ADA | {"carrier": "bearer"}).json()
        user, reader = out["user"]["id"], {"authorization": f"Bearer {out['access_token']}"}
        said = client.get("/me", headers=reader).json()
        registered = knock(reader)

        portal = client.portal
        assert portal is not None
        portal.call(lambda: auth.accounts.set_roles(user, ["editor"], actor="test"))
        renewed = client.post("/auth/refresh", json={"refresh_token": out["refresh_token"]}).json()
        token = {"authorization": f"Bearer {renewed['access_token']}"}
        over, editor = knock(reader, token)
        published = client.post("/articles", headers=token).json()
        auth.clock.offset += timedelta(minutes=6).total_seconds()
        stale = knock(token)
        stepped = client.post("/auth/step-up", json={"password": PASSWORD}, headers=token).json()
        proved = knock({"authorization": f"Bearer {stepped['access_token']}"})

        client.post("/auth/login", json=ADA | {"carrier": "cookie"}, headers=BROWSER)
        browser, elsewhere = knock(BROWSER, {"sec-fetch-site": "cross-site"})

    assert [*nobody, over] == [[200, 401, 401, 401]] * 3
    assert registered == [[200, 200, 403, 403]]
    assert [editor, *proved, browser] == [[200, 200, 200, 200]] * 3
    assert stale == [[200, 200, 200, 401]]
    assert elsewhere == [200, 200, 403, 403]
    assert said == {"user": user}
    assert published == f"published by {user}"
    assert {path.name for path in tmp_path.iterdir()} >= {"app.db", "app.db.key"}
