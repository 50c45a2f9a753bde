"""The load: clients that log in, check, refresh and log out, each in an order that its seed decides."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from tests.faults.report.asking import Asking, Held
from tests.faults.report.record import Outcome
from tests.server.running import PASSWORD

LEASE = 2.0
PACE = 0.15  # seconds between two deeds of one client, about
GHOSTS = 60

# What a client does next: how often, of a thousand.
CHECKS, REFRESHES, LOGOUTS, REVOCATIONS, EVERYWHERE, ROLES = 830, 110, 25, 15, 5, 15


@dataclass
class Client:
    """One client, on one device, of one user. It follows the rules: a token without an answer is shown again."""

    name: str
    user: str
    email: str
    carrier: str
    chance: random.Random
    held: Held | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """It does nothing at the moment, because it was asked to."""


class Load:
    """All clients. They go on until the block ends, and stand still when they are told to `rest`."""

    def __init__(self, asking: Asking, *, seed: int) -> None:
        self.asking = asking
        self.clients: list[Client] = []
        self.ghosts = deque[Held](maxlen=GHOSTS)
        """Sessions that are over, as their clients last held them."""
        self.ended: list[Held] = []
        """Those that were ended since the last audit."""
        self.trouble: BaseException | None = None
        """What ended a client that should have gone on: a mistake of ours."""
        self._seed = seed
        self._go = asyncio.Event()
        self._roles = count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, *, users: int, sessions: int) -> None:
        """Make the accounts, log everybody in, and let them go."""
        for u in range(users):
            email = f"user{u}@example.com"
            account = await self.asking.stack.admin.accounts.register(email=email, password=PASSWORD)
            for s in range(sessions):
                name = f"client {u}.{s}"
                carrier = "bearer" if s % 2 == 0 else "cookie"
                chance = random.Random(f"{self._seed} {name}")
                self.clients.append(Client(name, account.user.id, email, carrier, chance))
        await asyncio.gather(*(self._login(client) for client in self.clients))
        self._go.set()
        for client in self.clients:
            self._spawn(self._live(client))

    async def rest(self) -> None:
        """Let everybody finish what they do, watches included, and stand still."""
        self._go.clear()
        for client in self.clients:
            await client.idle.wait()
            if self.trouble is not None:
                raise self.trouble
        while any(task.get_name() == "watch" for task in self._tasks):
            await asyncio.sleep(0.05)

    def resume(self) -> None:
        """Let everybody go on."""
        self._go.set()

    async def stop(self) -> None:
        """End all clients."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -------------------------------------------------------------------------------------------- a client

    async def _live(self, client: Client) -> None:
        while True:
            if not self._go.is_set():
                client.idle.set()
                await self._go.wait()
                client.idle.clear()
            await self._do_something(client)
            await asyncio.sleep(client.chance.uniform(0.2, 1.8) * PACE)

    async def _do_something(self, client: Client) -> None:
        held = client.held
        if held is None:
            await self._login(client, tries=1)
            return
        weights = (CHECKS, REFRESHES, LOGOUTS, REVOCATIONS, EVERYWHERE, ROLES)
        deeds: tuple[Callable[[Client, Held], Coroutine[Any, Any, None]], ...] = (
            *(self._check, self._renew, self._logout, self._revoke),
            *(self._logout_everywhere, self._change_roles),
        )
        (deed,) = client.chance.choices(deeds, weights)
        await deed(client, held)

    async def _login(self, client: Client, *, tries: int = 20) -> None:
        for _ in range(tries):
            client.held = await self.asking.login(client.user, client.email, client.carrier)
            if client.held is not None:
                if client.carrier == "cookie":
                    await self.asking.mint(client.held)
                return
            await asyncio.sleep(client.chance.uniform(0.2, 0.6))

    async def _check(self, client: Client, held: Held) -> None:
        ghost = client.chance.choice(self.ghosts) if client.chance.random() < 0.1 and self.ghosts else None
        shown = ghost or held
        checkers = self.asking.stack.checkers
        if shown.access and client.chance.random() < 0.5:
            outcome = await self.asking.verify(shown, client.chance.choice(checkers))
        else:
            outcome = await self.asking.check(shown)
        if outcome is Outcome.NO and not ghost:
            await self._renew(client, held)

    async def _renew(self, client: Client, held: Held) -> None:
        """Get another access token. If even that is refused, the session is over.

        A cookie is refused one for the moment in which its worker has not heard of a change of roles yet, so it is
        shown once more to whoever looks into the store.
        """
        for _ in range(3):
            if client.carrier == "bearer":
                outcome = await self.asking.refresh(held)
            elif (outcome := await self.asking.mint(held)) is Outcome.NO:
                outcome = await self.asking.call(held)
            if outcome is Outcome.NO:
                self.over(client, held)
            if outcome in (Outcome.YES, Outcome.NO):
                return
            await asyncio.sleep(client.chance.uniform(0.05, 0.2))

    async def _logout(self, client: Client, held: Held) -> None:
        outcome = await self.asking.logout(held)
        if outcome is Outcome.YES:
            self.over(client, held)
            self._watch(held)
        elif outcome is Outcome.NO:
            await self._renew(client, held)

    async def _revoke(self, client: Client, held: Held) -> None:
        if await self.asking.revoke(held) is Outcome.YES:
            self.over(client, held)
            self._watch(held)

    async def _logout_everywhere(self, client: Client, held: Held) -> None:
        alike = [other.held for other in self.clients if other.user == client.user and other.held is not None]
        if await self.asking.logout_everywhere(held) is Outcome.YES:
            self.over(client, held)
            for each in alike:
                self._watch(each)

    async def _change_roles(self, client: Client, _: Held) -> None:
        await self.asking.give(client.user, (f"role-{next(self._roles)}",))

    def over(self, client: Client, held: Held) -> None:
        client.held = None
        self.ghosts.append(held)
        self.ended.append(held)

    # -------------------------------------------------------------------------------------------- a watch

    def _watch(self, held: Held) -> None:
        """Show a session that is over to everybody, again and again, until everybody refuses it."""
        shown = replace(held)
        end = time.monotonic() + LEASE + 1.0
        self._spawn(self._until_refused(lambda: self.asking.check(shown), 6, end), name="watch")
        if shown.access:
            for checker in self.asking.stack.checkers:
                self._spawn(self._until_refused(partial(self.asking.verify, shown, checker), 2, end), name="watch")

    async def _until_refused(self, show: Callable[[], Coroutine[Any, Any, Outcome]], times: int, end: float) -> None:
        in_a_row = 0
        while in_a_row < times and time.monotonic() < end:
            in_a_row = in_a_row + 1 if await show() is not Outcome.YES else 0
            await asyncio.sleep(0.01)

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str = "client") -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and self.trouble is None:
            self.trouble = task.exception()
