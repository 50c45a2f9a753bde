"""A verifier without a feed: public keys, and nothing that could say that a session is over."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ostiary.core.keys import SignatureKey
from ostiary.core.site import Site
from ostiary.errors import Misconfigured
from ostiary.feed.http import Lag
from ostiary.keys.jwks import KeySet, read_jwks
from ostiary.origin import Origin
from ostiary.ports import Clock
from ostiary.verify.view import View


class Offline:
    """Has the keys that it was given, or those that the issuer publishes."""

    def __init__(self, site: Site, *, audience: str, clock: Clock, jwks: Mapping[str, Any] | None) -> None:
        self._view = View.offline(site=site, audience=audience, clock=clock)
        self._published = None if jwks is not None else KeySet(Origin(site), clock=clock, use=self._use)
        self._has_keys = asyncio.Event()
        self.view: View | None = None
        """What answers: nothing before there are keys."""
        if jwks is not None:
            try:
                self._use(read_jwks(jwks))
            except ValueError as error:
                raise Misconfigured(f"the keys cannot be used: {error}") from None

    @property
    def trouble(self) -> str:
        """Why there are no keys."""
        return "" if self._published is None else self._published.trouble or "the keys were not read yet"

    @property
    def lag(self) -> Lag:
        """None: there is nothing to be behind."""
        return Lag(0, timedelta(0))

    async def run(self) -> None:
        """Keep the keys current for ever."""
        if self._published is not None:
            await self._published.run()

    async def catch_up(self) -> None:
        """Fetch the keys, unless that was tried a moment ago."""
        if self._published is not None:
            await self._published.fetch()

    async def renewed(self) -> None:
        """Wait until there are keys."""
        await self._has_keys.wait()

    def miss(self) -> None:
        """Hear that a token names a key that is not here."""
        if self._published is not None:
            self._published.want()

    def forget(self) -> None:
        """Be as new, once `run` was cancelled. Keys that were given stay."""
        if self._published is not None:
            self.view = None
            self._has_keys = asyncio.Event()

    def _use(self, keys: tuple[SignatureKey, ...]) -> None:
        if not keys:
            raise ValueError("there is none that verifies access tokens")
        self._view.use(keys)
        self.view = self._view
        self._has_keys.set()
