"""The plain door: what it says of a request, how it starts and stops, and what it does when something goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from ostiary.asgi import Door, Message, Receive, Requires, Scope, Send, current
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.errors import Misconfigured
from ostiary.stores.memory import MemoryStore
from tests.conftest import ISSUER, House, headers_of


class Brisk:
    """An application that says 200 and remembers the scopes it saw. It knows no lifespan."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] != "lifespan"
        self.seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Broken(MemoryStore):
    """A store that cannot be opened."""

    async def open(self) -> None:
        raise Misconfigured("the folder /var/lib/ostiary cannot be written: make it so")


@pytest.fixture
async def started(house: House) -> AsyncIterator[House]:
    """A house that has started already."""
    async with house.auth.running():
        yield house


async def knock(app: Any, method: str = "GET", path: str = "/", headers: Any = ()) -> httpx.Response:
    """Send one request."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER) as client:
        return await client.request(method, path, headers=list(headers))


async def live(app: Any) -> list[Message]:
    """Run an application's whole life. Returns what it said."""
    said: list[Message] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        said.append(message)

    await app({"type": "lifespan"}, receive, send)
    return said


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_saying_who(started: House, carrier: Carrier) -> None:
    """The door says of every request who asks, or why it is nobody, and refuses none by itself."""
    app = Brisk()
    door = Door(app, started.auth)
    account = await started.user()
    headers = headers_of(started.auth, await started.login(carrier))

    answers = [await knock(door, headers=headers), await knock(door)]

    assert [answer.status_code for answer in answers] == [200, 200]
    who, nobody = (scope["ostiary"][0] for scope in app.seen)
    assert isinstance(who, Principal)
    assert (who.user_id, who.carrier) == (account.user.id, carrier)
    assert nobody == Denied(Reason.NO_CARRIER)


async def test_requirements(started: House) -> None:
    """`Requires` lets through who meets it, refuses the others as a problem, and refuses to stand without a door."""
    account = await started.user(roles=["editor"])
    headers = headers_of(started.auth, await started.login(Carrier.COOKIE))
    app = Brisk()
    rules: list[Any] = [{}, {"role": "editor"}, {"role": "admin"}]

    statuses = [
        (await knock(Door(Requires(app, **rule), started.auth), headers=given)).status_code
        for rule in rules
        for given in (headers, ())
    ]

    assert statuses == [200, 401, 200, 401, 403, 401]
    assert {current(scope).user_id for scope in app.seen} == {account.user.id}
    with pytest.raises(Misconfigured, match="no ostiary door"):
        await knock(Requires(app))


async def test_a_life(house: House) -> None:
    """The door lives for an application that knows no lifespan: it starts, it stops, and it says both."""
    said = await live(Door(Brisk(), house.auth))

    assert [message["type"] for message in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert not house.auth.started


async def test_a_start_that_fails(house: House) -> None:
    """A store that cannot be used stops the server at its start, with one line that says what to do."""
    house.auth._store = Broken()

    (said,) = await live(Door(Brisk(), house.auth))

    assert said == {
        "type": "lifespan.startup.failed",
        "message": "the folder /var/lib/ostiary cannot be written: make it so",
    }


async def test_an_application_that_fails(house: House) -> None:
    """When the application cannot start, what we started is stopped, and its own words reach the server."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await live(Door(app, house.auth))

    assert not house.auth.started


async def test_no_start_without_a_lifespan(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be started, nobody is let in: our routes answer 503 and others learn that nobody can say."""
    house.auth._store = Broken()
    app = Brisk()
    door = Door(app, house.auth)

    ours, other = await knock(door, path="/auth/session"), await knock(door)

    assert (ours.status_code, ours.json()["code"]) == (503, "unavailable")
    assert other.status_code == 200
    assert app.seen[0]["ostiary"][0] == Denied(Reason.UNAVAILABLE)
    assert "cannot be written" in caplog.text
    assert "Traceback" not in caplog.text


async def test_after_the_end(house: House) -> None:
    """A request that comes after the end starts nothing again."""
    app = Brisk()
    door = Door(app, house.auth)
    await live(door)

    ours, _ = await knock(door, path="/auth/session"), await knock(door)

    assert ours.status_code == 503
    assert app.seen[0]["ostiary"][0] == Denied(Reason.UNAVAILABLE)
    assert not house.auth.started


async def test_a_client_that_leaves(started: House) -> None:
    """A client that goes away in the middle of its body, or before the answer, leaves nothing behind."""
    door = Door(Brisk(), started.auth)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/auth/login",
        "headers": [(b"content-type", b"application/json")],
    }
    said: list[Message] = []
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b'{"em', "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        said.append(message)

    async def gone(message: Message) -> None:
        raise OSError("the client has gone")

    await door(dict(scope), receive, send)
    await door(dict(scope, method="GET", path="/auth/session"), receive, gone)

    assert not said


async def test_a_mounted_door(started: House) -> None:
    """A door in an application that is mounted below a path answers below that path."""
    door = Door(Brisk(), started.auth)
    transport = httpx.ASGITransport(door, root_path="/below")
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
        answer = await client.get("/below/auth/session")

    assert answer.json()["code"] == "unauthenticated"


async def test_two_at_the_start(house: House) -> None:
    """Requests that arrive together before anything has started all wait for one start."""
    app = Brisk()
    door = Door(app, house.auth)

    await asyncio.gather(*(knock(door) for _ in range(5)))
    await house.auth.stop()

    assert [scope["ostiary"][0] for scope in app.seen] == [Denied(Reason.NO_CARRIER)] * 5
