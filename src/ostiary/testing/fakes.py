"""Time, chance, reports and mail that a test holds in its hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from ostiary.core.events import Event, Kind
from ostiary.core.letter import About, Letter


class FakeClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._elapsed = 1000.0
        self.offset = start.timestamp() - self._elapsed

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.fromtimestamp(self._elapsed + self.offset, UTC)

    def elapsed(self) -> float:
        """Return the seconds that have passed, from an arbitrary start."""
        return self._elapsed

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._elapsed += by.total_seconds()

    def jump(self, by: timedelta) -> None:
        """Put the time of day forward or back while no time passes. Back is what a real clock of ours never does."""
        self.offset += by.total_seconds()


class CountedEntropy:
    """Bytes that are the same in every run and never the same twice within one."""

    def __init__(self, seed: bytes = b"ostiary") -> None:
        self._seed = seed
        self._count = 0

    def bytes(self, count: int) -> bytes:
        """Return the next bytes."""
        out = b""
        while len(out) < count:
            self._count += 1
            out += sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:count]


class Recorder:
    """An event sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        """Take note of a record."""
        self.events.append(event)

    def kinds(self) -> list[Kind]:
        """Return what happened, in order."""
        return [event.kind for event in self.events]


class Mailbox:
    """A mailer that keeps the letters."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def send(self, letter: Letter) -> None:
        """Keep it."""
        self.letters.append(letter)

    async def letter(self, about: About, *, to: str, within: timedelta = timedelta(seconds=20)) -> Letter:
        """Return the newest letter to somebody about something, as soon as there is one.

        Raises:
            TimeoutError: none came.
        """
        async with asyncio.timeout(within.total_seconds()):
            while True:
                for letter in reversed(self.letters):
                    if (letter.about, letter.to) == (about, to):
                        return letter
                await asyncio.sleep(0.01)
