"""Follows the feed over HTTP, in a service that has no store. The format is that of `feed.wire`.

It reads a snapshot, and follows from its head until the view that it began must be started over: `_following` says
when. While a new view is read the last one goes on answering, for as long as its lease lets it.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Generic

import msgspec

from ostiary.core.policy import WEB
from ostiary.errors import OstiaryError, Unavailable
from ostiary.feed.http._following import Following, Lag, V
from ostiary.feed.wire import SnapshotOut
from ostiary.origin import Origin
from ostiary.ports import Clock

__all__ = ["SNAPSHOT", "HttpFollower", "Lag"]

log = logging.getLogger("ostiary.feed")

SNAPSHOT = "/auth/feed/snapshot"
LARGEST_SNAPSHOT = 256 * 1024 * 1024
"""In bytes. A million floors take less than half of it."""

_SNAPSHOT_WITHIN = 30.0
_LONGEST_PAUSE = 5.0

Begin = Callable[[SnapshotOut], V]
"""Makes a view of a snapshot. Raises `ValueError` when it cannot be used."""


class HttpFollower(Generic[V]):
    """Keeps a view current. `run` never ends by itself; while nobody answers, the lease simply runs out."""

    def __init__(self, origin: Origin, *, clock: Clock, begin: Begin[V]) -> None:
        self._origin = origin
        self._clock = clock
        self._begin = begin
        self._following: Following[V] | None = None
        self._renewed = asyncio.Event()
        self.view: V | None = None
        """What answers: the last view whose lease was ever renewed."""
        self.trouble = "nobody follows the feed"
        """Why the feed cannot be followed now, or nothing."""

    @property
    def is_fresh(self) -> bool:
        """Whether memory may answer."""
        return self.view is not None and self._clock.elapsed() < self.view.floors.fresh_until

    @property
    def lag(self) -> Lag:
        """How far behind it is."""
        return self._following.lag if self._following is not None else Lag(0, timedelta(0))

    async def run(self) -> None:
        """Follow for ever, in this event loop. Whatever goes wrong is logged once and tried again."""
        self._origin.open()
        try:
            tries = 0
            while True:
                began = self._clock.elapsed()
                try:
                    await self._follow()
                except OstiaryError as error:
                    self._is_troubled(str(error))
                except Exception as error:  # noqa: BLE001 - a follower that ends would never come back
                    self._is_troubled(repr(type(error)))
                tries = 0 if self._clock.elapsed() - began > _LONGEST_PAUSE else min(tries + 1, 10)
                # All verifiers of a service that was away come back to it: not in step.
                await asyncio.sleep(random.uniform(0.5, 1) * min(_LONGEST_PAUSE, 0.02 * 2**tries))  # noqa: S311 - no secret
        finally:
            await self._origin.close()

    async def catch_up(self) -> None:
        """Ask for the head, once for all who wait, and return when memory may answer.

        Raises:
            Unavailable: it may not, half a lease later.
        """
        following = self._following
        patience = WEB.lease.total_seconds() / 2 if following is None else following.patience
        try:
            async with asyncio.timeout(patience):
                if following is not None:
                    await following.ask()
                await self.renewed()
        except TimeoutError:
            raise Unavailable(self.trouble or f"{self._origin.name} does not answer in time") from None

    async def renewed(self) -> None:
        """Wait until memory may answer."""
        while not self.is_fresh:
            await self._renewed.wait()

    def forget(self) -> None:
        """Be as new, once `run` was cancelled: nothing is kept current any more."""
        self._following = self.view = None
        self._renewed = asyncio.Event()
        self.trouble = "nobody follows the feed"

    async def _follow(self) -> None:
        snapshot_bytes = await self._origin.get(SNAPSHOT, within=_SNAPSHOT_WITHIN, most=LARGEST_SNAPSHOT)
        try:
            snapshot = msgspec.json.decode(snapshot_bytes, type=SnapshotOut)
            view = self._begin(snapshot)
        except (ValueError, OverflowError, RecursionError) as error:
            raise Unavailable(f"the snapshot of {self._origin.name} cannot be used: {error}") from None
        self._following = Following(
            self._origin, view, self._clock, lease=snapshot.lease, renewed=self._is_renewed, troubled=self._is_troubled
        )
        await self._following.run()

    def _is_renewed(self, view: V) -> None:
        if self.trouble:
            log.info("following the feed of %s", self._origin.name)
        self.view, self.trouble = view, ""
        self._renewed.set()
        self._renewed = asyncio.Event()

    def _is_troubled(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            log.warning("cannot follow the feed: %s", trouble)
