"""What the twin has in the place of `asyncio`, under the same names: waiting is something that a thread does."""

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

__all__ = ["CancelledError", "Lock", "current_task", "sleep", "timeout", "to_thread", "wrap_future"]

P = ParamSpec("P")
T = TypeVar("T")

Lock = threading.Lock
sleep = time.sleep


class Patience:
    """How long somebody means to wait."""

    def reschedule(self, when: float | None) -> None:
        """Take note of another end."""


@contextmanager
def timeout(_: float | None) -> Generator[Patience]:
    """Stand where an event loop would end the wait.

    A thread cannot be interrupted. The stores have a patience of their own, and a lease is counted from before the
    question: an answer that came too late renews nothing.
    """
    yield Patience()


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
