"""Threat: an error that two requests share tells one user what belongs to the other (Ory, 2026-04).

Many requests fail at once, each in its own way. Each answer is the one that its request gets when it is alone.
"""

import asyncio
import logging
import random
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ostiary.core.decision import Reason
from ostiary.core.mount import Mount
from ostiary.core.session import Carrier
from ostiary.errors import OstiaryError, Refused
from ostiary.methods.password import Password
from ostiary.testing import CHEAPEST
from ostiary.web import problem
from tests.attacks.visits import BROWSER, Held, Street, open_street
from tests.conftest import PASSWORD

WRONG = {"email": "ada@example.com", "password": "another lantern", "carrier": "cookie"}


class Failing(Password):
    """A method that fails for some users, after all of them have come as far."""

    async def prove(self, *args: Any, address: str, password: str, **more: Any) -> Any:
        await asyncio.sleep(0.005)
        if address.startswith("fails"):
            raise ValueError(address)
        return await super().prove(*args, address=address, password=password, **more)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada and Eve live."""
    async with open_street(tmp_path) as street:
        await street.house.user("eve@example.com")
        street.house.auth._password = Failing(CHEAPEST.password)
        yield street


def seen(answer: httpx.Response) -> object:
    """Return all that a client sees of an answer, save the number under which an error is on record."""
    body = re.sub(rb'"id":"[0-9a-f]{16}"', b'"id":"..."', answer.content)
    return answer.status_code, answer.headers.multi_items(), body


async def dead(street: Street, carrier: Carrier) -> Held:
    """Return what was good until its user logged out."""
    held = await street.login(carrier)
    await street.house.auth.revoke(held.session_id, actor="test")
    return held


async def failures(street: Street) -> list[dict[str, Any]]:
    """Return requests that fail, no two of them alike."""
    cookie, bearer = await dead(street, Carrier.COOKIE), await dead(street, Carrier.BEARER)
    hers = await street.login(Carrier.BEARER, "eve@example.com")
    login = {"method": "POST", "path": "/auth/login", "headers": BROWSER}
    return [
        {"method": "POST", "path": "/auth/logout", "held": cookie},
        {"method": "GET", "path": "/auth/session", "held": cookie},
        {"method": "GET", "path": "/auth/session", "held": bearer},
        {"method": "GET", "path": "/auth/session"},
        {"method": "DELETE", "path": f"/auth/sessions/{cookie.session_id}", "held": hers},
        {"method": "POST", "path": "/auth/token", "held": hers},
        {"method": "POST", "path": "/auth/refresh", "json": {"refresh_token": bearer.refresh_token}},
        {"method": "POST", "path": "/auth/step-up", "held": hers, "json": {"password": "wrong"}},
        {"method": "POST", "path": "/auth/register", "json": {"email": "eve@example.com", "password": PASSWORD}},
        {"method": "POST", "path": "/auth/register", "json": {"email": "e@example.com", "password": "password"}},
        {"method": "DELETE", "path": "/auth/sessions?all=perhaps", "held": hers},
        {"method": "GET", "path": "/auth/session?whose=eve", "held": hers},
        {"method": "PUT", "path": "/auth/session", "held": hers},
        login | {"headers": {"sec-fetch-site": "cross-site"}, "json": WRONG},
        login | {"json": WRONG | {"email": "nobody@example.com"}},
        login | {"json": WRONG | {"email": "fails@example.com"}},
        login | {"json": WRONG | {"adas_own_field": 1}},
        login | {"json": WRONG | {"eves_own_field": 1}},
        login | {"content": "{", "headers": BROWSER | {"content-type": "application/json"}},
    ]


async def test_in_parallel(street: Street) -> None:
    """Whatever fails at the same moment, each request is answered as when it is alone: body, status and headers."""
    requests = await failures(street)
    alone = [seen(await street.send(**request)) for request in requests]
    assert len({repr(answer) for answer in alone}) > len(requests) - 3  # nearly all differ

    for seed in range(4):
        order = random.Random(seed).sample(range(len(requests)), len(requests))
        answers = await asyncio.gather(*(street.send(**requests[at]) for at in order))

        assert [seen(answer) for answer in answers] == [alone[at] for at in order]


async def test_every_error_has_its_number(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    """Errors of the same moment have numbers of their own, each on record once, and none names another's user."""
    bodies = [WRONG | {"email": f"fails-{n}@example.com"} for n in range(20)]

    with caplog.at_level(logging.ERROR, logger="ostiary"):
        answers = await asyncio.gather(
            *(street.send("POST", "/auth/login", json=body, headers=BROWSER) for body in bodies)
        )

    numbers = [answer.json()["id"] for answer in answers]
    assert {answer.status_code for answer in answers} == {500}
    assert len(set(numbers)) == len(bodies)
    assert [sum(number in line for line in caplog.messages) for number in numbers] == [1] * len(bodies)
    for answer, body in zip(answers, bodies, strict=True):
        assert "fails-" not in answer.text + caplog.text, body


async def test_two_patiences(street: Street) -> None:
    """Who must wait is told their own time: another's failures at the same moment do not lengthen it."""
    ada, eve = WRONG, WRONG | {"email": "eve@example.com"}
    for body in (ada, ada, ada, ada, ada, eve, eve, eve, eve, eve):
        await street.send("POST", "/auth/login", json=body, headers=BROWSER)
    for seconds in (1, 2, 4):  # Ada's waits double; Eve's first is not over before the last of these
        street.house.clock.advance(timedelta(seconds=seconds))
        assert (await street.send("POST", "/auth/login", json=ada, headers=BROWSER)).status_code == 401
    await street.send("POST", "/auth/login", json=eve, headers=BROWSER)

    answers = await asyncio.gather(
        *(street.send("POST", "/auth/login", json=body, headers=BROWSER) for body in (ada, eve) * 5)
    )

    assert [answer.headers["retry-after"] for answer in answers] == ["8", "2"] * 5


@pytest.mark.parametrize("reason", list(Reason))
def test_errors_are_made_anew(reason: Reason) -> None:
    """Two refusals for one reason are two objects: what is added to the one is not in the other."""
    one, two = problem.refusal(reason), problem.refusal(reason)
    before = two.response(Mount())

    one.headers = (*one.headers, (b"set-cookie", b"somebody's"))

    assert one is not two
    assert one.response(Mount()) != before
    assert two.response(Mount()) == problem.refusal(reason).response(Mount()) == before


async def test_verbs_raise_anew(street: Street) -> None:
    """The same failure, twice at once, raises two errors, and neither has the other's history."""
    auth = street.house.auth

    errors = await asyncio.gather(
        *(auth.prove("ada@example.com", "another lantern") for _ in range(3)),
        *(auth.refresh("os1r.nonsense") for _ in range(3)),
        return_exceptions=True,
    )

    assert all(isinstance(error, Refused) for error in errors)
    assert len({id(error) for error in errors}) == len(errors)
    assert len({id(error.__traceback__) for error in errors if isinstance(error, OstiaryError)}) == len(errors)
    assert all(error.__context__ is None for error in errors if isinstance(error, OstiaryError))
