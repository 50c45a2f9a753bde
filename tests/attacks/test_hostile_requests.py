"""Threat: a header, method or path that nobody would send on purpose gets an error of ours, a pass, or no answer.

Every route of the table gets every kind of it: the answer is a problem of the 400s with a code, soon, and nothing has
changed. Requests are as raw as a server passes them on, since a client library would not send them.
"""

import json

import pytest

from ostiary.core.session import Carrier
from ostiary.web.endpoints import Route
from tests.attacks.attacker import HOLDERS, IN_A_DATABASE, JSON, ROUTES, TAKERS, Attacker, refused
from tests.attacks.visits import BROWSER, Street
from tests.conftest import PASSWORD

# ------------------------------------------------------------------------------------------------ headers

MEDIA = [
    b"",
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"application/jsonp",
    *(b"application/json, text/plain", b"application", b"\xff\xfe", b"application/json\x00", b"a" * 1_000_000),
]


@TAKERS
async def test_media_types(attacker: Attacker, route: Route) -> None:
    """Anything but one `application/json` is refused."""
    body = json.dumps(attacker.well(route)).encode()
    others = attacker.headers[1:]
    named = [[(b"content-type", media)] for media in MEDIA]
    for media in ([], [JSON, JSON], [JSON, (b"content-type", b"text/plain")], *named):
        answer = await attacker.send(route.method, attacker.path(route), body, headers=[*media, *others])

        assert refused(answer, 415) == "unsupported_media_type"
    assert await attacker.still_in()


@HOLDERS
async def test_two_of_a_carrier(attacker: Attacker, street: Street, route: Route) -> None:
    """Two cookies, two tokens, or two that name different sessions are refused, in any order and whatever they are."""
    other = await street.login(Carrier.BEARER)
    token = (b"authorization", f"Bearer {other.access_token}".encode())
    junk = (b"authorization", b"Bearer x")
    cookie = next(pair for pair in attacker.headers if pair[0] == b"cookie")
    empty = (b"cookie", b"__Host-ostiary=")
    for pair in (
        [token, token],
        [token, junk],
        [junk, token],
        [cookie, cookie],
        [cookie, empty],
        [empty, cookie],
        [token, cookie],
    ):
        own = [each for each in attacker.headers if each[0] != b"cookie"]
        answer = await attacker.send(route.method, attacker.path(route), headers=[*pair, *own])

        assert refused(answer, 400) == "invalid_request"
    assert await attacker.still_in()


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site", "x-csrf-token"])
async def test_two_of_where_from(attacker: Attacker, street: Street, name: str) -> None:
    """Two headers that say differently where a request comes from are refused in either order: neither is believed."""
    shown = (await street.send("POST", "/auth/login", json=LOGIN, headers=BROWSER)).json()["csrf_token"]
    good = {"origin": b"https://id.example", "sec-fetch-site": b"same-origin", "x-csrf-token": shown.encode()}[name]
    evil = {"origin": b"https://evil.example", "sec-fetch-site": b"cross-site", "x-csrf-token": b"x"}[name]
    cookie = next(pair for pair in attacker.headers if pair[0] == b"cookie")
    for values in ([good, evil], [evil, good]):
        headers = [cookie, *((name.encode(), value) for value in values)]
        answer = await attacker.send("POST", "/auth/logout", headers=headers)

        assert refused(answer, 400, 403) in ("cross_site", "invalid_request"), values
    assert await attacker.still_in()


LOGIN = {"email": "ada@example.com", "password": PASSWORD, "carrier": "cookie"}
LONG = b"x" * 1_000_000
HUGE: list[tuple[bytes, bytes]] = [
    (b"authorization", b"Bearer " + LONG),
    (b"authorization", b"Bearer " + b"." * 1_000_000),
    (b"authorization", b"Bearer e30." + LONG + b".e30"),
    (b"authorization", b"Bearer os1c." + LONG),
    (b"authorization", b"Bearer \xff\x00"),
    (b"authorization", b"Bearer"),
    (b"authorization", b"bearer\t"),
    (b"cookie", b"__Host-ostiary=" + LONG),
    (b"cookie", b"__Host-ostiary=os1c." + LONG),
    (b"cookie", b"__Host-ostiary=\xff\x00"),
    (b"cookie", b";" * 1_000_000),
    (b"cookie", b"; \t" * 300_000),
    (b"cookie", b" " * 1_000_000),
    (b"cookie", b"__Host-ostiary" * 70_000),
]


@HOLDERS
async def test_huge_carriers(attacker: Attacker, route: Route) -> None:
    """A carrier of a megabyte, or of bytes that are no text, is a carrier that is not good."""
    rest = [pair for pair in attacker.headers if pair[0] != b"cookie"]
    for header in HUGE:
        answer = await attacker.send(route.method, attacker.path(route), headers=[header, *rest])

        assert refused(answer, 401) in ("unauthenticated", "invalid_token"), header[1][:30]


@HOLDERS
async def test_huge_headers(attacker: Attacker, route: Route) -> None:
    """Where a request comes from is not believed for being long or unreadable."""
    if route.method == "GET":
        return
    cookie = next(pair for pair in attacker.headers if pair[0] == b"cookie")
    for name in (b"origin", b"sec-fetch-site", b"x-csrf-token"):
        for value in (LONG, b"", b"\xff\xfe", b"\x00", b"null"):
            answer = await attacker.send(route.method, attacker.path(route), headers=[JSON, cookie, (name, value)])

            assert refused(answer, 403) == "cross_site", (name, value[:30])


# ------------------------------------------------------------------------------------------------ methods and paths

METHODS = [
    "",
    "get",
    "GET ",
    "G",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "PUT",
    "QUERY",
    "POST\x00",
    "\ud800",
    "é",
    "X" * 100_000,
]


@ROUTES
async def test_odd_methods(attacker: Attacker, route: Route) -> None:
    """A method that an address does not take is refused, with those that it takes."""
    for method in METHODS:
        answer = await attacker.send(method, attacker.path(route))

        assert refused(answer, 405) == "method_not_allowed"
        assert route.method.encode() in dict(answer.headers)[b"allow"]
    assert await attacker.still_in()


@ROUTES
async def test_odd_queries(attacker: Attacker, route: Route) -> None:
    """A query that cannot be read, or that nobody asked for, is refused."""
    queries = [b"\xff", b"%ff=1", b"all=%ff", b"all", b"&", b"=", b"a=1&" * 100_000, b"x" * 1_000_000, b"all=1&all=1"]
    for query in [*queries, b"%00=1", b"all=true;all=false", b"all=\x00", b"all%00=true", b"access_token=x"]:
        answer = await attacker.send(route.method, attacker.path(route), query_string=query)

        assert refused(answer, 400) == "invalid_query", query[:30]
    assert await attacker.still_in()


def odd(path: str) -> list[str]:
    """Return paths that nearly are a path of ours."""
    return [
        *(
            path + end
            for end in ("/", "//", "/.", "/..", "\x00", "%00", ";x=1", "?", "#", " ", "\n", "\\", "/x" * 30_000)
        ),
        *("/" + path, "//id.example" + path, "https://id.example" + path, path[1:], "/." + path, "/x/.." + path),
        *(path.upper(), path.replace("/", "//"), path.replace("/", "\\"), path + "\ud800", path + "\udcff", "\ud800"),
        *("", "*", "/", "//", "/" * 100_000),
    ]


@ROUTES
async def test_odd_paths(attacker: Attacker, route: Route) -> None:
    """A path that nearly is one of ours is not: nothing is normalised, so nothing can be reached by two names."""
    for path in odd(attacker.path(route)):
        answer = await attacker.send(route.method, path)

        if "/auth/sessions" not in path:  # there what follows may be meant as an id
            assert refused(answer, 404) == "not_found", path[:50]
        else:
            refused(answer)
    assert await attacker.still_in()


@IN_A_DATABASE
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_odd_ids(attacker: Attacker, method: str) -> None:
    """An id that nobody could have is an id that nobody has."""
    ids = ["\x00", "x\x00", "\ud800", "\udcff", "%", "%00", "..", ".", " ", "\u202e", "ﷺ", "'", '"', "x" * 1_000_000]
    for sid in ids:
        answer = await attacker.send(method, f"/auth/sessions/{sid}", b'{"name": "renamed"}')

        assert refused(answer, 404) == "not_found", sid[:30]
    assert await attacker.still_in()
