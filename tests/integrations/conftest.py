"""An `Auth` for an application of each framework."""

from pathlib import Path

import pytest

from ostiary.stores.memory import MemoryStore
from tests.conftest import House, make_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house whose `Auth` is not started: its door does that."""
    return make_house(MemoryStore(), tmp_path)
