"""What the twin has in the place of `asyncio`, under the same names: waiting is something that a thread does."""

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

__all__ = ["CancelledError", "Lock", "current_task", "left", "sleep", "timeout", "to_thread", "wrap_future"]

P = ParamSpec("P")
T = TypeVar("T")

Lock = threading.Lock
sleep = time.sleep


_end: ContextVar[float] = ContextVar("end of the wait", default=float("inf"))


class Patience:
    """How long somebody means to wait."""

    def reschedule(self, _: None) -> None:
        """Wait as long as it takes, for whomever this is done."""
        _end.set(float("inf"))


@contextmanager
def timeout(seconds: float) -> Generator[Patience]:
    """Bound what is asked of a server within the block, as far as a thread can: see `left`.

    A thread cannot be interrupted. A lease is counted from before the question: an answer that came too late renews
    nothing.
    """
    token = _end.set(min(_end.get(), time.monotonic() + seconds))
    try:
        yield Patience()
    finally:
        _end.reset(token)


def left(patience: float) -> float:
    """Return how many seconds this thread means to wait for an answer, at most so many. A store looks here."""
    return max(0.0, min(patience, _end.get() - time.monotonic()))


def to_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it here: this is a thread."""
    return work(*args, **kwargs)


def wrap_future(future: Future[T]) -> T:
    """Wait for the result."""
    return future.result()


class _Nobody:
    """Who waits is a thread, and no thread is cancelled."""

    def cancelling(self) -> int:
        """Return how often it was cancelled."""
        return 0


def current_task() -> _Nobody | None:
    """Return who waits."""
    return _Nobody()
