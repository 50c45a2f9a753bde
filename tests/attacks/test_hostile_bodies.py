"""Threat: a body that nobody would send on purpose gets an error of ours, a pass, or no answer.

Every route of the table gets every kind of it: the answer is a problem of the 400s with a code, soon, and nothing has
changed. Requests are as raw as a server passes them on, since a client library would not send them.
"""

import json
from collections.abc import Iterator, Sequence

from ostiary.web.endpoints import Needs, Route
from ostiary.web.http import LARGEST_BODY
from tests.attacks.attacker import IN_A_DATABASE, ROUTES, TAKERS, Attacker, refused

NOT_READ: dict[str, Sequence[bytes]] = {
    "10 MB": [b'{"x": "' + b"a" * 10_000_000 + b'"}'],
    "10 MB in chunks": [b" " * 65_000] * 160,
    "a little at a time": [b" " * 40] * 2000,
    "deep arrays": [b"[" * 100_000],
    "deep arrays, closed": [b"[" * 100_000 + b"]" * 100_000],
    "deep objects": [b'{"x":' * 100_000 + b"1" + b"}" * 100_000],
}
MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "deep arrays": b"[" * 60_000,
    "deep arrays, closed": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    "a long number": b"9" * 60_000,
    "a great exponent": b'{"x": 1e999999999}',
    "no UTF-8": b'{"x": "\xff\xfe"}',
    "overlong UTF-8": b'{"x": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"x": "\xed\xa0\x80"}',
    "NUL bytes": b"\x00" * 1000,
    "UTF-16": '{"x": 1}'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "NaN": b'{"x": NaN}',
    "two documents": b"{}{}",
    "a comment": b"/**/{}",
    "single quotes": b"{'x': 1}",
}


@TAKERS
async def test_too_large(attacker: Attacker, route: Route) -> None:
    """What is too large is refused before it is parsed, and no matter in which pieces it comes."""
    for name, chunks in NOT_READ.items():
        answer = await attacker.send(route.method, attacker.path(route), *chunks)

        assert refused(answer, 413) == "too_large", name


@TAKERS
async def test_no_json(attacker: Attacker, route: Route) -> None:
    """What is no JSON object in UTF-8 is refused, and so is one with these in it beside what the route takes."""
    for name, body in MALFORMED.items():
        answer = await attacker.send(route.method, attacker.path(route), body)
        assert refused(answer, 400, 422) in ("malformed", "invalid"), name

    well = json.dumps(attacker.well(route))
    for extra in ('"x": NaN', '"x": 1e999999999', '"x": ' + "9" * 50_000, '"x": ' + "[" * 30_000 + "]" * 30_000):
        answer = await attacker.send(route.method, attacker.path(route), f"{well[:-1]}, {extra}}}".encode())
        assert refused(answer, 400, 422) in ("malformed", "invalid"), extra[:20]
    assert await attacker.still_in()


WRONG = [
    *("null", "true", "0", "-1", "1.5", "1e30", "9" * 30, "[]", "{}", '[""]', '{"$ne": ""}', '""'),
    *('"' + "x" * 60_000 + '"', r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', r'"x\u0000y"'),
]
MAY_BE = {
    ("/auth/register", "carrier", "null"),
    ("/auth/register", "name", '""'),
    ("/auth/account", "name", '""'),
    ("/auth/login", "device", "null"),
}


def wrong_values(route: Route) -> Iterator[tuple[str, str]]:
    """Return, for each member that a route takes, the JSON of values that it must refuse."""
    assert route.takes is not None
    for member in route.takes.__struct_fields__:
        for value in WRONG:
            if (route.path, member, value) not in MAY_BE:
                yield member, value


@TAKERS
async def test_wrong_members(attacker: Attacker, route: Route) -> None:
    """A member of a wrong type, too long, with a NUL or half of a surrogate pair is refused, and named where it can."""
    for member, value in wrong_values(route):
        body = attacker.well(route) | {member: "@@"}
        raw = json.dumps(body).replace('"@@"', value)

        answer = await attacker.send(route.method, attacker.path(route), raw.encode())

        if refused(answer, 400, 422) == "invalid":
            assert [error["field"] for error in json.loads(answer.body)["errors"]] == [member], (member, value[:30])
    assert await attacker.still_in()


@TAKERS
async def test_more_members(attacker: Attacker, route: Route) -> None:
    """A member that stands there twice, an unknown one and a missing one are refused, and named."""
    well = attacker.well(route)
    text = json.dumps(well)
    for member, value in well.items():
        for again in (value, "other"):
            doubled = f"{text[:-1]}, {json.dumps(member)}: {json.dumps(again)}}}"
            answer = await attacker.send(route.method, attacker.path(route), doubled.encode())
            assert refused(answer, 422) == "invalid"
            assert json.loads(answer.body)["errors"][0]["field"] == member
    for name in ("", "x", "__proto__", "\u202e", "a" * 50_000, *(member.upper() for member in well)):
        answer = await attacker.send(route.method, attacker.path(route), json.dumps(well | {name: 1}).encode())
        assert refused(answer, 422) == "invalid"
    answer = await attacker.send(route.method, attacker.path(route), b"{}")
    assert refused(answer, 422) == "invalid"
    many = json.dumps({f"x{n}": n for n in range(4000)}).encode()
    assert len(many) < LARGEST_BODY
    assert refused(await attacker.send(route.method, attacker.path(route), many), 422) == "invalid"
    assert await attacker.still_in()


STRANGE_TEXTS = [
    "\u202e",
    "ﷺ" * 100,
    "a@" + "ß" * 200,
    "@" * 500,
    "a@[::1]",
    "x@" + "xn--" * 60,
    "\ufeff",
    "\U0001f600" * 100,
]


@IN_A_DATABASE
@TAKERS
async def test_strange_texts(attacker: Attacker, route: Route) -> None:
    """Text that a person would not type is refused as wrong, not as an error of ours."""
    assert route.takes is not None
    for member in set(route.takes.__struct_fields__) - {"name", "device", "new"}:
        for text in STRANGE_TEXTS:
            if (route.path, member) == ("/auth/register", "password") and len(text) > 50:
                continue  # that is a password like any other
            body = attacker.well(route) | {"email": "new@example.com", member: text}
            body = {name: value for name, value in body.items() if name in route.takes.__struct_fields__}

            refused(await attacker.send(route.method, attacker.path(route), json.dumps(body).encode()))
    assert await attacker.still_in()


@ROUTES
async def test_a_body_nobody_asked_for(attacker: Attacker, route: Route) -> None:
    """A route that takes no body does not read one, and does what it does without."""
    if route.takes is not None:
        return
    with_body = await attacker.send(route.method, attacker.path(route), *([b"[" * 65_000] * 160))

    assert with_body.status == (401 if route.needs is Needs.VERIFIER else route.status)
