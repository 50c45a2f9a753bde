"""Somebody with a session who sends what they like, as raw as a server passes it on."""

import json
import time
from datetime import timedelta
from typing import Any, Final

import pytest

from ostiary.asgi import Message
from ostiary.web.endpoints import TABLE, Needs, Route
from tests.attacks.visits import Held, Raw, Street, knock, well_formed
from tests.conftest import PASSWORD

SECONDS: Final = 20.0
"""The most that an answer may take. A few milliseconds are usual; a busy machine gets this much."""

TAKING = [route for route in TABLE if route.takes is not None]
HOLDING = [route for route in TABLE if route.needs in (Needs.SESSION, Needs.COOKIE)]
ROUTES = pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
TAKERS = pytest.mark.parametrize("route", TAKING, ids=lambda route: f"{route.method} {route.path}")
HOLDERS = pytest.mark.parametrize("route", HOLDING, ids=lambda route: f"{route.method} {route.path}")
IN_A_DATABASE = pytest.mark.parametrize("street", ["memory", "sqlite", "postgres"], indirect=True)
"""For what only a database may stumble over."""

Headers = list[tuple[bytes, bytes]]
JSON = (b"content-type", b"application/json")


class Attacker:
    """Somebody with a cookie who sends what they like."""

    def __init__(self, street: Street, held: Held) -> None:
        self._street = street
        self._held = held

    @property
    def headers(self) -> Headers:
        return [JSON, *((name.encode(), value.encode()) for name, value in self._held.headers().items())]

    def path(self, route: Route) -> str:
        return route.path.replace("{id}", self._held.session_id)

    def well(self, route: Route) -> dict[str, Any]:
        assert route.takes is not None
        return dict(well_formed(route.takes, held=self._held))

    async def send(self, method: str, path: str, *chunks: bytes, **more: Any) -> Raw:
        """Send one raw request, and see that it is answered soon. What was tried before does not count."""
        async with self._street.house.store.write() as tx:
            await tx.counters.purge(before=self._street.house.clock.now() + timedelta(days=1), limit=1000)
        last = len(chunks) - 1
        messages: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": at < last} for at, chunk in enumerate(chunks or (b"",))
        ]
        scope = {"method": method, "path": path, "headers": self.headers} | more
        started = time.perf_counter()
        answer = await knock(self._street.door, scope, messages)
        assert time.perf_counter() - started < SECONDS
        assert answer is not None
        return answer

    async def still_in(self) -> bool:
        """Tell whether the attacker's own session and password are as they were."""
        stepped = await self._street.send("POST", "/auth/step-up", held=self._held, json={"password": PASSWORD})
        return stepped.is_success


def refused(answer: Raw, *expected: int) -> str:
    """See that an answer is a problem of the 400s, one of those expected if any are named. Returns its code."""
    assert 400 <= answer.status < 500, answer
    assert not expected or answer.status in expected, answer
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/problem+json"
    assert len(answer.body) < 2000
    out = json.loads(answer.body)
    assert out["status"] == answer.status
    assert b"set-cookie" not in headers or b"Max-Age=0" in headers[b"set-cookie"]
    return str(out["code"])
