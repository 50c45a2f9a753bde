"""Threat: many presentations of one refresh token at once make several live chains (CVE-2026-1035, CVE-2026-53517)."""

import asyncio

import pytest

from ostiary.core.access import Principal
from ostiary.core.events import Kind
from ostiary.core.session import Carrier
from ostiary.errors import Refused
from tests.conftest import House


async def test_fifty_parallel_refreshes(house: House) -> None:
    """Of fifty parallel refreshes with one token one advances; all get the very same successor, and one chain lives."""
    await house.user()
    issued = await house.login(Carrier.BEARER)

    answers = await asyncio.gather(*(house.auth.refresh(issued.session_token) for _ in range(50)))

    assert len({answer.session_token for answer in answers}) == 1
    assert {answer.session.issued for answer in answers} == {issued.session.issued + 1}
    following = await house.auth.refresh(answers[0].session_token)
    assert isinstance(await house.check(following), Principal)
    assert len(await house.auth.sessions(issued.session.user_id)) == 1


async def test_fifty_parallel_copies(house: House) -> None:
    """Fifty parallel presentations of a token that was replaced long ago end the session once; nobody gets anything."""
    await house.user()
    first = await house.login(Carrier.BEARER)
    second = await house.auth.refresh(first.session_token)
    third = await house.auth.refresh(second.session_token)
    house.clock.advance(house.auth.policy.grace * 2)

    answers = await asyncio.gather(
        *(house.auth.refresh(first.session_token) for _ in range(50)), return_exceptions=True
    )

    assert all(isinstance(answer, Refused) for answer in answers)
    assert [event.kind for event in house.recorder.events].count(Kind.TOKEN_REUSED) == 1
    with pytest.raises(Refused, match="revoked"):
        await house.auth.refresh(third.session_token)
