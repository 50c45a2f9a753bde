"""What is written of the feed for HTTP is read again as it was; what nobody writes is not read."""

from datetime import UTC, datetime

import pytest

from ostiary.core.floor import NONE_IS_GOOD, Floor, Head
from ostiary.feed.wire import BEAT, RESET, DocumentOut, Event, FloorOut, Reset, event, events, read_event

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
FLOORS = [Floor("ada", NONE_IS_GOOD, UNTIL), Floor("eve", 7, UNTIL)]


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor(floor: Floor) -> None:
    """A floor is read as it was written."""
    read = read_event(event(Head("a:b", 12), FloorOut.of(floor)).removesuffix(b"\n\n"))

    assert isinstance(read, Event)
    assert isinstance(read.what, FloorOut)
    assert (read.head, read.what.read()) == (Head("a:b", 12), floor)


def test_a_document() -> None:
    """A document is read as it was written, with line breaks in its texts."""
    document = DocumentOut(name="roles", version=3, body={"editor\n\ndata: x": ["posts:write"]})

    assert read_event(event(Head("one", 1), document)) == Event(Head("one", 1), document)


def test_several() -> None:
    """Several events are cut by their empty lines, and nowhere else."""
    text = events("one", [(8, FloorOut.of(FLOORS[0])), (9, FloorOut.of(FLOORS[1]))])

    read = [read_event(part) for part in text.split(b"\n\n") if part]

    assert [one.head.seq for one in read if isinstance(one, Event)] == [8, 9]


def test_what_brings_nothing() -> None:
    """A reset is told apart; a comment, or an event of another day, is none."""
    assert isinstance(read_event(RESET), Reset)
    assert read_event(BEAT) is None
    assert read_event(b"id: one:1\nevent: news\ndata: {}") is None
    assert read_event(b"") is None


@pytest.mark.parametrize(
    "text",
    [
        b"event: floor\ndata: {}",
        b'event: floor\ndata: {"sid":"ada","floor":null,"until":1}',
        b'id: one\nevent: floor\ndata: {"sid":"ada","floor":null,"until":1}',
        b'id: one:-1\nevent: floor\ndata: {"sid":"ada","floor":null,"until":1}',
        b'id: one:1\nevent: floor\ndata: {"sid":"ada","floor":null}',
        b'id: one:1\nevent: floor\ndata: {"sid":"ada","floor":1.5,"until":1}',
        b'id: one:1\nevent: document\ndata: {"sid":"ada","floor":null,"until":1}',
        b"id: one:1\nevent: floor",
        b"id: \xff:1\nevent: floor\ndata: {}",
    ],
)
def test_what_nobody_writes(text: bytes) -> None:
    """An event that `event` has not written is an error, never a guess."""
    with pytest.raises(ValueError, match=r"id|Object|Expected|JSON|missing|utf-8|truncated"):
        read_event(text)
