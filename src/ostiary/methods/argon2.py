"""Argon2id off the event loop: a few threads of lower priority, and a short queue before them.

Two rules govern this file. A hash never takes the event loop's processor, however many are asked for: beyond a bounded
queue the answer is `Overloaded`, at once. And a look at a password costs the same whether there is anything to compare
it with or not: what cannot be verified is replaced by the `dummy`.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from math import ceil
from secrets import token_urlsafe
from time import perf_counter
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import HashingError, InvalidHashError, VerificationError, VerifyMismatchError

from ostiary.core.policy import PasswordPolicy
from ostiary.errors import Misconfigured, Overloaded, Unavailable
from ostiary.methods.inherited import check_of, forms, opened
from ostiary.system import TESTING, in_tests, processors

_T = TypeVar("_T")

_SALT: Final = 16
_DIGEST: Final = 32
_MOST_MEMORY_KIB: Final = 2 * 1024 * 1024
_MOST_PASSES: Final = 64
_MOST_ARRIVING_KIB: Final = 2 * 1024 * 1024
"""What all passes together of a hash from elsewhere may fill: about two seconds of a processor of today."""
_MOST_LANES: Final = 64
_LEAST_WORK: Final = 7 * 1024 * 5
"""KiB times passes: the cheapest of the costs that OWASP's password storage cheat sheet lists, 7 MiB and 5 passes."""
_NICENESS: Final = 10
_WEIGHT: Final = 0.1


class Hasher:
    """Makes and verifies password hashes with the costs of one policy.

    At most `threads` hashes are computed at once (by default one fewer than there are processors, and one at least) and
    at most `policy.waiting` wait. Safe to use from several event loops.

    Raises:
        Misconfigured: Argon2 cannot work with the policy's numbers, or they protect nothing and this is no test.
    """

    dummy: str
    """A hash of a random password that nobody knows. To verify it costs exactly what to verify a user's hash costs."""

    def __init__(self, policy: PasswordPolicy, *, threads: int | None = None) -> None:
        cost = policy.argon2
        if cost.memory_kib * cost.passes < _LEAST_WORK and not in_tests():
            raise Misconfigured(
                f"{cost} is so cheap that it protects no password, and so it is for tests only: use the default; "
                f"where pytest does not run the tests, set {TESTING}=1 for them"
            )
        self._argon2 = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=_DIGEST,
            salt_len=_SALT,
            type=Type.ID,
        )
        self._threads = max(1, processors() - 1) if threads is None else threads
        self._pool = self._new_pool()
        self._room = self._threads + policy.waiting
        self._taken = 0
        self._closed = False
        self._process = os.getpid()
        self._lock = threading.Lock()
        started = perf_counter()
        try:
            self.dummy = self._argon2.hash(token_urlsafe())
        except HashingError as error:
            raise Misconfigured(f"argon2 cannot hash with {cost}: {error}") from None
        self._average = perf_counter() - started

    async def hash(self, password: str) -> str:
        """Return a new hash of a password, salt and parameters included.

        Raises:
            Overloaded: too many hashes are waiting already.
            Unavailable: there is no memory for it, or the hasher was closed.
        """
        secret = _encoded(password)
        return await self.run(lambda: self._hash(secret))

    async def verify(self, stored: str, password: str, *, typed: str | None = None) -> bool:
        """Say whether a stored hash is of this password.

        A stored hash that cannot be read is of no password, and finding that out costs what verifying `dummy` costs.
        `typed` is the password as it was typed: what another library hashed, if it was one that made this hash.

        Raises:
            Overloaded: too many hashes are waiting already.
            Unavailable: there is no memory for it, or the hasher was closed.
        """
        return await self.run(lambda: self._verify(stored, password, typed or password))

    def reads(self, stored: str) -> bool:
        """Say whether a hash that another library made can be compared with, in a time that a login may take."""
        inner, _ = opened(stored)
        return check_of(inner) is not None or (_readable(inner) and _cheap(inner))

    def needs_rehash(self, stored: str) -> bool:
        """Say whether a stored hash was made at other costs than those of the policy, or cannot be read."""
        return not _readable(stored) or self._argon2.check_needs_rehash(stored)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do other costly work about passwords on the same threads, behind the same queue.

        A waiter that is cancelled gives its place back. Work that has begun keeps its place until it is done.

        Raises:
            Overloaded: too much is waiting already.
            Unavailable: the hasher was closed.
        """
        try:
            return await asyncio.wrap_future(self._enter(work))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise Unavailable("the password hasher was closed") from None
            raise

    def open(self) -> None:
        """Begin, or begin again after a `close`. A process that was forked has none of its parent's threads."""
        if self._closed or self._process != os.getpid():
            self._pool = self._new_pool()
            self._lock = threading.Lock()
            self._taken = 0
            self._process = os.getpid()
            self._closed = False

    def close(self) -> None:
        """Finish what has begun, refuse what waits, and let the threads go."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="ostiary-hash", initializer=_step_back)

    def _enter(self, work: Callable[[], _T]) -> Future[_T]:
        with self._lock:
            if self._taken >= self._room:
                raise Overloaded(max(1, ceil(self._taken * self._average / self._threads)))
            self._taken += 1
        try:
            future = self._pool.submit(self._timed, work)
        except RuntimeError:  # the pool was shut down, or no thread can be started
            self._leave()
            raise Unavailable("the password hasher cannot work now") from None
        future.add_done_callback(self._leave)
        return future

    def _leave(self, _future: object = None) -> None:
        with self._lock:
            self._taken -= 1

    def _timed(self, work: Callable[[], _T]) -> _T:
        started = perf_counter()
        try:
            return work()
        finally:
            with self._lock:
                self._average += (perf_counter() - started - self._average) * _WEIGHT

    def _hash(self, secret: bytes) -> str:
        try:
            return self._argon2.hash(secret)
        except HashingError as error:
            raise Unavailable(f"argon2: {error}") from None

    def _verify(self, stored: str, password: str, typed: str) -> bool:
        inner, covered = opened(stored)
        # Ours is of one form, so that a look at it costs one hash, as the dummy does.
        every = forms(typed) if self.needs_rehash(stored) else (password,)
        check = check_of(inner) or (partial(self._matches, inner) if _readable(inner) else None)
        if check is not None:
            # What looks readable may still be damaged inside. Argon2 notices before it has spent anything.
            with suppress(VerificationError):
                return any(check(covered(_encoded(each))) for each in every)
        try:
            self._matches(self.dummy, _encoded(password))
        except VerificationError as error:
            # Not the hash is at fault: memory has run out, and nobody's password is wrong.
            raise Unavailable(f"argon2: {error}") from None
        return False

    def _matches(self, stored: str, secret: bytes) -> bool:
        try:
            return self._argon2.verify(stored, secret)
        except VerifyMismatchError:
            return False


def _readable(stored: str) -> bool:
    """Say whether this is an Argon2 hash, at a cost that somebody may have chosen on purpose."""
    if not stored.isascii():
        return False
    try:
        found = extract_parameters(stored)
    except InvalidHashError:
        return False
    return (
        found.memory_cost <= _MOST_MEMORY_KIB and found.time_cost <= _MOST_PASSES and found.parallelism <= _MOST_LANES
    )


def _cheap(stored: str) -> bool:
    found = extract_parameters(stored)
    return found.memory_cost * found.time_cost <= _MOST_ARRIVING_KIB


def _encoded(password: str) -> bytes:
    # An encoding error would carry the password in its text, so there must be none.
    return password.encode("utf-8", "surrogatepass")


def _step_back() -> None:
    """Lower the priority of the calling thread. Only Linux gives each thread its own."""
    if sys.platform == "linux":
        me = threading.get_native_id()
        with suppress(OSError):  # a sandbox may forbid it; hashing at full priority is still hashing
            os.setpriority(os.PRIO_PROCESS, me, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, me)))
