"""The feed as it goes over HTTP, written and read in one place. `docs/spec/feed.md` owns the format.

A verifier reads `snapshot` once, then follows the events from its head, and asks for `head` to renew its lease.

    id: <incarnation>:<seq>
    event: floor | document | reset
    data: one JSON object: `FloorOut` | `DocumentOut` | {}

A floor that no revision reaches is `null`: JavaScript and its kin have no integer so large. Times are seconds since the
epoch (RFC 7519 section 2), lives and leases are seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ostiary.core.floor import NONE_IS_GOOD, Floor, Head

RESET = b"event: reset\ndata: {}\n\n"
"""The history that the reader followed is not there any more: start over from the snapshot."""

BEAT = b": beat\n\n"
"""A comment, so that both ends notice a connection that is gone. It says nothing of the feed, and renews nothing."""


class FloorOut(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest revision of a session that is still good. `null`: none is."""

    sid: str
    floor: int | None
    until: float

    @classmethod
    def of(cls, floor: Floor) -> "FloorOut":
        """Write a floor."""
        number = None if floor.floor == NONE_IS_GOOD else floor.floor
        return cls(sid=floor.sid, floor=number, until=floor.until.timestamp())

    def read(self) -> Floor:
        """Read a floor."""
        number = NONE_IS_GOOD if self.floor is None else self.floor
        return Floor(self.sid, number, datetime.fromtimestamp(self.until, UTC))


class DocumentOut(msgspec.Struct, frozen=True, kw_only=True):
    """A document has another version. `keys` is a JWKS whose keys may have an `exp`; `roles` maps to permissions."""

    name: str
    version: int
    body: Any


class HeadOut(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where the process that answers has followed the feed, and for how long its own lease still holds."""

    incarnation: str
    seq: int
    lease: float

    def read(self) -> Head:
        """Read the head."""
        return Head(self.incarnation, self.seq)


class SnapshotOut(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a verifier starts from: the head first, then all floors and documents as they are at it."""

    incarnation: str
    seq: int
    issuer: str
    lease: float
    """How long a lease is here. The snapshot itself renews none."""
    access_life: float
    leeway: float
    floors: tuple[FloorOut, ...]
    documents: tuple[DocumentOut, ...]

    def read(self) -> Head:
        """Read the head."""
        return Head(self.incarnation, self.seq)


def event(head: Head, what: FloorOut | DocumentOut) -> bytes:
    """Write one event. `head` is where the feed stands once it is applied."""
    kind = "floor" if isinstance(what, FloorOut) else "document"
    return f"id: {write_id(head)}\nevent: {kind}\ndata: ".encode() + msgspec.json.encode(what) + b"\n\n"


def events(incarnation: str, changes: Iterable[tuple[int, FloorOut | DocumentOut]]) -> bytes:
    """Write several events, each with its `seq`."""
    return b"".join(event(Head(incarnation, seq), what) for seq, what in changes)


def write_id(head: Head) -> str:
    """Write what `Last-Event-ID` brings back."""
    return f"{head.incarnation}:{head.seq}"


def read_id(text: str) -> Head | None:
    """Read a `Last-Event-ID`, or say that it is none of ours."""
    incarnation, colon, seq = text.rpartition(":")
    is_ours = colon and incarnation and len(text) <= 200 and seq.isascii() and seq.isdigit() and len(seq) <= 19
    return Head(incarnation, int(seq)) if is_ours else None


@dataclass(frozen=True, slots=True)
class Event:
    """One event, read: where the feed stands once it is applied, and what it brings."""

    head: Head
    what: FloorOut | DocumentOut


class Reset:
    """The history that the reader followed is not there any more."""


def read_event(text: bytes) -> Event | Reset | None:
    """Read one event, without the empty line that ends it. `None` is a comment, or an event that means nothing yet.

    Raises:
        ValueError: it is none that `event` writes.
    """
    lines = (line.partition(b":") for line in text.splitlines())
    fields = {name: value.removeprefix(b" ") for name, _, value in lines if name}
    match fields.get(b"event"):
        case b"reset":
            return Reset()
        case b"floor":
            kind: type[FloorOut | DocumentOut] = FloorOut
        case b"document":
            kind = DocumentOut
        case _:
            return None
    head = read_id(fields.get(b"id", b"").decode())
    if head is None:
        raise ValueError("an event without an id")
    return Event(head, msgspec.json.decode(fields.get(b"data", b""), type=kind))
