"""What the attacks by hand start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ostiary.core.session import Carrier
from tests.attacks.attacker import Attacker
from tests.attacks.visits import Street, open_street
from tests.conftest import STORES


@pytest.fixture
async def street(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada lives; on SQLite where a test asks for it."""
    store = STORES[getattr(request, "param", "memory")](request, tmp_path)
    async with open_street(tmp_path, store) as street:
        yield street


@pytest.fixture
async def attacker(street: Street) -> Attacker:
    """Ada herself, in a bad mood."""
    return Attacker(street, await street.login(Carrier.COOKIE))
