"""Slows guessing: takes counters before anything is tried, and gives them back after a success."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

from ostiary.core.throttle import LOGIN_ACCOUNT, PROOF_USER, Allowed, Counter, Limit, Wait, attempt
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
        """Take the try back, within the transaction of the success.

        A success forgives what was tried at the account. What was tried from the same place at other accounts still
        counts, or an attacker would log in to an account of their own now and then.
        """
        await _change(tx.counters, keys, _forgiven)

    async def undo(self, keys: Collection[str]) -> None:
        """Take one try back from each counter: it was never made."""
        async with self._store.counting() as counters:
            await _change(counters, keys, lambda _, counter: replace(counter, count=max(0, counter.count - 1)))


async def _change(counters: Counters, keys: Collection[str], change: Callable[[str, Counter], Counter | None]) -> None:
    """Change the counters that there are, or drop them. Who is overtaken too often leaves them as they are."""
    for _ in range(_MOST_SWAPS):
        old = await counters.get(keys)
        new = {key: counter for key, was in old.items() if (counter := change(key, was)) is not None}
        if await counters.swap(old, new):
            return


def _forgiven(key: str, counter: Counter) -> Counter | None:
    return None if counter.count <= 1 or key.startswith(_FORGIVEN) else replace(counter, count=counter.count - 1)


_FORGIVEN = tuple(f"{limit.name}:" for limit in (LOGIN_ACCOUNT, PROOF_USER))


def _key(limit: Limit, whom: str) -> str:
    return f"{limit.name}:{sha256(whom.encode()).hexdigest()[:32]}"
