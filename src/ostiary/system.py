"""The machine: its clock, its source of chance, its processors."""

import os
import secrets
import time
from datetime import UTC, datetime
from functools import partial
from typing import Final

TESTING: Final = "OSTIARY_TESTING"
"""What to set in the environment of tests that pytest does not run. It allows what protects nothing."""

# CLOCK_BOOTTIME counts the time a machine sleeps. Without it a lease could outlive a suspended laptop.
_ELAPSED: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_TESTS: Final = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST", TESTING)


class SystemClock:
    """The clock of this machine, made monotone.

    The time of day is elapsed time plus an offset that only grows, so that a clock which is put back neither revives
    what has expired nor stops expiry while it catches up.
    """

    def __init__(self) -> None:
        self.elapsed = partial(time.clock_gettime, _ELAPSED)
        """Return seconds since the machine started, sleep included."""
        self.offset = time.time() - self.elapsed()

    def now(self) -> datetime:
        """Return the time of day, in UTC, and notice when the machine's clock was put forward."""
        elapsed = self.elapsed()
        self.offset = max(self.offset, time.time() - elapsed)
        return datetime.fromtimestamp(elapsed + self.offset, UTC)


class SystemEntropy:
    """The operating system's random source."""

    def bytes(self, count: int) -> bytes:
        """Return unpredictable bytes."""
        return secrets.token_bytes(count)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_tests() -> bool:
    """Tell whether this process, or the one that started it, runs tests: pytest says so, or somebody did on purpose."""
    return any(name in os.environ for name in _TESTS)
