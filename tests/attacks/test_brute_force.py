"""A day of guessing at one account, by every trick at once, against real counters; its owner logs in every hour.

The day is the clock's, not ours: it goes on by as long as the guessers are told to wait. What counts as a guess is what
was really compared with the owner's hash, wherever it came in.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.site import Site
from ostiary.methods.password import Password
from ostiary.ports import Store
from ostiary.server.app import not_found
from ostiary.stores.redis import RedisBeside
from ostiary.testing import CHEAPEST, FakeClock
from tests.attacks.visits import BROWSER
from tests.conftest import ISSUER, PASSWORD, House, make_house, sqlite_store
from tests.servers.redis import Redis

ADA = "ada@example.com"
EVE = "eve@example.com"
DAY, HOUR, EDGE = timedelta(days=1), timedelta(hours=1), timedelta(milliseconds=1)
PROXY = "10.0.0.1"


class Watched(Password):
    """A method that says when a password was compared with one user's."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(CHEAPEST.password)
        self.victim = ""
        self.guesses = list[datetime]()
        self._clock = clock

    async def _judge(self, store: Store, account: Any, password: str, *, now: datetime) -> Any:
        if account.user is not None and account.user.id == self.victim and password != PASSWORD:
            self.guesses.append(self._clock.now())
        return await super()._judge(store, account, password, now=now)


@dataclass
class Siege:
    """A house, its door, and whoever is in front of it."""

    house: House
    door: Door
    watched: Watched
    answers: list[int] = field(default_factory=list[int])
    _turns: Iterator[int] = field(default_factory=count)

    @contextmanager
    def client(self, address: str) -> Generator[httpx.AsyncClient]:
        """Return a client that holds nothing yet."""
        transport = httpx.ASGITransport(self.door, client=(address, 5000))
        yield httpx.AsyncClient(transport=transport, base_url=ISSUER)

    async def guess(
        self, email: str = ADA, *, address: str = "", headers: dict[str, str] | None = None, **more: Any
    ) -> int:
        """Guess once. Returns for how many seconds to wait: none, if it was let through."""
        turn = next(self._turns)
        body = {"email": email, "password": f"guess {turn}", "carrier": "cookie"} | more
        with self.client(address or f"198.51.{turn // 256 % 256}.{turn % 256}") as client:
            return self.note(await client.post("/auth/login", json=body, headers={**BROWSER, **(headers or {})}))

    async def guess_on_the_page(self) -> int:
        """Guess by the form that a person sees."""
        turn = next(self._turns)
        form = {"email": ADA, "password": f"guess {turn}"}
        with self.client(f"192.0.2.{turn % 256}") as client:
            return self.note(await client.post("/auth/sign-in", data=form, headers=BROWSER))

    def note(self, answer: httpx.Response) -> int:
        """Return for how many seconds an answer says to wait."""
        self.answers.append(answer.status_code)
        assert answer.status_code in (401, 429), answer.text
        return int(answer.headers["retry-after"]) if answer.status_code == 429 else 0

    async def tricks(self, eve: str) -> list[int]:
        """Try everything at once. `eve` is what a device of the guesser's own is known by."""
        turn = next(self._turns)
        spoofed: dict[str, str] = dict.fromkeys(
            ("x-forwarded-for", "x-real-ip", "forwarded"), f"203.0.113.{turn % 256}"
        )
        return await asyncio.gather(
            self.guess(address="203.0.113.1"),
            self.guess(address="203.0.113.1", headers=spoofed),
            self.guess(address=PROXY, headers={"x-forwarded-for": f"192.0.2.{turn % 256}, 203.0.113.1"}),
            self.guess(address=f"2001:db8:0:{turn:x}::1"),
            self.guess(address=f"2001:db8::{turn:x}"),
            self.guess(" ADA@Example.COM "),
            self.guess("\uff41da\uff20example\u3002com"),
            self.guess(carrier="bearer"),
            self.guess(carrier="bearer", device_token=eve),
            self.guess(headers={"cookie": f"__Host-ostiary-device={eve}"}),
            self.guess(headers={"cookie": "__Host-ostiary-device=osd1" + ".AAAAAAAAAAAAAAAAAAAAAA" * 2}),
            self.guess_on_the_page(),
            *(self.guess() for _ in range(3)),
        )

    async def succeed(self, client: httpx.AsyncClient, email: str) -> httpx.Response:
        """Log in as oneself."""
        body = {"email": email, "password": PASSWORD, "carrier": "cookie"}
        return await client.post("/auth/login", json=body, headers=BROWSER)


@pytest.fixture(params=["sqlite", "redis"])
async def siege(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Siege]:
    """A house with Ada and Eve in it, with real counters."""
    clock, store = FakeClock(), sqlite_store(tmp_path)
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        redis.flush()
        store = RedisBeside(store, redis.url(), clock=clock, secrets=lambda: [b"k" * 32])
    watched = Watched(clock)
    house = make_house(store, tmp_path, clock=clock, site=Site.of(ISSUER, proxies=[PROXY]), password=watched)
    async with house.auth.running():
        watched.victim = (await house.user(ADA)).user.id
        await house.user(EVE)
        yield Siege(house, Door(not_found, house.auth, service=True, pages=True), watched)


async def test_a_day_of_guessing(siege: Siege) -> None:
    """Fewer than 100 guesses get through in a day, and the owner is let in every hour on a device used before."""
    clock = siege.house.clock
    end, owner_at = clock.now() + DAY, clock.now()
    owners = list[int]()
    with siege.client("203.0.113.200") as owner, siege.client("203.0.113.201") as eve:
        await siege.succeed(owner, ADA)
        device = (await siege.succeed(eve, EVE)).cookies["__Host-ostiary-device"]
        while clock.now() < end:
            if clock.now() >= owner_at:
                owner_at += HOUR
                if len(owners) % 6 == 5:  # a success on a device that is new, when the window has just opened
                    with siege.client("203.0.113.202") as new:
                        assert (await siege.succeed(new, ADA)).status_code == 200
                owning = asyncio.create_task(siege.succeed(owner, ADA))
                waits = await siege.tricks(device)
                owners.append((await owning).status_code)
                await siege.succeed(eve, EVE)  # a success in between, from the guesser's own account
            else:
                waits = await siege.tricks(device)
            wait = timedelta(seconds=min(waits))
            if wait:
                clock.advance(wait - EDGE)
                assert await siege.guess() == 1  # the window has not opened yet
                clock.advance(EDGE)

    assert len(owners) == 24
    assert set(owners) == {200}
    assert 70 < len(siege.watched.guesses) < 100
    assert siege.answers.count(401) == len(siege.watched.guesses)


async def test_an_owner_on_a_new_device(siege: Siege) -> None:
    """A day of guesses locks nobody out for good: after the longest wait the owner gets in on a new device, too."""
    clock = siege.house.clock
    for _ in range(30):
        clock.advance(timedelta(seconds=max(1, await siege.guess())))

    clock.advance(timedelta(minutes=20))
    with siege.client("203.0.113.200") as owner:
        answer = await siege.succeed(owner, ADA)

    assert answer.status_code == 200
