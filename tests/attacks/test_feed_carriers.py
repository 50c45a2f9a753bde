"""Threat: a credential of one kind opens what belongs to another (CVE-2023-34981 and its kin; RFC 9700 section 2.2).

A verifier reads who was logged out, and nothing else; whoever holds a session cannot read that. Each wrong carrier
meets each route of the feed, and a verifier's key meets every other route of the table.
"""

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ostiary.asgi import Door, Receive, Scope, Send, current
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.session import Carrier
from ostiary.errors import Barred
from ostiary.web.endpoints import TABLE, Needs, Part, Route
from tests.attacks.attacker import refused
from tests.attacks.visits import BROWSER, GIVING, Held, Raw, Street, is_empty_handed, knock, open_street

FEED = [route for route in TABLE if route.needs is Needs.VERIFIER]
OTHERS = [route for route in TABLE if route.needs is not Needs.VERIFIER]


@dataclass
class Town:
    """A street, a user with both carriers, and two verifiers."""

    street: Street
    cookie: Held
    bearer: Held
    key: str
    other: str


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Everybody who has any credential."""
    async with open_street(tmp_path) as street:
        verifiers = street.house.auth.verifiers
        (_, key), (_, other) = await verifiers.add("orders", actor="test"), await verifiers.add("bills", actor="test")
        yield Town(street, await street.login(Carrier.COOKIE), await street.login(Carrier.BEARER), key, other)


Headers = list[tuple[str, str]]


def bearer(value: str) -> Headers:
    """Return the header that carries a value as a token."""
    return [("authorization", f"Bearer {value}")]


def parts(key: str) -> tuple[str, str, str]:
    """Return the version, the id and the secret of a key."""
    name, own_id, secret = key.split(".")
    return name, own_id, secret


def digest(town: Town) -> str:
    """Return all that is kept of the first verifier's secret, written as the secret is."""
    known = town.street.house.auth.verifiers._known
    return encode_base64url(known[parts(town.key)[1].encode()].digest)


def flipped(text: str) -> str:
    """Return a text with other last spare bits, which a careless decoder reads as the same."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


WRONG: dict[str, Callable[[Town], Headers]] = {
    "nothing": lambda _: [],
    "a session cookie": lambda town: list(town.cookie.headers().items()),
    "the key as a cookie": lambda town: [("cookie", f"__Host-ostiary={town.key}")],
    "a cookie's value as a token": lambda town: bearer(town.cookie.cookie),
    "an access token": lambda town: bearer(town.bearer.access_token),
    "a refresh token": lambda town: bearer(town.bearer.refresh_token),
    "another's secret": lambda town: bearer(".".join((*parts(town.key)[:2], parts(town.other)[2]))),
    "another's id": lambda town: bearer(".".join(("osv1", parts(town.other)[1], parts(town.key)[2]))),
    "an id alone": lambda town: bearer(".".join(parts(town.key)[:2])),
    "no secret": lambda town: bearer(".".join((*parts(town.key)[:2], ""))),
    "truncated": lambda town: bearer(town.key[:-1]),
    "lengthened": lambda town: bearer(town.key + "A"),
    "padded": lambda town: bearer(town.key + "="),
    "other spare bits": lambda town: bearer(flipped(town.key)),
    "another version": lambda town: bearer(town.key.replace("osv1", "osv2")),
    "another case": lambda town: bearer(town.key.swapcase()),
    "its digest": lambda town: bearer(".".join((*parts(town.key)[:2], digest(town)))),
    "basic": lambda town: [("authorization", "Basic " + base64.b64encode(f"x:{town.key}".encode()).decode())],
    "no scheme": lambda town: [("authorization", town.key)],
    "two spaces": lambda town: [("authorization", f"Bearer  {town.key}")],
    "a space behind": lambda town: bearer(f"{town.key} "),
    "twice the same": lambda town: bearer(town.key) * 2,
    "twice, the other first": lambda town: bearer(town.other) + bearer(town.key),
    "a wrong one behind": lambda town: bearer(town.key) + bearer("x"),
    "a list": lambda town: bearer(f"{town.key}, Bearer {town.other}"),
    "in other headers": lambda town: [("x-api-key", town.key), ("proxy-authorization", f"Bearer {town.key}")],
    "a megabyte": lambda _: bearer("x" * 1_000_000),
    "no text": lambda _: [("authorization", "Bearer \xff\xfe\x00")],
}


async def send(town: Town, method: str, path: str, headers: Headers, query: bytes = b"") -> Raw:
    """Send a raw request that would be right if its carrier was."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in [*headers, ("last-event-id", "x:1")]]
    scope = {"method": method, "path": path, "headers": raw, "query_string": query}
    answer = await knock(town.street.door, scope, [{"type": "http.request", "body": b"", "more_body": False}])
    assert answer is not None
    return answer


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("route", FEED, ids=lambda route: route.path)
async def test_at_the_feed(town: Town, route: Route, wrong: str) -> None:
    """Nothing but the one header with the one key opens the feed; and nobody follows it for a moment without."""
    right = await send(town, "GET", "/auth/feed/head", bearer(town.key))

    answer = await send(town, route.method, route.path, WRONG[wrong](town))

    assert right.status == 200
    assert refused(answer, 401) in ("verifier_required", "invalid_verifier")
    assert b"www-authenticate" in dict(answer.headers)
    assert town.street.house.auth.relay.streams == 0


@pytest.mark.parametrize("route", FEED, ids=lambda route: route.path)
async def test_in_the_query(town: Town, route: Route) -> None:
    """A key in the address, where every proxy would write it down, is refused even beside the right header."""
    query = f"access_token={town.key}".encode()

    assert refused(await send(town, "GET", route.path, [], query), 400) == "invalid_query"
    assert refused(await send(town, "GET", route.path, bearer(town.key), query), 400) == "invalid_query"


@pytest.mark.parametrize("route", FEED, ids=lambda route: route.path)
async def test_a_cookie_beside_the_key(town: Town, route: Route) -> None:
    """A session that comes along changes nothing: not for better, and it is not touched."""
    cookie = [("cookie", f"__Host-ostiary={town.cookie.cookie}")]
    wrong = await send(town, "GET", route.path, [*bearer(town.bearer.access_token), *cookie])
    right = await send(town, "GET", "/auth/feed/head", [*bearer(town.key), *cookie])

    assert refused(wrong, 401) == "invalid_verifier"
    assert right.status == 200
    assert not [value for name, value in (*wrong.headers, *right.headers) if name == b"set-cookie"]


@pytest.mark.parametrize("route", OTHERS, ids=lambda route: f"{route.method} {route.path}")
async def test_everywhere_else(town: Town, route: Route) -> None:
    """The key of a verifier opens no other route, in whichever place it is sent, and is worth nothing to any."""
    street, session_id = town.street, town.cookie.session_id
    placed = [
        Held(carrier=Carrier.BEARER, session_id=session_id, access_token=town.key, refresh_token=town.key),
        Held(carrier=Carrier.COOKIE, session_id=session_id, cookie=town.key, refresh_token=town.key),
    ]

    answers = [await street.take(route, held=held, headers=BROWSER) for held in placed]

    nobodys = await street.take(route, headers=BROWSER)
    if route.needs is Needs.NOTHING:
        assert {answer.status_code for answer in answers} <= {nobodys.status_code, 409}
    else:
        assert [answer.json()["code"] for answer in answers] == ["invalid_token"] * 2
    if route not in GIVING and route.part is Part.AUTH:
        assert all(is_empty_handed(answer) for answer in answers)
    assert (await street.ask(town.cookie)).is_success


async def test_behind_the_door(town: Town) -> None:
    """To the application behind the door, who shows the key of a verifier is nobody."""
    refusals: list[Reason] = []

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(Barred) as barred:
            current(scope)
        refusals.append(barred.value.reason)

    headers = [(b"authorization", f"Bearer {town.key}".encode())]
    await knock(Door(behind, town.street.house.auth), {"method": "GET", "path": "/me", "headers": headers}, [])

    assert refusals == [Reason.UNKNOWN_KEY]


async def test_nothing_of_a_key_is_written(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """A key is in no answer, no log, no audit record and no text of a record."""
    secret = parts(town.key)[2]
    with caplog.at_level("DEBUG"):
        answers = [await send(town, "GET", route.path, bearer(town.key[:-1])) for route in FEED]
        answers.append(await send(town, "GET", "/auth/feed/snapshot", bearer(town.key)))
    records = await town.street.house.auth.verifiers.all()
    events = town.street.house.recorder.events

    said = repr((answers, records, events, caplog.text, vars(town.street.house.auth.verifiers)))
    assert len(said) > 1000
    assert secret not in said
    assert secret[:20] not in said
