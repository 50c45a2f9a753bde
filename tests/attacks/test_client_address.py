"""Whoever says that they are somebody else: `X-Forwarded-For` and its kin, through every door."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ostiary import Auth, asgi, flask, litestar, starlette, wsgi
from ostiary.errors import Misconfigured
from ostiary.sync import Auth as SyncAuth
from ostiary.testing import CHEAPEST
from tests.conftest import PASSWORD
from tests.web.conftest import echo

ISSUER = "http://localhost:8000"
PROXY = "10.1.2.3"
CLIENT = "203.0.113.7"
SAYS_SO = [
    "x-real-ip",
    "x-client-ip",
    "x-originating-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "x-cluster-client-ip",
    "forwarded-for",
    "x-forwarded",
]


def nothing(_: wsgi.Environ, __: wsgi.StartResponse) -> list[bytes]:
    """Answer nothing: no request gets this far."""
    return []


def _starlette(auth: Auth) -> Any:
    app = Starlette()
    starlette.install(app, auth)
    return app


def _fastapi(auth: Auth) -> Any:
    app = FastAPI()
    starlette.install(app, auth)
    return app


def _flask(auth: SyncAuth) -> Any:
    app = Flask("test")
    flask.install(app, auth)
    return app


DOORS: dict[str, Callable[[Any], Any]] = {
    "asgi": lambda auth: asgi.Door(echo, auth),
    "starlette": _starlette,
    "fastapi": _fastapi,
    "litestar": lambda auth: litestar.Door(cast("Any", Litestar()), auth),
    "wsgi": lambda auth: wsgi.Door(nothing, auth),
    "flask": _flask,
}


class Doorway:
    """A door of one framework, with a proxy that it trusts."""

    def __init__(self, name: str, folder: Path) -> None:
        kind: Any = SyncAuth if name in ("wsgi", "flask") else Auth
        self.auth = kind.embedded(folder / "app.db", issuer=ISSUER, policy=CHEAPEST, trusted_proxies=["10.0.0.0/8"])
        self.app = DOORS[name](self.auth)
        self.is_sync = name in ("wsgi", "flask")
        self._count = 0

    def seen(self, peer: str, headers: list[tuple[str, str]]) -> str:
        """Return whose address a login is remembered with."""
        self._count += 1
        body = {"email": f"ada{self._count}@example.com", "password": PASSWORD, "carrier": "bearer"}
        with self._client(peer) as client:
            answer = client.post("/auth/register", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["session"]["ip"])

    def _client(self, peer: str) -> Any:
        if self.is_sync:
            return httpx.Client(transport=httpx.WSGITransport(self.app, remote_addr=peer), base_url=ISSUER)
        return TestClient(self.app, base_url=ISSUER, client=(peer, 5000))


@pytest.fixture(params=DOORS)
def doorway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doorway]:
    """Each door."""
    doorway = Doorway(request.param, tmp_path)
    yield doorway
    if doorway.is_sync:
        doorway.auth.stop()


def test_forwarded(doorway: Doorway) -> None:
    """Only a trusted proxy is believed, and only about who spoke to it; what the client wrote itself is not read."""
    spoofed = [("x-forwarded-for", "198.51.100.1")]

    assert doorway.seen(CLIENT, spoofed) == CLIENT
    assert doorway.seen("127.0.0.1", spoofed) == "127.0.0.1"
    assert doorway.seen(PROXY, [("x-forwarded-for", CLIENT)]) == CLIENT
    assert doorway.seen(PROXY, [("x-forwarded-for", f"198.51.100.1, {CLIENT}")]) == CLIENT
    assert doorway.seen(PROXY, [("x-forwarded-for", f"{CLIENT}, 10.9.9.9")]) == CLIENT
    assert doorway.seen(PROXY, [("forwarded", "for=198.51.100.1")]) == PROXY
    for name in SAYS_SO:
        assert doorway.seen(PROXY, [("x-forwarded-for", CLIENT), (name, "198.51.100.1")]) == CLIENT, name


@pytest.mark.parametrize("proxy", ["0.0.0.0/0", "::/0", "everybody"])
def test_trusting_everybody(tmp_path: Path, proxy: str) -> None:
    """To trust everybody is refused when an `Auth` is made."""
    with pytest.raises(Misconfigured, match="the trusted proxy"):
        Auth.embedded(tmp_path / "app.db", issuer=ISSUER, trusted_proxies=[proxy])
