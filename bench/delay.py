"""How long after the answer of a logout another process goes on saying yes.

Two processes serve HTTP, six more hold a guard or a verifier, and all are on one machine. Each of the six notices each
logout for itself. A delay counts from when the client has read the answer: it is negative where the news was faster.

Beside it stands a bare round trip of the same run, through what the news goes through: from when it is sent to when the
same six processes have it. That is what the machine itself costs, as busy as it is now.
"""

import asyncio
import contextlib
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from redis import Redis as RedisClient

from bench.elsewhere import Datagrams, Elsewhere, Entries, Guards, Notices, Verifiers, Watch
from bench.figure import QUICK, Figure
from bench.service import Login, Service
from ostiary.core.policy import WEB
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

USERS = 20
LOGOUTS = 100 if QUICK else 1_000
ROUND_TRIPS = 100 if QUICK else 500
WORKERS, WATCHERS = 2, 6
LONGEST_PAUSE = 0.05  # seconds; pauses are random, so that nothing falls into step with what looks now and then
LEASE = WEB.lease.total_seconds() * 1000


@dataclass(frozen=True, slots=True)
class Delays:
    """What was measured, in milliseconds: one number for each thing in each process, the shortest first."""

    name: str
    all: list[float]
    acting: float
    """How long the act itself took until it was answered, mostly."""

    def part(self, share: float) -> float:
        """Return what this share of them does not exceed."""
        return self.all[min(len(self.all) - 1, int(share * len(self.all)))]


def figures() -> Iterator[Figure]:
    """Measure one way after the other, each beside its bare round trip."""
    with tempfile.TemporaryDirectory() as name, Postgres(durable=True) as postgres, Redis() as redis:
        folder = Path(name)
        datagram, notice, entry = _datagrams(folder), _notices(postgres), _entries(redis)
        with _service(f"sqlite:///{folder}/bench.db", folder) as sqlite:
            yield from _figures("SQLite", _guards(sqlite), datagram)
        with _service(postgres.database(), folder) as alone:
            yield from _figures("PostgreSQL", _guards(alone), notice, p50=3, p99=15)
        with _service(postgres.database(), folder, redis=redis.url()) as beside:
            yield from _figures("PostgreSQL and Redis", _guards(beside), entry, p99=10)
        with _service(postgres.database(), folder) as relaying:
            yield from _figures("HTTP verifier", _verifiers(relaying), datagram, p99=25)


def _figures(
    way: str, ours: Delays, bare: Delays, *, p50: float | None = None, p99: float | None = None
) -> Iterator[Figure]:
    for part, share, at_most in (("p50", 0.5, p50), ("p99", 0.99, p99), ("worst", 1.0, LEASE)):
        yield Figure(
            name=f"logout to refusal, {way}, {part}",
            value=ours.part(share),
            unit=" ms",
            spread=(ours.all[0], ours.all[-1]),
            detail=f"{len(ours.all):,} refusals; the logout itself {ours.acting:.1f} ms; "
            f"a bare {bare.name} {bare.part(share):.2f} ms",
            at_most=at_most,
        )


def _delays(name: str, watch: Watch, act: Callable[[int], object], *, count: int, after_answer: bool) -> Delays:
    """Do something again and again, and measure when other processes notice: after the answer, or after the asking."""
    began: list[float] = []
    answered: list[float] = []
    with Elsewhere(watch, processes=WATCHERS, things=count) as elsewhere:
        for number in range(count):
            time.sleep(random.uniform(0, LONGEST_PAUSE))
            began.append(time.monotonic())
            act(number)
            answered.append(time.monotonic())
        arrivals = elsewhere.arrivals()
    since = answered if after_answer else began
    return Delays(
        name=name,
        all=sorted((at - since[number]) * 1000 for arrived in arrivals for number, at in arrived.items()),
        acting=statistics.median(end - begin for begin, end in zip(began, answered, strict=True)) * 1000,
    )


# ------------------------------------------------------------------------------------------------ logouts


@contextlib.contextmanager
def _service(store: str, folder: Path, *, redis: str | None = None) -> Generator[Service]:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        yield Service.at(store, Path(own), redis=redis)


def _guards(service: Service) -> Delays:
    logins = _logins(service)
    return _logouts(service, logins, Guards(service, logins))


def _verifiers(service: Service) -> Delays:
    logins = _logins(service)
    return _logouts(service, logins, Verifiers(service, asyncio.run(service.let_in()), logins))


def _logins(service: Service) -> list[Login]:
    return asyncio.run(service.log_in(users=USERS, each=LOGOUTS // USERS))


def _logouts(service: Service, logins: list[Login], watch: Watch) -> Delays:
    with service.served(workers=WORKERS) as client:
        return _delays("logout", watch, lambda n: client.log_out(logins[n]), count=LOGOUTS, after_answer=True)


# ------------------------------------------------------------------------------------------------ bare round trips


def _notices(postgres: Postgres) -> Delays:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(postgres.url()))

        def notify(number: int) -> None:
            runner.run(connection.execute(f"NOTIFY bench, '{number}'"))

        found = _delays("NOTIFY", Notices(postgres.url()), notify, count=ROUND_TRIPS, after_answer=False)
        runner.run(connection.close())
    return found


def _entries(redis: Redis) -> Delays:
    with RedisClient.from_url(redis.url()) as client:
        return _delays(
            "XADD",
            Entries(redis.url()),
            lambda number: client.xadd("bench", {"number": number}),
            count=ROUND_TRIPS,
            after_answer=False,
        )


def _datagrams(folder: Path) -> Delays:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:

        def shout(number: int) -> None:
            for ear in folder.glob("*.ear"):
                mouth.sendto(str(number).encode(), str(ear))

        return _delays("datagram", Datagrams(folder), shout, count=ROUND_TRIPS, after_answer=False)
