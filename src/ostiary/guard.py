"""The guard: what stands in front of a request.

`check` answers from memory alone; it stands in `ostiary.check`. What that is unsure of, `ask` asks the store, once for
all who wait. When the lease has run out, it first asks where the feed stands. One answer makes the whole memory good
again; no answer is a refusal.
"""

import asyncio
from collections.abc import Awaitable, Callable

from ostiary.check import Asked, Check, Headers, Unsure
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.floor import Floors
from ostiary.core.policy import Policy
from ostiary.core.session import dead
from ostiary.core.site import Site
from ostiary.core.token import SessionToken
from ostiary.errors import OstiaryError, Unavailable
from ostiary.ports import Clock, Store
from ostiary.shared import Shared

__all__ = ["Guard", "Headers", "Unsure"]

_MOST_ASKS = 5


class Guard(Check):
    """Turns a request into a `Principal` or a refusal. One per process; everything it knows is in its memory."""

    def __init__(
        self,
        *,
        store: Store,
        floors: Floors,
        site: Site,
        audience: str,
        policy: Policy,
        clock: Clock,
        catch_up: Callable[[], Awaitable[None]],
        remember: int = 200_000,
    ) -> None:
        super().__init__(floors=floors, site=site, audience=audience, policy=policy, clock=clock, remember=remember)
        self._store = store
        self._catch_up = catch_up
        self._asking: Shared[str, Asked] = Shared(lambda sid: self._fetch(sid))  # noqa: PLW0108 - a test may put another in its place

    def begin(self) -> None:
        """Begin in this event loop. What was remembered or being asked in another is forgotten."""
        self._asking.forget()
        super().begin()

    async def authenticate(self, headers: Headers, method: str) -> Principal | Denied:
        """Say who is asking: from memory, or from the store when memory cannot say."""
        answer = self.check(headers, method)
        return await self.ask(answer, headers, method) if isinstance(answer, Unsure) else answer

    async def ask(self, unsure: Unsure, headers: Headers, method: str) -> Principal | Denied:
        """Ask the store about what `check` was unsure of. One that cannot answer refuses, never "probably fine"."""
        try:
            for _ in range(_MOST_ASKS):
                if unsure.token is None:
                    await self._catch_up()
                else:
                    answer = await self._ask_about(unsure.token, unsure.digest)
                    if isinstance(answer, Principal) and not self.is_meant(headers, method, answer.session_id):
                        return Denied(Reason.CROSS_SITE)
                    if answer is not None:
                        return answer
                # What was true when the carrier was read may have changed while we asked: read it again.
                again = self.check(headers, method)
                if not isinstance(again, Unsure):
                    return again
                unsure = again
        except OstiaryError:
            pass
        return Denied(Reason.UNAVAILABLE)

    async def still(self, who: Principal, *, ask: bool = False) -> bool:
        """Tell whether a session that was let in is still good: from memory, or from the store where memory cannot say.

        With `ask` the store is asked in any case: that a session has ended by itself is known only there. Where nobody
        can say, it is not good. One whose roles permit other things than before is not the same.
        """
        if who.permissions != self._permitted(who.roles):
            return False
        try:
            if self._elapsed() >= self._floors.fresh_until:
                await self._catch_up()
                ask = True
            if ask and not self._is_same(who, await self._asked(who.session_id)):
                return False
        except OstiaryError:
            return False
        return self._elapsed() < self._floors.fresh_until and who.revision >= self._floors.of.get(who.session_id, 0)

    async def renewed(self) -> bool:
        """Ask for the next lease before this one has run out, and tell whether it came."""
        try:
            await self._catch_up()
        except OstiaryError:
            return False
        return True

    # -------------------------------------------------------------------------------------------- the store

    async def _ask_about(self, token: SessionToken, digest: bytes) -> Principal | Denied | None:
        """Ask the store about a cookie. `None` when what came is too old, or when the keys changed meanwhile."""
        keyring = self._keyring
        asked = await self._asked(token.sid)
        # The time-out of a question does not count sleep. Elapsed time does.
        if keyring is not self._keyring or self._elapsed() - asked.asked_at > self._patience:
            return None
        return self._decide(token, digest, asked)

    async def _asked(self, sid: str) -> Asked:
        """Ask the store once, however many wait. The question is short: its answer is as old as its sending."""
        return await self._asking.answer(sid)

    async def _fetch(self, sid: str) -> Asked:
        asked_at = self._elapsed()
        try:
            async with asyncio.timeout(self._patience), self._store.read() as tx:
                session = await tx.sessions.get(sid)
                user = await tx.users.get(session.user_id) if session is not None else None
        except TimeoutError:
            raise Unavailable("the store does not answer in time") from None
        return Asked(session, user, asked_at)

    def _is_same(self, who: Principal, asked: Asked) -> bool:
        """Tell whether the store knows a session that lives and has not changed since it was let in."""
        session, user = asked.session, asked.user
        if session is None or user is None or user.disabled_at is not None:
            return False
        over = dead(session, now=self._clock.now(), policy=self._policy)
        return over is None and session.revision <= who.revision
