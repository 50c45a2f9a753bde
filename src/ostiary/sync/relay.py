"""Where the asynchronous world passes its view of the feed on to verifiers, the twin does not.

A stream of the feed would hold a thread of the server for as long as it is followed. Verifiers follow a process with an
asynchronous door, or the stand-alone service: what the twin writes reaches them through the store all the same.
"""

from collections.abc import AsyncGenerator, Callable, Iterable

from ostiary.core.floor import Entry, Floors, Head
from ostiary.core.policy import Policy
from ostiary.errors import Unavailable
from ostiary.feed.wire import DocumentOut, HeadOut, SnapshotOut
from ostiary.ports import Clock, Entropy
from ostiary.sync.ports import Store

_ELSEWHERE = "the feed is passed on by processes with an asynchronous door"


class Relay:
    """Passes nothing on, and says so."""

    streams = 0
    """How many follow now."""

    def __init__(
        self, *, store: Store, floors: Floors, clock: Clock, entropy: Entropy, policy: Policy, issuer: str
    ) -> None:
        """Take what the other takes, and keep nothing."""

    def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def started(self, head: Head) -> None:
        """Do nothing."""

    def applied(self, entries: Iterable[Entry]) -> None:
        """Do nothing."""

    def equip(self, documents: Iterable[DocumentOut]) -> None:
        """Do nothing."""

    def head(self) -> HeadOut:
        """Refuse."""
        raise Unavailable(_ELSEWHERE)

    def snapshot(self) -> SnapshotOut:
        """Refuse."""
        raise Unavailable(_ELSEWHERE)

    def follow(
        self,
        after: Head,  # noqa: ARG002 - same
        *,
        verifier: str,  # noqa: ARG002 - same
        is_welcome: Callable[[], bool],  # noqa: ARG002 - same
    ) -> AsyncGenerator[bytes]:
        """Refuse."""
        raise Unavailable(_ELSEWHERE)
