"""What comes in is refused unless it is exactly what the route asks for."""

import json
from typing import Any

import httpx
import pytest

from ostiary.core.session import Carrier
from ostiary.web.endpoints import TABLE
from ostiary.web.http import LARGEST_BODY
from tests.web.conftest import Place, problem

GOOD = {"email": "ada@example.com", "password": "a lantern in the harbour", "carrier": "bearer"}
JSON = {"content-type": "application/json"}


async def login(place: Place, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    """Send bytes as the body of a login."""
    async with place.client() as client:
        return await client.post("/auth/login", content=content, headers=JSON if headers is None else headers)


NAMED = {
    "missing": ({key: value for key, value in GOOD.items() if key != "email"}, "email"),
    "null": (GOOD | {"email": None}, "email"),
    "a number": (GOOD | {"email": 1}, "email"),
    "a list": (GOOD | {"password": ["a lantern"]}, "password"),
    "an object": (GOOD | {"password": {"$ne": ""}}, "password"),
    "empty": (GOOD | {"password": ""}, "password"),
    "too long": (GOOD | {"email": "a" * 513}, "email"),
    "a long password": (GOOD | {"password": "a" * 5000}, "password"),
    "no carrier": (GOOD | {"carrier": "pigeon"}, "carrier"),
    "another case": (GOOD | {"carrier": "BEARER"}, "carrier"),
    "unknown": (GOOD | {"is_admin": True}, "is_admin"),
    "a NUL": (GOOD | {"password": "a lantern\x00 in the harbour"}, "password"),
    "a NUL in a name": (GOOD | {"device": "my\x00phone"}, "device"),
}


@pytest.mark.parametrize("name", NAMED)
async def test_the_field_is_named(place: Place, name: str) -> None:
    """A member that cannot be used is named, and nothing of its value is repeated."""
    await place.user()
    body, field = NAMED[name]

    answer = await login(place, json.dumps(body))

    assert problem(answer) == (422, "invalid")
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert error["detail"]
    assert "lantern" not in answer.text


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"email=ada@example.com",
    "cut": json.dumps(GOOD).encode()[:-1],
    "more behind it": json.dumps(GOOD).encode() + b"{}",
    "no UTF-8": json.dumps(GOOD).encode().replace(b"ada", b"\xff\xfe"),
    "overlong UTF-8": json.dumps(GOOD).encode().replace(b"ada", b"\xc0\xaf"),
    "a surrogate in UTF-8": json.dumps(GOOD).encode().replace(b"ada", b"\xed\xa0\x80"),
    "half a pair": json.dumps(GOOD).encode().replace(b"ada", b"\\ud83d"),
    "the other half": json.dumps(GOOD).encode().replace(b"ada", b"\\ude00"),
    "two first halves": json.dumps(GOOD).encode().replace(b"ada", b"\\ud83d\\ud83d"),
    "half at the end": json.dumps(GOOD).encode().replace(b'.com"', b'\\ud83d"'),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "a mark before it": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "a comment": b"/* */" + json.dumps(GOOD).encode(),
    "NaN": b'{"email": NaN}',
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_no_json(place: Place, name: str) -> None:
    """Bytes that are no JSON in UTF-8 are refused."""
    await place.user()

    answer = await login(place, MALFORMED[name])

    assert problem(answer) == (400, "malformed")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"[" * 60_000, b'{"email":' * 6_000, b"{}"])
async def test_another_shape(place: Place, body: bytes) -> None:
    """JSON that is no flat object, however deep, is refused."""
    answer = await login(place, body)

    assert answer.status_code in (400, 422)
    problem(answer)


async def test_a_member_twice(place: Place) -> None:
    """A member that stands there twice is refused: two readers could take different ones."""
    await place.user()
    body = json.dumps(GOOD)[:-1] + ', "email": "eve@example.com"}'

    answer = await login(place, body)

    assert problem(answer) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "email"


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "json"]
)
async def test_media_types(place: Place, media: str) -> None:
    """Only `application/json` is read: a form of another site can send anything else without asking."""
    await place.user()

    answer = await login(place, json.dumps(GOOD), {"content-type": media} if media else {})

    assert problem(answer) == (415, "unsupported_media_type")


async def test_a_charset(place: Place) -> None:
    """A parameter of the media type does no harm."""
    await place.user()

    answer = await login(place, json.dumps(GOOD), {"content-type": "Application/JSON; charset=utf-8"})

    assert answer.status_code == 200


async def test_two_media_types(place: Place) -> None:
    """Two media types are none."""
    await place.user()
    headers = [("content-type", "application/json"), ("content-type", "text/plain")]

    async with place.client() as client:
        answer = await client.post("/auth/login", content=json.dumps(GOOD), headers=headers)

    assert problem(answer) == (415, "unsupported_media_type")


async def test_a_large_body(place: Place) -> None:
    """What is too large is refused while it is read, whatever length was announced, and is not read to its end."""
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 100 * LARGEST_BODY:
            sent += 8192
            yield b" " * 8192

    announced = await login(place, b" " * (10 * 1024 * 1024))
    streamed = await login(place, endless())

    assert problem(announced) == problem(streamed) == (413, "too_large")
    assert sent <= LARGEST_BODY + 8192


async def test_just_small_enough(place: Place) -> None:
    """A body of exactly the largest size is read."""
    await place.user()

    answer = await login(place, json.dumps(GOOD).encode().ljust(LARGEST_BODY))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "route", [route for route in TABLE if route.takes], ids=lambda route: f"{route.method} {route.path}"
)
async def test_every_body(place: Place, route: Any) -> None:
    """Every route that takes a body refuses none, one of another type, and one with an unknown member."""
    await place.user()
    client = await place.visitor(Carrier.COOKIE)
    path = route.path.replace("{id}", client.out["session"]["id"])

    bodies: list[Any] = [b"", b"[]", b"{}", b'{"surprise": 1}']
    answers = [await client.send(route.method, path, content=body, headers=JSON) for body in bodies]

    assert [problem(answer)[0] for answer in answers] == [400, 422, 422, 422]
    assert answers[3].json()["errors"][0]["field"] in {"surprise", *route.takes.__struct_fields__}
