"""The ways to ask: each asks one node for one thing, and writes down what came of it."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from ostiary.core.session import Session
from ostiary.core.user import User
from ostiary.errors import OstiaryError, Refused
from tests.faults.report.client import PATIENCE, Answer, Lost, Request, ask
from tests.faults.report.record import Deed, Kept, Operation, Outcome, Record
from tests.faults.report.stack import Checker, Stack
from tests.faults.report.verifying import NO, YES, judge
from tests.server.running import PASSWORD

SAME_ORIGIN = ("sec-fetch-site", "same-origin")
STILL_GOOD = {"login": 200, "refresh": 200, "token": 200, "session": 200, "logout": 204, "end": 200, "check": 400}
"""What the service answers to who is in. A check asks so that the guard's memory alone answers: it comes before the
query is read, and the query is wrong."""


@dataclass
class Held:
    """What a client holds of one session."""

    user: str
    email: str
    session: str
    carrier: str
    secret: str
    """The cookie's value, or the newest refresh token."""
    access: str = ""
    minted: float = 0.0

    def carried(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that carry the session itself."""
        if self.carrier == "cookie":
            return ("cookie", f"ostiary={self.secret}"), SAME_ORIGIN
        return (("authorization", f"Bearer {self.access}"),)


@dataclass
class Asking:
    """Asks, and keeps the record."""

    stack: Stack
    record: Record = field(default_factory=Record)

    # -------------------------------------------------------------------------------------------- over HTTP

    async def login(self, user: str, email: str, carrier: str) -> Held | None:
        """Log in, and return what came of it."""
        body = {"email": email, "password": PASSWORD, "carrier": carrier}
        sent = time.monotonic()
        outcome, answer = await self._http("login", Request("POST", "/auth/login", (SAME_ORIGIN,), body))
        if answer is None or outcome is not Outcome.YES:
            self._add(Deed.LOGIN, outcome, sent, "server", user=user)
            return None
        said = answer.json
        secret = answer.cookies["ostiary"] if carrier == "cookie" else said["refresh_token"]
        held = Held(user, email, said["session"]["id"], carrier, secret)
        held.access, held.minted = said.get("access_token", ""), time.monotonic()
        self._of(held, Deed.LOGIN, outcome, sent, number=number(held.secret))
        return held

    async def refresh(self, held: Held) -> Outcome:
        """Exchange the refresh token. Without an answer it is kept, and shown again the next time."""
        sent = time.monotonic()
        body = {"refresh_token": held.secret}
        outcome, answer = await self._http("refresh", Request("POST", "/auth/refresh", body=body))
        if answer is not None and outcome is Outcome.YES:
            held.secret, held.access = answer.json["refresh_token"], answer.json["access_token"]
            held.minted = time.monotonic()
        self._of(held, Deed.REFRESH, outcome, sent, number=number(held.secret))
        return outcome

    async def mint(self, held: Held) -> Outcome:
        """Get an access token for a cookie."""
        sent = time.monotonic()
        outcome, answer = await self._http("token", Request("POST", "/auth/token", held.carried()))
        if answer is not None and outcome is Outcome.YES:
            held.access, held.minted = answer.json["access_token"], time.monotonic()
        self._of(held, Deed.MINT, outcome, sent)
        return outcome

    async def check(self, held: Held) -> Outcome:
        """Show the session to the memory of one of the workers."""
        sent, minted = time.monotonic(), held.minted
        outcome, _ = await self._http("check", Request("DELETE", "/auth/sessions?all=neither", held.carried()))
        shown = None if held.carrier == "cookie" else minted
        self._of(held, Deed.CHECK, outcome, sent, minted=shown)
        return outcome

    async def call(self, held: Held) -> Outcome:
        """Show the session to a worker, which looks into the store."""
        sent = time.monotonic()
        outcome, _ = await self._http("session", Request("GET", "/auth/session", held.carried()))
        self._of(held, Deed.ROLL_CALL, outcome, sent)
        return outcome

    async def logout(self, held: Held) -> Outcome:
        """Log out."""
        sent = time.monotonic()
        outcome, _ = await self._http("logout", Request("POST", "/auth/logout", held.carried()))
        self._of(held, Deed.LOGOUT, outcome, sent)
        return outcome

    async def logout_everywhere(self, held: Held) -> Outcome:
        """End all sessions of the user."""
        sent = time.monotonic()
        outcome, _ = await self._http("end", Request("DELETE", "/auth/sessions?all=true", held.carried()))
        self._of(held, Deed.LOGOUT_EVERYWHERE, outcome, sent)
        return outcome

    async def _http(self, what: str, request: Request) -> tuple[Outcome, Answer | None]:
        try:
            answer = await ask(self.stack.service.port, request)
        except Lost:
            return Outcome.LOST, None
        if answer.status == STILL_GOOD[what]:
            return Outcome.YES, answer
        if answer.status == 401:
            return Outcome.NO, answer
        if answer.status in (429, 503):
            return Outcome.UNSURE, answer
        return Outcome.FAILED, answer

    # -------------------------------------------------------------------------------------------- a verifier

    async def verify(self, held: Held, checker: Checker) -> Outcome:
        """Show the access token to a verifier."""
        sent, minted = time.monotonic(), held.minted
        try:
            word = await judge(checker.socket, held.access, patience=PATIENCE)
            outcome = {YES: Outcome.YES, NO: Outcome.NO}.get(word, Outcome.UNSURE)
        except (OSError, TimeoutError):
            outcome = Outcome.LOST
        self._of(held, Deed.CHECK, outcome, sent, node=checker.name, minted=minted)
        return outcome

    # -------------------------------------------------------------------------------------------- beside the service

    async def revoke(self, held: Held) -> Outcome:
        """End the session from beside the service, whatever lies between that and its store."""
        sent = time.monotonic()
        outcome = await self._beside(self.stack.admin.revoke(held.session, actor="faults"))
        self._of(held, Deed.LOGOUT, outcome, sent, node="admin")
        return outcome

    async def give(self, user: str, roles: tuple[str, ...]) -> Outcome:
        """Give a user other roles."""
        sent = time.monotonic()
        outcome = await self._beside(self.stack.admin.accounts.set_roles(user, roles, actor="faults"))
        self._add(Deed.ROLES, outcome, sent, "admin", user=user, roles=roles)
        return outcome

    async def audit(self, held: Held) -> None:
        """Look at what the store keeps."""
        sent = time.monotonic()
        session, user = await self._looked_up(held)
        kept = Kept(is_there=False)
        if session is not None and user is not None:
            is_over = session.revoked_at is not None
            kept = Kept(is_there=True, is_over=is_over, issued=session.issued, roles=user.roles)
        self._of(held, Deed.AUDIT, Outcome.YES, sent, node="store", kept=kept)

    async def _looked_up(self, held: Held, *, tries: int = 20) -> tuple[Session | None, User | None]:
        try:
            async with self.stack.store.read() as tx:
                return await tx.sessions.get(held.session), await tx.users.get(held.user)
        except OstiaryError:
            if not tries:
                raise
        await asyncio.sleep(0.5)
        return await self._looked_up(held, tries=tries - 1)

    async def _beside(self, work: Awaitable[object]) -> Outcome:
        try:
            await work
        except Refused:
            return Outcome.NO
        except OstiaryError:
            return Outcome.LOST  # it may have been done
        return Outcome.YES

    # -------------------------------------------------------------------------------------------- the record

    def _of(self, held: Held, deed: Deed, outcome: Outcome, sent: float, *, node: str = "server", **more: Any) -> None:
        self._add(deed, outcome, sent, node, user=held.user, session=held.session, **more)

    def _add(self, deed: Deed, outcome: Outcome, sent: float, node: str, **more: Any) -> None:
        answered = time.monotonic()
        self.record.add(Operation(deed=deed, outcome=outcome, sent=sent, answered=answered, node=node, **more))


def number(token: str) -> int:
    """Return the number of a session token, which is the third of its parts."""
    return int(token.split(".")[2])


async def roll_call(asking: Asking, held: Held, *, tries: int = 40) -> Outcome:
    """Let a client show that it is in: with its refresh token first, if it has one. It tries until it is told."""
    outcome = Outcome.UNSURE
    for _ in range(tries):
        outcome = await asking.refresh(held) if held.carrier == "bearer" else Outcome.YES
        if outcome is Outcome.YES:
            outcome = await asking.call(held)
        if outcome in (Outcome.YES, Outcome.NO):
            break
        await asyncio.sleep(0.25)
    return outcome
