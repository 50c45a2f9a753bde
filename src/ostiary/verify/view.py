"""What a verifier knows, and the guard that answers from it."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import msgspec

from ostiary.core.access import Roles
from ostiary.core.floor import Floors, Snapshot
from ostiary.core.keys import Keyring, SignatureKey
from ostiary.core.policy import WEB, Policy
from ostiary.core.site import Site
from ostiary.errors import Unavailable
from ostiary.feed.wire import DocumentOut, SnapshotOut
from ostiary.guard import Guard
from ostiary.keys.jwks import read_jwks
from ostiary.ports import Clock, Counters, Transaction

_NEVER = timedelta.max

ANY = replace(WEB, name="of any issuer", session_life=_NEVER, idle_life=_NEVER, seen_every=_NEVER / 4)
"""What a verifier knows of a policy before its issuer says more. Nobody here writes down when a session was used."""


class View:
    """Floors, keys and roles, and a guard that answers from them.

    Other threads may ask the guard while a document is put to use. So it is not changed but replaced: what one of them
    verifies with the old keys is remembered by the old guard, and forgotten with it.
    """

    def __init__(self, *, site: Site, audience: str, policy: Policy, clock: Clock) -> None:
        self.floors = Floors(policy)
        self._site = site
        self._audience = audience
        self._policy = policy
        self._clock = clock
        self._keys: tuple[SignatureKey, ...] = ()
        self._roles = Roles.of({})
        self.guard = self._guard()

    @classmethod
    def of(cls, snapshot: SnapshotOut, *, site: Site, audience: str, clock: Clock) -> "View":
        """Begin with a snapshot that was just asked for.

        Raises:
            ValueError: it is another issuer's, or it contradicts itself.
        """
        if snapshot.issuer != site.issuer:
            raise ValueError(f"it is that of {snapshot.issuer!r}")
        policy = replace(
            ANY,
            name="of the issuer",
            access_life=timedelta(seconds=snapshot.access_life),
            leeway=timedelta(seconds=snapshot.leeway),
            lease=timedelta(seconds=snapshot.lease),
            grace=timedelta(0),
        )
        elapsed = clock.elapsed()
        view = cls(site=site, audience=audience, policy=policy, clock=clock)
        floors = tuple(floor.read() for floor in snapshot.floors)
        view.floors.start(Snapshot(snapshot.read(), floors), asked_at=elapsed, elapsed=elapsed)
        for document in snapshot.documents:
            view.load(document)
        return view

    @classmethod
    def offline(cls, *, site: Site, audience: str, clock: Clock) -> "View":
        """Begin with no feed: nothing is ever heard of a logout, and there is no lease that could run out."""
        view = cls(site=site, audience=audience, policy=ANY, clock=clock)
        view.floors.fresh_until = float("inf")
        return view

    def load(self, document: DocumentOut) -> None:
        """Put a document to use. One that this version does not know means nothing to it.

        Raises:
            ValueError: it cannot be read.
        """
        match document.name:
            case "keys":
                self.use(read_jwks(document.body))
            case "roles":
                self._roles = Roles.of(msgspec.convert(document.body, dict[str, frozenset[str]]))
                self.guard = self._guard()
            case _:
                pass

    def use(self, keys: Sequence[SignatureKey]) -> None:
        """Verify with these keys from now on."""
        self._keys = tuple(keys)
        self.guard = self._guard()

    def _guard(self) -> Guard:
        guard = Guard(
            store=_NoStore(),
            floors=self.floors,
            site=self._site,
            audience=self._audience,
            policy=self._policy,
            clock=self._clock,
            catch_up=_NoStore().open,
        )
        guard.equip(keyring=Keyring(macs=(), signatures=self._keys), roles=self._roles)
        return guard


class _NoStore:
    """A store that knows nothing. It is never asked: only a genuine cookie leads to it, and without a key none is."""

    async def open(self) -> None:
        self._refuse()

    async def close(self) -> None:
        self._refuse()

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        self._refuse()

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        self._refuse()

    def counting(self) -> AbstractAsyncContextManager[Counters]:
        self._refuse()

    async def changed(self, *, wait: float) -> bool:
        self._refuse(wait)

    def _refuse(self, *_: Any) -> NoReturn:  # noqa: ANN401 - whatever was asked
        raise Unavailable("a verifier has no store")
