"""Cancels a coroutine at a wait of one's choice."""

import asyncio
from collections.abc import Coroutine, Generator
from enum import Enum, auto
from typing import Any


class Cancelled(Enum):
    """Whether a coroutine was cancelled, or ended before it had waited that often."""

    YES = auto()
    NO = auto()


class _Counted(Coroutine[Any, Any, None]):
    """A coroutine that cancels the task it runs in when it waits for the n-th time."""

    def __init__(self, work: Coroutine[Any, Any, None], waits: int, after: float) -> None:
        self._work = work
        self._left = waits
        self._after = after

    def send(self, value: object) -> Any:
        waited_for = self._work.send(value)
        self._left -= 1
        task = asyncio.current_task()
        if self._left == 0 and task is not None:
            if self._after:
                asyncio.get_running_loop().call_later(self._after, task.cancel)
            else:
                task.cancel()
        return waited_for

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work.__await__()


async def cancelled_at(waits: int, work: Coroutine[Any, Any, None], *, after: float) -> Cancelled:
    """Run a coroutine, and cancel it when it waits for the n-th time, or some seconds later."""
    task = asyncio.get_running_loop().create_task(_Counted(work, waits, after))
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, asyncio.CancelledError):
        return Cancelled.YES
    if outcome is not None:
        raise outcome
    return Cancelled.NO
