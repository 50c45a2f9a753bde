"""Threat: what a letter holds is used at the same moment in two workers, for the same thing or against each other.

Of all who come at once one is let through. What the others wanted has not happened, not even in part.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ostiary.core.access import Principal
from ostiary.core.letter import About, Letter
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.core.session import Carrier
from ostiary.errors import OstiaryError, Refused
from ostiary.system import SystemEntropy
from ostiary.testing import FakeClock
from tests.auth.mailing import code_of, letter, link_of
from tests.conftest import PASSWORD, STORES, House, make_house

ADA, OTHER = "ada@example.com", "ada@example.org"
ROUNDS = 4


@dataclass
class Workers:
    """Two workers on one database. Letters leave from the first."""

    one: House
    two: House

    async def letter(self, about: About, to: str = ADA) -> Letter:
        return await letter(self.one, about, to)

    async def opens(self, password: str, email: str = ADA) -> bool:
        """Tell whether a password opens the account."""
        try:
            await self.two.auth.prove(email, password)
        except Refused:
            return False
        return True


@pytest.fixture(params=["sqlite", "postgres"])
async def workers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Workers]:
    """Two workers, and Ada."""
    clock = FakeClock()
    one, two = (
        make_house(STORES[request.param](request, tmp_path), tmp_path, clock=clock, entropy=SystemEntropy())
        for _ in range(2)
    )
    async with one.auth.running(), two.auth.running(sends=False):
        await one.user()
        yield Workers(one, two)


async def won(*tries: Awaitable[object]) -> list[int]:
    """Let everybody go at once. Returns who was let through; the others were refused, or told to try again."""
    answers: Sequence[object] = await asyncio.gather(*tries, return_exceptions=True)
    for answer in answers:
        assert not isinstance(answer, BaseException) or isinstance(answer, OstiaryError), repr(answer)
    return [at for at, answer in enumerate(answers) if not isinstance(answer, BaseException)]


async def test_a_reset_by_link_and_code(workers: Workers) -> None:
    """A link and its code that come to two workers at once set one password, and end every session."""
    one, two = workers.one.auth, workers.two.auth
    password = PASSWORD
    for number in range(ROUNDS):
        held = await workers.one.login(Carrier.COOKIE, password=password)
        await one.flows.forgot(ADA)
        said = await workers.letter(About.RESET_PASSWORD)
        passwords = [f"lantern {number} of the worker {at}" for at in range(4)]

        winners = await won(
            one.flows.reset(link_of(said), new=passwords[0]),
            two.flows.reset(code_of(said), new=passwords[1]),
            two.flows.reset(link_of(said), new=passwords[2]),
            one.flows.reset(code_of(said), new=passwords[3]),
        )

        assert len(winners) == 1
        [winner] = winners
        password = passwords[winner]
        assert [await workers.opens(each) for each in passwords] == [each == password for each in passwords]
        assert list(await one.sessions(held.session.user_id)) == []
        workers.one.clock.advance(workers.one.auth.policy.session_life / 10)


async def test_a_reset_and_another_address(workers: Workers) -> None:
    """A reset and a change of address at once: one of them happens."""
    one, two = workers.one.auth, workers.two.auth
    held = await workers.one.login(Carrier.COOKIE)
    who = await workers.one.check(held)
    assert isinstance(who, Principal)
    proof = await one.prove(ADA, PASSWORD)
    await one.flows.change_email(who, proof, new=OTHER)
    await one.flows.forgot(ADA)
    change, reset = await workers.letter(About.CHANGE_EMAIL, OTHER), await workers.letter(About.RESET_PASSWORD)

    winners = await won(
        one.flows.confirm_email(link_of(change), password=PASSWORD),
        two.flows.reset(link_of(reset), new="another lantern, far away"),
    )

    assert len(winners) == 1
    found = [await one.accounts.find(email) is not None for email in (OTHER, ADA)]
    assert found == [winners == [0], winners == [1]]
    assert await workers.opens(PASSWORD, OTHER if winners == [0] else ADA) is (winners == [0])


async def test_an_invitation(workers: Workers) -> None:
    """An invitation that two people accept at once makes one account, with one password."""
    one, two = workers.one.auth, workers.two.auth
    for number in range(ROUNDS):
        email = f"bob{number}@example.com"
        await one.flows.invite(email, actor="test")
        link = link_of(await workers.letter(About.INVITATION, email))

        winners = await won(
            one.flows.accept_invitation(link, password="lantern of the one"),
            two.flows.accept_invitation(link, password="lantern of the other"),
        )

        assert len(winners) == 1
        opens = [await workers.opens(f"lantern of the {who}", email) for who in ("one", "other")]
        assert opens == [winners == [0], winners == [1]]


async def test_invited_and_registered(workers: Workers) -> None:
    """Who accepts an invitation, and a stranger who registers with the address at once: the stranger has no account."""
    one, two = workers.one.auth, workers.two.auth
    assert CHEAPEST.registration is Registration.OPEN
    for number in range(ROUNDS):
        email = f"bob{number}@example.com"
        await one.flows.invite(email, actor="test")
        link = link_of(await workers.letter(About.INVITATION, email))

        await won(
            one.flows.accept_invitation(link, password=PASSWORD),
            two.flows.register(email=email, password="eve waits behind the door"),
        )
        if not await workers.opens(PASSWORD, email):  # the stranger was first: Bob, who has the letter, asks again
            await won(two.flows.accept_invitation(link, password=PASSWORD))

        assert await workers.opens(PASSWORD, email)
        assert not await workers.opens("eve waits behind the door", email)


async def test_a_disabled_account(workers: Workers) -> None:
    """An account that is disabled while its password is reset is not open afterwards, whoever was first."""
    one, two = workers.one.auth, workers.two.auth
    account = await one.accounts.find(ADA)
    assert account is not None
    await one.flows.forgot(ADA)
    said = await workers.letter(About.RESET_PASSWORD)

    await won(
        one.flows.reset(link_of(said), new="another lantern, far away"),
        two.accounts.disable(account.user.id, actor="test"),
    )

    assert not await workers.opens("another lantern, far away")
    assert not await workers.opens(PASSWORD)
