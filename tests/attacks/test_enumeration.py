"""Threat: a login tells who has an account (CVE-2024-39329, CVE-2025-13473, CVE-2025-22234, CVE-2026-22746).

Over HTTP, with hashes that cost what they cost in earnest: whoever is asked for, the answers are equal byte by byte,
and take the same time. `test_enumeration_password` looks at the method alone.
"""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from statistics import median

import httpx
import pytest

from ostiary.core.policy import WEB
from ostiary.core.session import Carrier
from tests.attacks.visits import BROWSER, Street, code, street_of
from tests.conftest import PASSWORD, STORES, House, make_house, sqlite_store

WRONG = "another lantern in the harbour"
ASKED = {
    "unknown": ("nobody@example.com", WRONG),
    "wrong password": ("ada@example.com", WRONG),
    "disabled": ("eve@example.com", WRONG),
    "disabled, right password": ("eve@example.com", PASSWORD),
    "no password set": ("bob@example.com", WRONG),
    "no address": ("nobody", WRONG),
    "a strange address": ("\u202eada@exämple..com", WRONG),
}
LENGTHS = (1, 8, 256, 257, 4096, 10_000)
TIMED_LENGTHS = (1, 256, 4096, 10_000)
SAMPLES = 9


async def settle(house: House) -> Street:
    """Let a user of each kind in."""
    await house.user()
    eve, bob = await house.user("eve@example.com"), await house.user("bob@example.com")
    await house.auth.accounts.disable(eve.user.id, actor="test")
    async with house.store.write() as tx:
        user = await tx.users.get(bob.user.id)
        (identifier,) = await tx.identifiers.of(bob.user.id)
        await tx.users.remove(bob.user.id)  # with the password; then all but the password comes back
        assert user is not None
        await tx.users.add(user)
        assert await tx.identifiers.add(identifier)
    return street_of(house)


@pytest.fixture(params=STORES)
async def street(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Street]:
    """A street with a user of each kind, on each store."""
    house = make_house(STORES[request.param](request, tmp_path), tmp_path)
    async with house.auth.running():
        yield await settle(house)


async def login(street: Street, email: str, password: str, carrier: Carrier = Carrier.COOKIE) -> httpx.Response:
    """Try to log in, from a place and at an account where nobody has tried for days."""
    street.house.clock.advance(timedelta(days=2))
    body = {"email": email, "password": password, "carrier": carrier}
    return await street.send("POST", "/auth/login", json=body, headers=BROWSER)


def seen(answer: httpx.Response) -> object:
    """Return all that a client sees of an answer."""
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() != b"date"]
    return answer.status_code, answer.http_version, headers, answer.content


@pytest.mark.parametrize("carrier", list(Carrier))
@pytest.mark.parametrize("length", [None, *LENGTHS])
async def test_one_answer(street: Street, carrier: Carrier, length: int | None) -> None:
    """Whoever is asked for and however long the password, the answers are the same byte by byte."""
    answers = [
        await login(street, email, password if length is None else "p" * length, carrier)
        for email, password in ASKED.values()
    ]

    assert code(answers[0]) == ((422, "invalid") if length == 10_000 else (401, "bad_credentials"))
    assert all(seen(answer) == seen(answers[0]) for answer in answers)


async def test_one_patience(street: Street) -> None:
    """Whoever is asked for, the sixth try in a row is told to wait, in the same words and for the same time."""
    rows: list[list[object]] = []
    for email, password in ASKED.values():
        street.house.clock.advance(timedelta(days=2))
        body = {"email": email, "password": password, "carrier": "cookie"}
        answers = [await street.send("POST", "/auth/login", json=body, headers=BROWSER) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
        rows.append([seen(answer) for answer in answers])

    assert all(row == rows[0] for row in rows)


async def test_who_is_let_in_sees_another(street: Street) -> None:
    """What a right password answers is not among them, or nothing here would prove anything."""
    right = await login(street, "ada@example.com", PASSWORD)

    assert right.is_success


@pytest.mark.xdist_group("timing")
async def test_one_duration(tmp_path: Path) -> None:
    """Whoever is asked for and however long the password, a refusal takes the same time.

    Processor time is compared, so that a busy machine does not matter; medians of samples taken in turn, so that a
    machine that warms up or slows down does not either.
    """
    house = make_house(sqlite_store(tmp_path), tmp_path, policy=WEB)
    asked = ("unknown", "wrong password", "disabled", "no password set", "no address")
    samples: dict[tuple[str, int], list[float]] = {}
    async with house.auth.running():
        street = await settle(house)
        for _ in range(SAMPLES):
            for kind, length in product(asked, TIMED_LENGTHS):
                started = time.process_time()
                answer = await login(street, ASKED[kind][0], "p" * length)
                samples.setdefault((kind, length), []).append(time.process_time() - started)
                assert answer.status_code in (401, 422)

    medians = {case: median(taken) for case, taken in samples.items()}
    for length in TIMED_LENGTHS:
        times = {kind: medians[kind, length] * 1000 for kind in asked}
        print(f"{length:>6} characters:", ", ".join(f"{kind} {ms:.2f} ms" for kind, ms in times.items()))
    hashed = {case: taken for case, taken in medians.items() if case[1] <= 4096}
    usual = median(hashed.values())
    assert {case: taken / usual for case, taken in hashed.items() if not 0.6 < taken / usual < 1.6} == {}
    # What is too long for any password is refused unread: in less time, but in the same for everybody.
    unread = {case: taken for case, taken in medians.items() if case[1] > 4096}
    assert max(unread.values()) < usual / 2
    assert max(unread.values()) - min(unread.values()) < usual / 4
