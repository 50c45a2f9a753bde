"""Two workers whose feed goes over Redis. Whatever happens to Redis, a logout is noticed within the lease."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ostiary import Auth, Carrier
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.site import Site
from ostiary.errors import Refused
from ostiary.feed.redis import RedisStream
from ostiary.keys.vault import SealedVault
from ostiary.methods.password import Password
from ostiary.stores.redis import BesideTransaction, RedisBeside
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.system import SystemClock, SystemEntropy
from ostiary.testing import CHEAPEST
from tests.conftest import ISSUER, PASSWORD, headers_of
from tests.feed.streams import up
from tests.servers.redis import Redis

pytestmark = pytest.mark.xdist_group("timing")

LEASE = CHEAPEST.lease.total_seconds()


class Counted(RedisBeside):
    """A store that counts how often it is read."""

    reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[BesideTransaction]:
        self.reads += 1
        async with super().read() as tx:
            yield tx


@dataclass
class Worker:
    """A process of the service: its `Auth`, and its store."""

    auth: Auth
    store: Counted


def worker(folder: Path, url: str) -> Worker:
    """Put a worker together as a service with Redis does."""
    clock, entropy = SystemClock(), SystemEntropy()
    vault = SealedVault(folder / "master.key", entropy=entropy)
    sql = SqlStore(sqlite_url(folder / "ostiary.db"), migrate=True)
    store = Counted(sql, url, clock=clock, secrets=partial(vault.derive, "challenges"))
    auth = Auth(
        store=store,
        vault=vault,
        password=Password(CHEAPEST.password),
        site=Site.of(ISSUER),
        clock=clock,
        entropy=entropy,
        stream=RedisStream(url, secrets=partial(vault.derive, "stream")),
        policy=CHEAPEST,
    )
    return Worker(auth, store)


@pytest.fixture
async def workers(own_redis: Redis, tmp_path: Path) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two workers with Ada in their store."""
    near, far = worker(tmp_path, own_redis.url()), worker(tmp_path, own_redis.url())
    async with near.auth.running(), far.auth.running():
        await near.auth.accounts.register(email="ada@example.com", password=PASSWORD)
        yield near, far


async def logout(near: Worker, far: Worker, who: Principal, check: Callable[[], object]) -> float:
    """Log out at one worker, and return after how many seconds the other refuses: within the lease, in any case."""
    await near.auth.logout(who)
    answered = time.perf_counter()
    while True:
        after = time.perf_counter() - answered  # taken before the look: what is seen is as old as this at least
        if not isinstance(check(), Principal):
            return after
        assert after < LEASE
        await asyncio.sleep(0.001)


async def seen(near: Worker, far: Worker, count: int) -> list[tuple[Principal, Callable[[], object]]]:
    """Log in so often, and let the far worker see each session, so that it answers from memory."""
    proof = await near.auth.prove("ada@example.com", PASSWORD)
    sessions: list[tuple[Principal, Callable[[], object]]] = []
    for _ in range(count):
        headers = headers_of(near.auth, await near.auth.login(proof, carrier=Carrier.COOKIE))
        who = await far.auth.authenticate(headers, "GET")
        assert isinstance(who, Principal)
        sessions.append((who, partial(far.auth.guard.check, headers, "GET")))
    return sessions


async def test_no_question_for_each_logout(workers: tuple[Worker, Worker]) -> None:
    """A hundred logouts reach the other worker by the stream, and it asks the store no oftener than without any."""
    near, far = workers
    sessions = await seen(near, far, 100)
    delays = []
    far.store.reads, began = 0, time.monotonic()
    for who, check in sessions:
        delays.append(await logout(near, far, who, check))
        assert check() == Denied(Reason.REVOKED)
    questions, for_the_lease = far.store.reads, (time.monotonic() - began) / (LEASE / 4)

    delays.sort()
    print(f"logout to refusal over Redis: p50 {delays[50] * 1000:.1f} ms, p99 {delays[98] * 1000:.1f} ms")
    print(f"questions of the follower: {questions} in {for_the_lease * LEASE / 4:.2f} s, for 100 changes")
    assert delays[50] < LEASE / 8  # by asking it would take up to twice that
    assert questions <= for_the_lease + 2


@pytest.mark.parametrize("fault", ["kill", "pause", "flush"])
async def test_noticed_whatever_happens(own_redis: Redis, workers: tuple[Worker, Worker], fault: str) -> None:
    """Logouts before, while and after Redis is lost are refused within the lease at the other worker, each of them."""
    near, far = workers
    sessions = await seen(near, far, 30)
    delays = []
    for number, (who, check) in enumerate(sessions):
        match number, fault:
            case 10, _:
                await asyncio.to_thread(getattr(own_redis, fault))
            case 20, "kill":
                await asyncio.to_thread(own_redis.start)
            case 20, "pause":
                own_redis.resume()
            case _:
                pass
        delays.append(await logout(near, far, who, check))

    print(
        f"{fault}: slowest logout to refusal {max(delays) * 1000:.0f} ms, while away {max(delays[10:20]) * 1000:.0f} ms"
    )


async def test_it_carries_again(own_redis: Redis, workers: tuple[Worker, Worker]) -> None:
    """After a restart of Redis the stream carries again, and the store is spared again."""
    near, far = workers
    sessions = await seen(near, far, 30)
    await asyncio.to_thread(own_redis.kill)
    await logout(near, far, *sessions[0])
    await asyncio.to_thread(own_redis.start)
    for each in (near, far):
        assert each.auth._stream is not None
        await up(each.auth._stream)
    far.store.reads, began = 0, time.monotonic()
    for session in sessions[1:]:
        await logout(near, far, *session)

    assert far.store.reads <= (time.monotonic() - began) / (LEASE / 4) + 2


async def test_a_login_waits_for_nobody(own_redis: Redis, workers: tuple[Worker, Worker]) -> None:
    """While Redis hangs nobody logs in, and that holds up no logout: nobody holds the store while waiting for Redis."""
    near, far = workers
    [(who, check), *_] = await seen(near, far, 1)
    own_redis.pause()
    with pytest.raises(Exception, match="Redis"):
        await near.auth.prove("ada@example.com", PASSWORD)
    logins = asyncio.gather(*(near.auth.prove("ada@example.com", PASSWORD) for _ in range(50)), return_exceptions=True)
    began = time.monotonic()
    await logout(near, far, who, check)
    took = time.monotonic() - began
    own_redis.resume()

    assert {type(error).__name__ for error in await logins} == {"Unavailable"}
    assert took < 10  # fifty logins wait for a second each


async def test_put_together_by_auth(own_redis: Redis, tmp_path: Path) -> None:
    """`Auth.at` with a Redis, on an empty folder: tries are counted there, and a logout comes over the stream."""
    near, far = (
        Auth.at(
            sqlite_url(tmp_path / "app.db"),
            key_file=tmp_path / "app.key",
            issuer=ISSUER,
            redis=own_redis.url(),
            policy=CHEAPEST,
        )
        for _ in range(2)
    )
    async with near.running(), far.running():
        await near.accounts.register(email="ada@example.com", password=PASSWORD)
        proof = await near.prove("ada@example.com", PASSWORD)
        headers = headers_of(near, await near.login(proof, carrier=Carrier.COOKIE))
        who = await far.authenticate(headers, "GET")
        assert isinstance(who, Principal)
        await near.logout(who)
        while isinstance(far.guard.check(headers, "GET"), Principal):
            await asyncio.sleep(0.001)
        with pytest.raises(Refused):
            await near.prove("ada@example.com", "wrong")
        keys = own_redis.query("KEYS", "*").split()

    assert any(key.startswith("{ostiary}:counter:") for key in keys)
    assert "{ostiary}:feed" in keys
    with contextlib.closing(sqlite3.connect(tmp_path / "app.db")) as database:
        assert database.execute("SELECT count(*) FROM counters").fetchone() == (0,)
