"""Runs two verbs against each other at every place where the first one waits for the store."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from ostiary.core.floor import News
from ostiary.ports import Store, Transaction

_WATCHED: ContextVar["Gate | None"] = ContextVar("gate", default=None)


class Gate:
    """Lets a task through the store's calls until the one it is to stop at; there it does something else first."""

    def __init__(self, stop_at: int, then: Callable[[], Awaitable[None]]) -> None:
        self.calls = 0
        self._stop_at = stop_at
        self._then = then

    async def pass_(self) -> None:
        self.calls += 1
        if self.calls == self._stop_at:
            await self._then()


class GatedStore:
    """A store whose every call is a place where another task may come in between."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Any]:
        await _gate()
        async with self._store.read() as tx:
            yield _GatedTransaction(tx)
            await _gate()

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Any]:
        await _gate()
        async with self._store.write() as tx:
            yield _GatedTransaction(tx)
            await _gate()
        await _gate()

    async def news(self, seq: int, *, limit: int) -> News:
        await _gate()
        news = await self._store.news(seq, limit=limit)
        await _gate()
        return news


class _GatedTransaction:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def __getattr__(self, table: str) -> Any:
        return _GatedTable(getattr(self._tx, table))


class _GatedTable:
    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self._table, verb)

        async def gated(*args: Any, **kwargs: Any) -> Any:
            await _gate()
            result = await call(*args, **kwargs)
            await _gate()
            return result

        return gated


async def _gate() -> None:
    gate = _WATCHED.get()
    if gate is not None:
        await gate.pass_()


async def until_stuck(task: "asyncio.Task[Any]") -> None:
    """Let another task run until it has ended or waits for us."""
    for _ in range(200):
        if task.done():
            return
        await asyncio.sleep(0)


async def watched(gate: Gate, verb: Awaitable[Any]) -> Any:
    """Run a verb so that its calls of the store pass the gate."""
    token = _WATCHED.set(gate)
    try:
        return await verb
    finally:
        _WATCHED.reset(token)
