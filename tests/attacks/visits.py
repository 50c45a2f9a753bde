"""Clients at a door and what they hold, for attacks over HTTP."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from ostiary.asgi import Door, Message, Scope
from ostiary.core.session import Carrier, Session
from ostiary.ports import Store
from ostiary.server.app import not_found
from ostiary.stores.memory import MemoryStore
from ostiary.web.bodies import (
    AcceptInvitationIn,
    AccountIn,
    AskIn,
    ChangeEmailIn,
    ChangePasswordIn,
    DeleteAccountIn,
    In,
    LoginIn,
    RefreshIn,
    RegisterIn,
    RenameIn,
    ResetPasswordIn,
    StepUpIn,
    VerifyEmailIn,
)
from ostiary.web.endpoints import TABLE, Route
from tests.conftest import ISSUER, PASSWORD, House, make_house

NEW_PASSWORD: Final = "another lantern, far away"
BROWSER: Final = {"sec-fetch-site": "same-origin", "origin": ISSUER}
SECRETS: Final = frozenset({"access_token", "refresh_token", "csrf_token", "device_token"})
"""The members of an answer that are worth something to who holds them."""

GIVING: Final = [route for route in TABLE if any(SECRETS & {*out.__struct_fields__} for out in route.gives)]
"""Every route that gives a credential."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What one client was given."""

    carrier: Carrier
    session_id: str = "x" * 22
    user_id: str = ""
    cookie: str = ""
    access_token: str = ""
    refresh_token: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers in which a client of its kind carries its session."""
        if self.carrier is Carrier.BEARER:
            return {"authorization": f"Bearer {self.access_token}"}
        return {"cookie": f"__Host-ostiary={self.cookie}", **BROWSER}

    def minted(self, access_token: str) -> "Held":
        """Return the same session as held by an access token that its cookie was traded for."""
        return replace(self, carrier=Carrier.BEARER, access_token=access_token)


def taken(answer: httpx.Response, before: Held | None = None) -> Held:
    """Return what a client holds after an answer that gave it a session."""
    assert answer.is_success, answer.text
    out = answer.json()
    held = replace(
        before or Held(carrier=Carrier(out["session"]["carrier"])),
        session_id=out["session"]["id"],
        user_id=out["user"]["id"],
        access_token=out.get("access_token", ""),
        refresh_token=out.get("refresh_token", ""),
    )
    given = answer.headers.get("set-cookie", "")
    return replace(held, cookie=given.partition(";")[0].partition("=")[2]) if given else held


def is_empty_handed(answer: httpx.Response) -> bool:
    """Tell whether an answer gives nothing: no token in its body, and no cookie but an emptied one."""
    cookies = answer.headers.get_list("set-cookie")
    named = any(f'"{name}":'.encode() in answer.content for name in SECRETS)
    return not named and all("=; Max-Age=0" in cookie for cookie in cookies)


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return a problem's status and code, after checking that it is a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    out = answer.json()
    assert out["status"] == answer.status_code
    return answer.status_code, out["code"]


def well_formed(kind: type[In], *, held: Held | None = None, carrier: Carrier = Carrier.COOKIE) -> dict[str, str]:
    """Return a body that a route takes and that would be right for Ada. Each type has one: a new type needs another."""
    ada = {"email": "ada@example.com", "password": PASSWORD, "carrier": carrier.value}
    bodies: dict[type[In], dict[str, str]] = {
        RegisterIn: ada,
        LoginIn: ada,
        StepUpIn: {"password": PASSWORD},
        ChangePasswordIn: {"current": PASSWORD, "new": NEW_PASSWORD},
        RefreshIn: {"refresh_token": (held.refresh_token if held is not None else "") or "x"},
        RenameIn: {"name": "renamed"},
        AccountIn: {"name": "Ada Lovelace"},
        DeleteAccountIn: {"password": PASSWORD},
        AskIn: {"email": "ada@example.com"},
        ResetPasswordIn: {"token": "x" * 43, "new": NEW_PASSWORD},
        VerifyEmailIn: {"token": "x" * 43, "password": PASSWORD},
        ChangeEmailIn: {"email": "ada@example.org", "password": PASSWORD},
        AcceptInvitationIn: {"token": "x" * 43, "password": PASSWORD},
    }
    return bodies[kind]


@dataclass
class Street:
    """A house with a door, and whoever comes by. No visit leaves anything behind for the next but what is carried."""

    house: House
    door: Door
    address: str = "203.0.113.7"

    async def send(
        self, method: str, path: str, *, held: Held | None = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Send one request, as who holds a session or as nobody."""
        transport = httpx.ASGITransport(self.door, client=(self.address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            carried = held.headers() if held is not None else {}
            return await client.request(method, path, headers={**carried, **(headers or {})}, **more)

    async def take(
        self, route: Route, *, held: Held | None = None, carrier: Carrier = Carrier.COOKIE, **more: Any
    ) -> httpx.Response:
        """Send to a route what it takes, as who holds a session or as nobody."""
        if route.takes is not None and "json" not in more:
            more["json"] = well_formed(route.takes, held=held, carrier=carrier)
        own = held.session_id if held is not None else "x" * 22
        return await self.send(route.method, route.path.replace("{id}", own), held=held, **more)

    async def login(self, carrier: Carrier, email: str = "ada@example.com", **more: Any) -> Held:
        """Log in, as a browser does or as what is none."""
        body = {"email": email, "password": PASSWORD, "carrier": carrier.value}
        return taken(await self.send("POST", "/auth/login", json=body, headers=BROWSER, **more))

    async def trade(self, held: Held) -> Held:
        """Trade a cookie for an access token."""
        answer = await self.send("POST", "/auth/token", held=held)
        assert answer.is_success, answer.text
        return held.minted(answer.json()["access_token"])

    async def refresh(self, held: Held) -> httpx.Response:
        """Present a refresh token."""
        return await self.send("POST", "/auth/refresh", json={"refresh_token": held.refresh_token})

    async def ask(self, held: Held) -> httpx.Response:
        """Ask who one is."""
        return await self.send("GET", "/auth/session", held=held)

    async def sessions(self, user_id: str) -> Sequence[Session]:
        """Return a user's sessions that were not revoked, as they are stored."""
        async with self.house.store.read() as tx:
            return await tx.sessions.of(user_id)


def street_of(house: House) -> Street:
    """Put a door in front of a house, with the routes of the service and nothing behind it."""
    return Street(house, Door(not_found, house.auth, service=True))


@asynccontextmanager
async def open_street(folder: Path, store: Store | None = None) -> AsyncGenerator[Street]:
    """Start a house with Ada in it, on a store, with a door."""
    house = make_house(store or MemoryStore(), folder)
    async with house.auth.running():
        await house.user()
        yield street_of(house)


@dataclass(frozen=True)
class Raw:
    """An answer as it left the door."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


async def knock(door: Door, scope: Mapping[str, Any], messages: Sequence[Message]) -> Raw | None:
    """Send a request as raw as a server passes it on. `None` when the door said nothing."""
    said: list[Message] = []
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        said.append(message)

    whole: Scope = {
        "type": "http",
        "query_string": b"",
        "headers": [],
        "client": ("203.0.113.7", 5000),
        **scope,
    }
    await door(whole, receive, send)
    if not said:
        return None
    body = b"".join(message.get("body", b"") for message in said[1:])
    return Raw(said[0]["status"], said[0]["headers"], body)
