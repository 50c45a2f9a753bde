"""Somebody plants a cookie in a user's browser, or sends what no browser would.

The outcome is a refusal: never an exception, and never a pass.
"""

import asyncio
import random
from typing import Any

import pytest

from ostiary import Issued
from ostiary.asgi import Door, Message, Scope
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.web.problem import TABLE
from tests.conftest import ISSUER, PASSWORD, House

Headers = list[tuple[bytes, bytes]]
NAME = b"__Host-ostiary"
OURS = [(b"sec-fetch-site", b"same-origin")]
JSON = (b"content-type", b"application/json")
NO_ENTRY = {row.status for reason, row in TABLE.items() if reason is not Reason.UNAVAILABLE and row.status < 429}


async def knock(
    house: House, headers: Headers, *, method: str = "GET", path: str = "/", body: bytes = b""
) -> tuple[int, bytes, Headers, Any]:
    """Send one request as raw as a server passes it on. Returns the answer, and who the application was told of."""
    said: list[Message] = []
    who: list[Any] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        who.append(scope["ostiary"][0])

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        said.append(message)

    door = Door(app, house.auth)
    await door({"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}, receive, send)
    if not said:
        return 0, b"", [], who[0]
    return said[0]["status"], said[1]["body"], said[0]["headers"], None


def cookie(issued: Issued) -> bytes:
    """Return the cookie of a session, as a browser sends it."""
    return NAME + b"=" + issued.session_token.encode()


async def test_a_genuine_cookie(house: House) -> None:
    """The cookie that the others are bent from is good, or nothing here would prove anything."""
    await house.user()
    issued = await house.login(Carrier.COOKIE)

    *_, who = await knock(house, [(b"cookie", b"theme=dark; " + cookie(issued) + b"; lang=en")])

    assert isinstance(who, Principal)
    assert who.session_id == issued.session.id


async def test_two_cookies(house: House) -> None:
    """A planted cookie beside the real one is refused, in either order, in one header or two."""
    await house.user()
    await house.user("eve@example.com")
    ada, eve = await house.login(Carrier.COOKIE), await house.login(Carrier.COOKIE, "eve@example.com")

    for first, second in ((ada, eve), (eve, ada), (ada, ada)):
        one = [(b"cookie", cookie(first) + b"; " + cookie(second))]
        two = [(b"cookie", cookie(first)), (b"cookie", cookie(second))]
        for headers in (one, two):
            *_, who = await knock(house, headers)
            status, *_ = await knock(house, headers, path="/auth/session")

            assert who == Denied(Reason.AMBIGUOUS)
            assert status == 400


async def test_two_carriers(house: House) -> None:
    """A planted cookie beside a token of another session is refused; beside a token of its own it does no harm."""
    await house.user()
    await house.user("eve@example.com")
    ada, eve = await house.login(Carrier.BEARER), await house.login(Carrier.COOKIE, "eve@example.com")
    token = (b"authorization", f"Bearer {ada.access_token}".encode())

    *_, both = await knock(house, [token, (b"cookie", cookie(eve))])
    *_, twice = await knock(house, [token, token])

    assert both == twice == Denied(Reason.AMBIGUOUS)


async def test_fixation(house: House) -> None:
    """A session that somebody planted before a login is not the one that comes out of it, and is dead after it."""
    await house.user()
    await house.user("eve@example.com")
    planted = await house.login(Carrier.COOKIE, "eve@example.com")
    body = f'{{"email": "ada@example.com", "password": "{PASSWORD}", "carrier": "cookie"}}'.encode()

    status, _, headers, _ = await knock(
        house, [JSON, (b"cookie", cookie(planted)), *OURS], method="POST", path="/auth/login", body=body
    )

    assert status == 200
    new = next(value for name, value in headers if name == b"set-cookie").split(b";")[0]
    assert planted.session.id.encode() not in new
    *_, theirs = await knock(house, [(b"cookie", cookie(planted))])
    *_, ours = await knock(house, [(b"cookie", new)])
    assert theirs == Denied(Reason.REVOKED)
    assert isinstance(ours, Principal)


@pytest.mark.parametrize("planted", [b"os1c.AAAAAAAAAAAAAAAAAAAAAA.1.AAAAAAAAAAAAAAAAAAAAAA", b"anything", b""])
async def test_an_invented_session(house: House, planted: bytes) -> None:
    """The server alone makes session ids: an invented one is refused, never taken up, and no obstacle to a login."""
    await house.user()
    body = f'{{"email": "ada@example.com", "password": "{PASSWORD}", "carrier": "cookie"}}'.encode()
    held = (b"cookie", NAME + b"=" + planted)

    *_, who = await knock(house, [held])
    status, _, headers, _ = await knock(house, [JSON, held, *OURS], method="POST", path="/auth/login", body=body)

    assert isinstance(who, Denied)
    assert status == 200
    assert not planted or planted not in dict(headers)[b"set-cookie"]


async def test_names_that_nearly_match(house: House) -> None:
    """Only a cookie of exactly our name counts: not another case, not a prefix, not the name for plain http."""
    await house.user()
    value = (await house.login(Carrier.COOKIE)).session_token.encode()

    for name in (
        b"ostiary",
        b"__host-ostiary",
        b"__HOST-OSTIARY",
        b"__Secure-ostiary",
        b"x__Host-ostiary",
        b"__Host-ostiary2",
        b"__Host-ostiary ",
        b"x=__Host-ostiary",
        b"\xa0__Host-ostiary",
        b'"__Host-ostiary"',
    ):
        *_, who = await knock(house, [(b"cookie", name + b"=" + value)])

        assert who == Denied(Reason.NO_CARRIER), name


async def test_bent_cookies(house: House) -> None:
    """Every byte of a cookie changed, cut or added is refused."""
    await house.user()
    value = (await house.login(Carrier.COOKIE)).session_token.encode()
    bent = [value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :] for at in range(len(value))]
    bent += [value[:at] for at in range(len(value))]
    bent += [value + extra for extra in (b"A", b"=", b" x", b"\x00", b"\xff", b".", b".1", b'"', b",")]
    bent += [b'"' + value + b'"', b" x" + value, value.upper(), value.lower(), value.replace(b".1.", b".01.")]
    bent += [value.replace(b".1.", b".%s." % number) for number in (b"0", b"-1", b"2", b"1e0", b"9" * 18, b"9" * 400)]

    for each in bent:
        *_, who = await knock(house, [(b"cookie", NAME + b"=" + each)])

        assert isinstance(who, Denied), each


HOSTILE: list[bytes] = [
    b"",
    b" ",
    b";",
    b"=",
    b";;;;===",
    b"\x00",
    b"\r\nset-cookie: a=b",
    b"\xff\xfe",
    "é☃".encode(),
    b"Bearer",
    b"bearer ",
    b"Bearer  ",
    b"Bearer \x00",
    b"Bearer " + b"a" * 100_000,
    b"Bearer a.b.c",
    b"Bearer ..",
    b"Bearer e30.e30.e30",
    b"Bearer " + b"." * 10_000,
    b"Bearer\x0btoken",
    b"BearerX token",
    b"Basic YWRhOnB3",
    b"Negotiate",
    NAME,
    NAME + b"=",
    NAME + b"=os1c",
    NAME + b"=os1r.AAAAAAAAAAAAAAAAAAAAAA.1.AAAAAAAAAAAAAAAAAAAAAA",
    NAME + b"=" + b"a" * 1_000_000,
    b";".join([NAME + b"=a"] * 10_000),
    b"a=b;" * 50_000,
    b"null",
    b"https://id.example\x00",
    b"same-origin, cross-site",
]
NAMES = [b"cookie", b"authorization", b"origin", b"sec-fetch-site", b"x-csrf-token", b"user-agent", b"content-type"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.decode())
async def test_malformed_headers(house: House, name: bytes) -> None:
    """Whatever stands in a header, alone or twice, nobody gets in, nothing breaks, and the answer comes at once."""
    await house.user()
    body = b'{"refresh_token": "x"}'
    loop = asyncio.get_running_loop()

    for value in HOSTILE:
        for headers in ([(name, value)], [(name, value), (name, value)]):
            started = loop.time()
            *_, who = await knock(house, headers, method="POST")
            statuses = [
                (await knock(house, [JSON, *headers], method=method, path=path, body=body))[0]
                for method, path in (("GET", "/auth/session"), ("POST", "/auth/logout"), ("POST", "/auth/token"))
            ]

            assert isinstance(who, Denied)
            assert set(statuses) <= NO_ENTRY, (value[:80], statuses)
            assert loop.time() - started < 20


async def test_cross_site_headers_that_disagree(house: House) -> None:
    """Two `Origin`s, or two `Sec-Fetch-Site`s, of which one is good, do not make a request meant."""
    await house.user()
    issued = await house.login(Carrier.COOKIE)
    held = (b"cookie", cookie(issued))

    for name, good, bad in (
        (b"origin", ISSUER.encode(), b"https://evil.example"),
        (b"sec-fetch-site", b"same-origin", b"cross-site"),
    ):
        for pair in ((good, bad), (bad, good), (good + b", " + bad,), (bad + b", " + good,)):
            headers = [held, *((name, value) for value in pair)]
            *_, who = await knock(house, headers, method="POST")

            assert who == Denied(Reason.CROSS_SITE), (name, pair)


async def test_a_thousand_random_headers(house: House) -> None:
    """A thousand requests of random headers, built from pieces of real ones, never get in and never break anything."""
    await house.user()
    issued, token = await house.login(Carrier.COOKIE), await house.login(Carrier.BEARER)
    assert token.access_token is not None
    real = [issued.session_token.encode(), token.session_token.encode(), token.access_token.encode()]
    chance = random.Random(31)
    pieces = [piece for value in real for piece in value.split(b".")] + [
        b".",
        b";",
        b"=",
        b" ",
        b"\xff",
        NAME,
        b"Bearer ",
    ]

    for _ in range(1000):
        headers = [
            (chance.choice(NAMES), b"".join(chance.choices(pieces, k=chance.randrange(1, 6))))
            for _ in range(chance.randrange(1, 4))
        ]
        *_, who = await knock(house, headers, method=chance.choice(["GET", "POST"]))

        assert isinstance(who, Denied), headers


async def test_plain_http_has_another_name(house: House) -> None:
    """A cookie that plain http could set is no cookie of a site on https, and the other way round."""
    assert Site.of("http://localhost:8000").cookie_name == "ostiary"
    assert house.auth.site.cookie_name == NAME.decode()
