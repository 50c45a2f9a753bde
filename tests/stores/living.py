"""An `Auth` on a PostgreSQL, in real time and with a short lease, and what its users see while the server is ill."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ostiary import Auth, Issued
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import Policy
from ostiary.core.session import Carrier
from ostiary.testing import CHEAPEST
from tests.conftest import ISSUER, PASSWORD, headers_of

LEASE = 1.0
PATIENCE = 20.0
"""Seconds, for what is there in much less on a machine that does nothing else."""
POLICY = replace(CHEAPEST, lease=timedelta(seconds=LEASE))
EMAIL = "ada@example.com"


@dataclass
class Living:
    """A running `Auth`, and one user of it."""

    auth: Auth

    async def login(self, carrier: Carrier = Carrier.BEARER) -> Issued:
        """Log the user in."""
        return await self.auth.login(await self.auth.prove(EMAIL, PASSWORD), carrier=carrier)

    async def ask(self, issued: Issued) -> Principal | Denied:
        """Present what was issued."""
        return await self.auth.authenticate(headers_of(self.auth, issued), "GET")

    async def who(self, issued: Issued) -> Principal:
        """Present what was issued, and be let in."""
        answer = await self.ask(issued)
        assert isinstance(answer, Principal), answer
        return answer

    async def logout(self, issued: Issued) -> None:
        """Log out."""
        await self.auth.logout(await self.who(issued))

    def remembers(self, issued: Issued) -> bool:
        """Say whether memory alone lets in."""
        return isinstance(self.auth.guard.check(headers_of(self.auth, issued), "GET"), Principal)

    async def refuses(self, issued: Issued) -> float:
        """Wait until memory refuses a session as revoked, and return how long that took. After the lease none is in."""
        started = time.monotonic()
        headers = headers_of(self.auth, issued)
        while True:
            after = time.monotonic() - started  # taken before the look: what is seen is as old as this at least
            answer = self.auth.guard.check(headers, "GET")
            if answer == Denied(Reason.REVOKED):
                return after
            assert after <= LEASE or not isinstance(answer, Principal)
            assert after < PATIENCE, answer
            await asyncio.sleep(0.002)


@asynccontextmanager
async def living(
    url: str, folder: Path, *, registers: bool = True, redis: str | None = None, policy: Policy = POLICY
) -> AsyncGenerator[Living]:
    """Run an `Auth`. Those in one folder share their keys."""
    auth = Auth.at(url, key_file=folder / "master.key", issuer=ISSUER, policy=policy, redis=redis)
    async with auth.running():
        if registers:
            await auth.accounts.register(email=EMAIL, password=PASSWORD)
        yield Living(auth)


async def until(holds: Callable[[], Awaitable[Any]], *, within: float = PATIENCE) -> float:
    """Wait until something holds, and return how long that took."""
    started = time.monotonic()
    while not await holds():
        assert time.monotonic() < started + within, "it never did"
        await asyncio.sleep(0.01)
    return time.monotonic() - started
