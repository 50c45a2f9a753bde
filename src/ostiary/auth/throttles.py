"""Slows guessing: takes counters before anything is tried, and gives them back after a success."""

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final

from ostiary.core.throttle import Allowed, Limit, Wait, attempt, taken_back
from ostiary.errors import Throttled, Unavailable
from ostiary.ports import Clock, Counters, Store, Transaction

_MOST_SWAPS: Final = 100
"""How often to begin again when others count at the same moment. Each time at least one of them has gone on."""


class Throttles:
    """Counters in the store, so that all workers count together and a restart forgets nothing."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(self, tries: Mapping[Limit, str]) -> tuple[str, ...]:
        """Count one try against each limit and what it is limited by. Returns the counters' keys, to give back.

        Parallel tries are counted one after the other. Either all limits let the try through or none counts it.

        Raises:
            Throttled: one of them says wait.
        """
        keys = {_key(limit, whom): limit for limit, whom in tries.items() if whom}
        for _ in range(_MOST_SWAPS):
            async with self._store.counting() as counters:
                now = self._clock.now()
                old = await counters.get(keys)
                answers = {key: attempt(old.get(key), limit, now=now) for key, limit in keys.items()}
                waits = [answer.seconds for answer in answers.values() if isinstance(answer, Wait)]
                if waits:
                    raise Throttled(max(waits))
                new = {key: answer.counter for key, answer in answers.items() if isinstance(answer, Allowed)}
                if await counters.swap(old, new):
                    return tuple(keys)
        raise Unavailable("the counters of tries changed too often")

    @staticmethod
    async def give_back(tx: Transaction, keys: Collection[str]) -> None:
        """Take the try back, within the transaction of the success. What others tried still counts."""
        await _take_back(tx.counters, keys)

    async def undo(self, keys: Collection[str]) -> None:
        """Take one try back from each counter: it was never made."""
        async with self._store.counting() as counters:
            await _take_back(counters, keys)


async def _take_back(counters: Counters, keys: Collection[str]) -> None:
    """Take one try back from each counter that there is. Who is overtaken too often leaves them as they are."""
    for _ in range(_MOST_SWAPS):
        old = await counters.get(keys)
        new = {key: counter for key, was in old.items() if (counter := taken_back(was)) is not None}
        if await counters.swap(old, new):
            return


def _key(limit: Limit, whom: str) -> str:
    return f"{limit.name}:{sha256(whom.encode()).hexdigest()[:32]}"
