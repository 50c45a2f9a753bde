"""Tells the tasks of one event loop that something was written."""

import asyncio
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary


class Bell:
    """A bell that nobody misses for being busy: what rang since a task last listened is heard when it listens again."""

    def __init__(self) -> None:
        self._rung = 0
        self._heard = 0
        self._heard_by: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Tell everybody."""
        self._rung += 1
        self._next.set()
        self._next = asyncio.Event()

    async def heard(self, *, wait: float) -> bool:
        """Return `True` as soon as it has rung since this task last listened, or `False` after `wait` seconds.

        A task that never listened before goes on from where the last listener stopped, so that whoever wraps each call
        in a task of its own (`asyncio.wait_for`) neither misses a ring nor hears one twice.
        """
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in a task  # noqa: S101
        known = self._heard_by.get(task, self._heard)
        if known == self._rung:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._next.wait()
        self._heard_by[task] = self._heard = self._rung
        return self._rung != known
