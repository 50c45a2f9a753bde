"""Slows guessing: takes counters before anything is tried, and gives them back after a success."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256

from ostiary.core.throttle import LOGIN_ACCOUNT, PROOF_USER, Allowed, Limit, attempt
from ostiary.errors import Throttled
from ostiary.ports import Clock, Store, Transaction


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
        async with self._store.write() as tx:
            now = self._clock.now()
            keys = {_key(limit, whom): limit for limit, whom in tries.items() if whom}
            answers = {key: attempt(await tx.counters.get(key), limit, now=now) for key, limit in keys.items()}
            waits = [answer.seconds for answer in answers.values() if not isinstance(answer, Allowed)]
            if waits:
                raise Throttled(max(waits))
            for key, answer in answers.items():
                if isinstance(answer, Allowed):
                    await tx.counters.put(key, answer.counter)
        return tuple(keys)

    @staticmethod
    async def give_back(tx: Transaction, keys: Iterable[str]) -> None:
        """Take the try back, within the transaction of the success.

        A success forgives what was tried at the account. What was tried from the same place at other accounts still
        counts, or an attacker would log in to an account of their own now and then.
        """
        for key in keys:
            counter = await tx.counters.get(key)
            if counter is None:
                continue
            if counter.count > 1 and not key.startswith(_FORGIVEN):
                await tx.counters.put(key, replace(counter, count=counter.count - 1))
            else:
                await tx.counters.remove(key)

    async def undo(self, keys: Iterable[str]) -> None:
        """Take one try back from each counter: it was never made."""
        async with self._store.write() as tx:
            for key in keys:
                counter = await tx.counters.get(key)
                if counter is not None:
                    await tx.counters.put(key, replace(counter, count=max(0, counter.count - 1)))


_FORGIVEN = tuple(f"{limit.name}:" for limit in (LOGIN_ACCOUNT, PROOF_USER))


def _key(limit: Limit, whom: str) -> str:
    return f"{limit.name}:{sha256(whom.encode()).hexdigest()[:32]}"
