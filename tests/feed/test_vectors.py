"""The published vectors of the feed, and what the spec says of them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ostiary.core.floor import NONE_IS_GOOD
from ostiary.feed import wire
from ostiary.feed.wire import DocumentOut, FloorOut
from ostiary.web.endpoints import EVENT_ID

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "feed.json").read_text())
KINDS: dict[str, type[FloorOut | DocumentOut]] = {"floor": FloorOut, "document": DocumentOut}


@pytest.mark.parametrize("vector", VECTORS["events"], ids=lambda vector: vector["name"])
def test_events(vector: dict[str, Any]) -> None:
    """An event is written to the byte as published, and its id is one that the route takes back."""
    head = wire.read_id(vector["id"])
    assert head is not None
    what = msgspec.convert(vector["data"], KINDS[vector["event"]])

    assert wire.event(head, what) == vector["text"].encode()
    assert EVENT_ID.fullmatch(vector["id"])
    if isinstance(what, FloorOut):
        assert FloorOut.of(what.read()) == what
        assert (what.read().floor == NONE_IS_GOOD) is (vector["data"]["floor"] is None)


def test_the_rest() -> None:
    """A reset and a comment are as published."""
    assert VECTORS["reset"].encode() == wire.RESET
    assert VECTORS["comment"].encode() == wire.BEAT
