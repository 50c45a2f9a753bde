"""A door around a small application, and clients of each kind that knock at it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ostiary.asgi import Door, Receive, Scope, Send, current
from ostiary.core.events import Event, Kind
from ostiary.core.session import Carrier
from ostiary.errors import Refused
from ostiary.ports import EventSink
from ostiary.stores.memory import MemoryStore
from ostiary.web.http import Response
from ostiary.web.metrics import Metrics
from tests.conftest import ISSUER, PASSWORD, House, make_house

BROWSER = {"sec-fetch-site": "same-origin", "origin": ISSUER}
"""What a page of ours sends beside its cookie."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says who it was told is asking. What is refused there is a 418, so that none is mistaken."""
    try:
        answer = Response(status=200, body=current(scope).user_id.encode())
    except Refused as error:
        answer = Response(status=418, body=str(error).encode())
    await send({"type": "http.response.start", "status": answer.status, "headers": []})
    await send({"type": "http.response.body", "body": answer.body})


@dataclass
class Both:
    """Two event sinks that hear the same."""

    first: EventSink
    second: EventSink

    def report(self, event: Event) -> None:
        self.first.report(event)
        self.second.report(event)


@dataclass
class Visitor:
    """A client, and what it was given."""

    client: httpx.AsyncClient
    out: dict[str, Any]
    headers: dict[str, str]

    async def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with the session that this visitor holds."""
        headers = self.headers | more.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **more)


@dataclass
class Place(House):
    """A house with a door."""

    door: Door
    metrics: Metrics

    @property
    def kinds(self) -> list[Kind]:
        """What has happened, in order."""
        return self.recorder.kinds()

    def client(self, *, address: str = "203.0.113.7", raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        """Return a client that holds nothing yet."""
        transport = httpx.ASGITransport(self.door, client=(address, 5000), raise_app_exceptions=raise_app_exceptions)
        return httpx.AsyncClient(transport=transport, base_url=ISSUER)

    async def visitor(self, carrier: Carrier, email: str = "ada@example.com", **more: Any) -> Visitor:
        """Log a user in over HTTP, as a browser does or as what is none."""
        client = self.client()
        headers = BROWSER if carrier is Carrier.COOKIE else {}
        body = {"email": email, "password": PASSWORD, "carrier": carrier} | more
        answer = await client.post("/auth/login", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        out = answer.json()
        return Visitor(client, out, headers if carrier is Carrier.COOKIE else bearer(out["access_token"]))


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries an access token."""
    return {"authorization": f"Bearer {token}"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return a problem's status and code, after checking that it is one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A started house with a door, the routes of the service included."""
    house = make_house(MemoryStore(), tmp_path)
    metrics = Metrics()
    house.auth._works._sink = Both(house.recorder, metrics)
    door = Door(echo, house.auth, service=True, metrics=metrics)
    async with house.auth.running():
        yield Place(**vars(house), door=door, metrics=metrics)
