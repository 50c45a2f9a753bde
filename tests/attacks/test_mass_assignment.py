"""A client names fields that it was not asked for, and a record takes them over (CVE-2025-61928).

Every route is fed every name of every record, as a member of its body and as a parameter of its query, by nobody and by
an ordinary user. Each value points at another user or at more rights.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ostiary.asgi import Door
from ostiary.core.access import Principal
from ostiary.core.assurance import Proof
from ostiary.core.session import Carrier, Device, Session
from ostiary.core.token import AccessToken
from ostiary.core.user import Account, Credential, Identifier, User
from ostiary.ports import KeyRecord, StoredDocument
from ostiary.stores.memory import MemoryStore
from ostiary.web import bodies
from ostiary.web.endpoints import TABLE, Part, Route
from tests.conftest import ISSUER, PASSWORD, House, headers_of, make_house

RECORDS = (User, Identifier, Credential, Account, Session, Device, Proof, KeyRecord, StoredDocument)
STRUCTS: list[type[msgspec.Struct]] = [
    Principal,
    AccessToken,
    *(kind for kind in vars(bodies).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)),
]
GUESSED = (
    *("admin", "is_admin", "isAdmin", "role", "permissions", "scope", "superuser", "is_staff", "staff", "verified"),
    *("email_verified", "userId", "uid", "sub", "owner", "account", "org_id", "tenant", "token", "user[id]", "user.id"),
    *("$set", "$where", "__proto__", "constructor", "__class__", "_method", "all", "force", "actor", "ip", "as"),
)
NAMES = sorted(
    {field.name for record in RECORDS for field in fields(record)}
    | {name for kind in STRUCTS for name in kind.__struct_fields__}
    | set(GUESSED)
)
WELL: dict[str, dict[str, str]] = {
    "POST /auth/register": {"email": "new@example.com", "password": PASSWORD},
    "POST /auth/login": {"email": "ada@example.com", "password": PASSWORD, "carrier": "bearer"},
    "POST /auth/step-up": {"password": PASSWORD},
    "POST /auth/password/change": {"current": PASSWORD, "new": "another lantern, far away"},
    "POST /auth/refresh": {"refresh_token": "x"},
    "PATCH /auth/sessions/{id}": {"name": "renamed"},
    "PATCH /auth/account": {"name": "renamed"},
    "DELETE /auth/account": {"password": PASSWORD},
}
ROUTES = [route for route in TABLE if route.part is Part.AUTH]
EVERY = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
CALLERS = pytest.mark.parametrize("caller", [None, *Carrier])


@dataclass
class Scene:
    """Ada, who is ordinary; Eve, who has a role and a session that others would like to have; and a door."""

    house: House
    ada: str
    eve: str
    session: str

    async def send(self, route: Route, caller: Carrier | None, body: Any, query: str = "") -> httpx.Response:
        """Send one request, as nobody or from a new session of Ada."""
        headers = {"sec-fetch-site": "same-origin"}
        own = "x" * 22
        if caller is not None:
            issued = await self.house.login(caller)
            headers |= {name.decode(): value.decode() for name, value in headers_of(self.house.auth, issued)}
            own = issued.session.id
        path = route.path.replace("{id}", own)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(Door(_nothing, self.house.auth)), base_url=ISSUER
        ) as client:
            return await client.request(route.method, path + query, headers=headers, json=body)

    async def rights(self) -> object:
        """Return who everybody is, what they may do, what proves them, and what Eve holds."""
        async with self.house.store.read() as tx:
            people = await tx.users.page(after="", limit=100)
            return (
                people,
                [await tx.identifiers.of(person.id) for person in people],
                [await tx.credentials.of(person.id, "password") for person in people],
                await tx.sessions.of(self.eve),
                await tx.documents.get("roles"),
                await tx.keys.all(),
            )

    def value(self, name: str) -> Any:
        """Return what an attacker would put there."""
        if name in (
            "id",
            "user_id",
            "userId",
            "uid",
            "sub",
            "owner",
            "account",
            "actor",
            "user",
            "user.id",
            "user[id]",
        ):
            return self.eve
        if name in ("sid", "session_id", "session", "keep_session"):
            return self.session
        return {"roles": ["admin"], "revision": 99, "amr": ["pwd", "hwk"], "email": "eve@example.com"}.get(
            name, "admin"
        )


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no route of ours may reach the application")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Two users, one of whom has something to lose."""
    house = make_house(MemoryStore(), tmp_path)
    async with house.auth.running():
        await house.auth.accounts.define_roles({"admin": ["everything"]}, actor="test")
        ada = await house.user()
        eve = await house.user("eve@example.com", roles=["admin"])
        session = (await house.login(Carrier.COOKIE, "eve@example.com")).session.id
        yield Scene(house, ada.user.id, eve.user.id, session)


def test_the_names() -> None:
    """The names come from the records themselves, so a new field is tried from the day it is added."""
    assert {"roles", "user_id", "disabled_at", "auth_time", "secret", "sealed", "revoked_at", "rev"} <= set(NAMES)


@CALLERS
@EVERY
async def test_one_name_at_a_time(scene: Scene, route: Route, caller: Carrier | None) -> None:
    """A member that the route did not ask for makes it refuse everything, by name; nothing changes hands."""
    if route.takes is None:
        body: dict[str, Any] = {name: scene.value(name) for name in NAMES}
        before = await scene.rights()
        await scene.send(route, caller, body)
        assert await scene.rights() == before
        return
    well = WELL[f"{route.method} {route.path}"]
    names = [name for name in NAMES if name not in route.takes.__struct_fields__]
    before = await scene.rights()

    for name in names:
        answer = await scene.send(route, caller, well | {name: scene.value(name)})

        if answer.status_code != 401:
            assert answer.status_code == 422, (name, answer.text)
            assert [error["field"] for error in answer.json()["errors"]] == [name]
    assert len(names) > 60
    assert await scene.rights() == before


@CALLERS
@EVERY
async def test_every_name_in_the_query(scene: Scene, route: Route, caller: Carrier | None) -> None:
    """A query with any of these names is refused, and so is one with all of them; nothing changes hands."""
    names = [name for name in NAMES if name not in route.query]
    queries = [f"?{name}={scene.value(name)}" for name in names] if caller is None else []
    queries.append("?" + "&".join(f"{name}=admin" for name in names))
    before = await scene.rights()

    answers = [await scene.send(route, caller, WELL.get(f"{route.method} {route.path}"), query) for query in queries]

    assert {answer.status_code for answer in answers} == {400}
    assert await scene.rights() == before


async def test_a_registration_gives_nothing_more(scene: Scene) -> None:
    """Who registers gets an account with no role, no verified address and an id of the server's own."""
    route = next(route for route in ROUTES if route.path == "/auth/register")

    answer = await scene.send(route, None, WELL["POST /auth/register"] | {"name": "admin"})

    account = await scene.house.auth.accounts.get(answer.json()["user"]["id"])
    assert account is not None
    assert account.user.id not in (scene.ada, scene.eve)
    assert (account.user.roles, account.user.revision, account.user.disabled_at) == ((), 1, None)
    assert [identifier.verified_at for identifier in account.identifiers] == [None]
