"""Letters on their way out: sealed into the outbox with whatever they tell of, sent from there beside the requests.

A letter is claimed before it is sent and removed after, so a process that dies between the two lets it be sent twice;
never is it lost.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from ostiary.auth.letters import LetterSeal
from ostiary.auth.work import Works
from ostiary.core.events import Kind
from ostiary.core.letter import About, Letter, next_try
from ostiary.errors import OstiaryError, Undeliverable
from ostiary.ports import Clock, LetterRecord, Mailer, Store
from ostiary.stores.bell import Bell

log = logging.getLogger("ostiary.auth")

SENT_WITHIN: Final = timedelta(minutes=1)
"""After which a mailer that does not answer is given up, for this time."""

CLAIMED_FOR: Final = timedelta(minutes=2)
"""How long nobody else sends a letter that somebody is sending."""

LOOK_EVERY: Final = timedelta(seconds=15)
"""How often to look for letters that other processes wrote, or left behind."""

_SHORTEST: Final = 0.01
"""Seconds before another look at a letter that somebody else is just claiming."""


class Post:
    """Sends what is in the outbox, the letter that is due longest first."""

    def __init__(self, *, store: Store, works: Works, mailer: Mailer, seal: LetterSeal, clock: Clock) -> None:
        self._store = store
        self._works = works
        self._mailer = mailer
        self._seal = seal
        self._clock = clock
        self._bell = Bell()
        self._is_over = True
        self._sent: set[str] = set()

    def begin(self) -> None:
        """Begin, or begin again after an `end`, maybe in another event loop."""
        self._bell = Bell()
        self._is_over = False

    def end(self) -> None:
        """End the run after the letter that is being sent."""
        self._is_over = True
        self._bell.ring()

    def wake(self) -> None:
        """Tell that a letter was written."""
        self._bell.ring()

    async def run(self) -> None:
        """Send letters as they come due, until the `end`."""
        while not self._is_over:
            await self._bell.heard(wait=await self._round())

    async def step(self) -> bool:
        """Send the letter that is due longest. `False` when none is due."""
        now = self._clock.now()
        async with self._store.read() as tx:
            first = await tx.outbox.first()
        if first is None or first > now:
            return False
        async with self._store.write() as tx:
            record = await tx.outbox.claim(now=now, until=now + CLAIMED_FOR)
        if record is not None:
            await self._send(record)
        return record is not None

    async def _round(self) -> float:
        """Send everything that is due. Returns after how many seconds to look again, if nobody wakes us."""
        longest = LOOK_EVERY.total_seconds()
        try:
            while not self._is_over and await self.step():
                pass
            async with self._store.read() as tx:
                first = await tx.outbox.first()
        except OstiaryError:
            return longest  # the store cannot answer now; the next time will do
        except Exception as error:  # noqa: BLE001 - what goes on beside requests must go on
            log.warning("letters cannot be sent: %r", type(error))
            return longest
        return longest if first is None else min(max((first - self._clock.now()).total_seconds(), _SHORTEST), longest)

    async def _send(self, record: LetterRecord) -> None:
        letter = self._seal.open(record)
        if letter is None:  # of a newer master key or version than this process has: another one can
            await self._later(record, None)
            return
        try:
            # Whoever has no account is written to as far as this, or the time that it takes would tell.
            if record.id not in self._sent and letter.about is not About.NO_ACCOUNT:
                async with asyncio.timeout(SENT_WITHIN.total_seconds()):
                    await self._mailer.send(letter)
        except Undeliverable as error:
            log.warning("a letter about %s was refused for good: %s", letter.about.value, error)
            await self._give_up(record, letter, why="refused")
        except Exception as error:  # noqa: BLE001 - whatever a mailer raises, the letter is kept
            log.warning("a letter about %s is not sent yet: %s", letter.about.value, _said(error))
            await self._later(record, letter)
        else:
            self._sent.add(record.id)  # should the store fail now, it is not sent again from here
            async with self._store.write() as tx:
                await tx.outbox.done(record.id)
            self._sent.discard(record.id)

    async def _later(self, record: LetterRecord, letter: Letter | None) -> None:
        at = next_try(written_at=record.created_at, tries=record.tries, now=self._clock.now())
        if at is None:
            await self._give_up(record, letter, why="too_old")
            return
        async with self._store.write() as tx:
            await tx.outbox.again(record, at=at)

    async def _give_up(self, record: LetterRecord, letter: Letter | None, *, why: str) -> None:
        async with self._works.begin() as work:
            if await work.tx.outbox.done(record.id):
                about, user_id = (letter.about.value, letter.user_id) if letter is not None else ("", "")
                work.tell(Kind.LETTER_GIVEN_UP, user_id=user_id, about=about, reason=why)


def _said(error: Exception) -> str:
    """Return what to log of a failure: our own words, and of another's only what it is, for it may quote a letter."""
    return str(error) if isinstance(error, OstiaryError) else type(error).__name__
