"""Lets the conformance suites, which wait as coroutines do, ask a store that makes a thread wait."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from ostiary.sync.stores.sql.store import SqlStore

THREADS = 120
"""More than the suites ever have waiting: who waits for a turn must not keep whoever has it from ending."""


class InThreads:
    """The same verbs, each in a thread."""

    def __init__(self, what: Any, pool: ThreadPoolExecutor) -> None:
        self._what = what
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._what, name)
        if not inspect.ismethod(found):
            return InThreads(found, self._pool)

        async def verb(*args: Any, **kwargs: Any) -> Any:
            return await in_thread(self._pool, lambda: found(*args, **kwargs))

        return verb


class StoreInThreads(InThreads):
    """A store of the twin, as the suites ask for one."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__(store, ThreadPoolExecutor(THREADS))

    def read(self) -> Any:
        return self._block(self._what.read)

    def write(self) -> Any:
        return self._block(self._what.write)

    def counting(self) -> Any:
        return self._block(self._what.counting)

    @asynccontextmanager
    async def _block(self, begin: Callable[[], AbstractContextManager[Any]]) -> AsyncGenerator[Any]:
        block = begin()
        transaction = await in_thread(self._pool, block.__enter__)
        try:
            yield InThreads(transaction, self._pool)
        except BaseException as error:
            raised = error  # a name of an `except` is gone at its end
            if not await in_thread(self._pool, lambda: block.__exit__(type(raised), raised, raised.__traceback__)):
                raise
        else:
            await in_thread(self._pool, lambda: block.__exit__(None, None, None))


async def in_thread(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    """Do something in one of the threads."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)
