"""An issuer that is up, and a verifier of it that is ready."""

from collections.abc import AsyncIterator

import pytest

from ostiary.verify import Verifier
from tests.verify.asking import SOON
from tests.verify.issuer import AUDIENCE, KEY, Issuer, serving


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer that serves."""
    async with serving(Issuer()) as issuer:
        yield issuer


@pytest.fixture
async def verifier(issuer: Issuer) -> AsyncIterator[Verifier]:
    """A verifier that follows it, in this event loop."""
    async with Verifier(issuer.url, audience=AUDIENCE, key=KEY) as verifier:
        await verifier.until_ready(SOON)
        yield verifier
