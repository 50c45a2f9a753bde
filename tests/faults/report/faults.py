"""The faults: what each does to the stack, for how long, and how it is mended. Each ends with everything whole again."""

# ruff: noqa: E501 - tables

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from tests.faults.report.asking import SAME_ORIGIN, Asking, Held
from tests.faults.report.client import Request, hang_up
from tests.faults.report.load import LEASE, Load
from tests.faults.report.proxy import Line
from tests.faults.report.record import Outcome
from tests.faults.report.stack import Stack
from tests.server.running import PASSWORD

LONGER = LEASE + 1.5
"""Seconds: longer than a lease, and what that leaves time to be seen in."""
HANG_UPS = 1000


class Skipped(Exception):
    """It cannot be done on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault acts on, and the chance that decides what is left open."""

    stack: Stack
    load: Load
    chance: random.Random

    @property
    def asking(self) -> Asking:
        return self.load.asking


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Those that hit the same `target` are not mixed; those without one stand alone."""

    name: str
    act: Callable[[Scene], Awaitable[None]]
    target: str = ""


# ------------------------------------------------------------------------------------------------ processes


async def nothing(_: Scene) -> None:
    """Let a while pass."""
    await asyncio.sleep(2 * LONGER)


async def kill_worker(scene: Scene) -> None:
    """The parent starts another."""
    os.kill(scene.chance.choice(scene.stack.service.workers_of()), signal.SIGKILL)
    await asyncio.sleep(LONGER)


async def stop_worker(scene: Scene) -> None:
    """What it was asked meanwhile, it answers when it goes on."""
    worker = scene.chance.choice(scene.stack.service.workers_of())
    os.kill(worker, signal.SIGSTOP)
    await asyncio.sleep(LONGER)
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGCONT)


async def kill_service(scene: Scene) -> None:
    """The workers have to notice that their parent is gone."""
    await scene.stack.kill_service()
    await scene.stack.start_service()


async def kill_verifier(scene: Scene) -> None:
    """It starts anew, and knows nothing."""
    checker = scene.chance.choice(scene.stack.checkers)
    checker.kill()
    await asyncio.sleep(0.5)
    checker.start()
    await asyncio.sleep(LONGER)


async def stop_verifier(scene: Scene) -> None:
    """It does not notice how long it slept, unless it looks at a clock."""
    checker = scene.chance.choice(scene.stack.checkers)
    checker.send(signal.SIGSTOP)
    await asyncio.sleep(LONGER)
    checker.send(signal.SIGCONT)


async def kill_postgres(scene: Scene) -> None:
    """It recovers from its log."""
    postgres = scene.stack.postgres
    await asyncio.to_thread(postgres.kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(postgres.start)
    await asyncio.sleep(1)


async def stop_postgres(scene: Scene) -> None:
    """Connections stay, and nothing is answered."""
    await asyncio.to_thread(scene.stack.postgres.pause)
    await asyncio.sleep(LONGER)
    await asyncio.to_thread(scene.stack.postgres.resume)


async def restart_postgres(scene: Scene) -> None:
    """Its clients are sent away."""
    await asyncio.to_thread(scene.stack.postgres.restart)
    await asyncio.sleep(1)


async def fill_disk(scene: Scene) -> None:
    """Every write fails, until PostgreSQL itself cannot go on; then there is room again."""
    stack = scene.stack
    if stack.disk is None:
        raise Skipped("no disk of its own could be mounted for PostgreSQL")
    ballast = stack.disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    await asyncio.sleep(LONGER / 2)
    with suppress(RuntimeError):
        await asyncio.to_thread(stack.postgres.query, "SELECT pg_switch_wal()")
    await asyncio.sleep(LONGER / 2)
    ballast.unlink()
    if not stack.postgres.is_running():
        await asyncio.to_thread(stack.postgres.kill)
        await asyncio.to_thread(stack.postgres.start)
    await asyncio.sleep(1)


async def kill_redis(scene: Scene) -> None:
    """It comes back with nothing: it keeps nothing on a disk."""
    redis = scene.stack.redis
    await asyncio.to_thread(redis.kill)
    await asyncio.sleep(LONGER)
    await asyncio.to_thread(redis.start)
    await asyncio.sleep(1)


async def stop_redis(scene: Scene) -> None:
    """It takes everything in, and answers nothing."""
    await asyncio.to_thread(scene.stack.redis.pause)
    await asyncio.sleep(LONGER)
    await asyncio.to_thread(scene.stack.redis.resume)


async def empty_redis(scene: Scene) -> None:
    """It forgets everything while it runs, three times."""
    for _ in range(3):
        await asyncio.to_thread(scene.stack.redis.flush)
        await asyncio.sleep(1)


# ------------------------------------------------------------------------------------------------ the network


async def cut(scene: Scene, line: str) -> None:
    """Nothing passes, and nobody is told."""
    _line(scene, line).cut()
    await asyncio.sleep(LONGER)
    _line(scene, line).mend()


async def slow(scene: Scene, line: str) -> None:
    """Everything is late by 150 ms, each way."""
    _line(scene, line).delay = 0.15
    await asyncio.sleep(2 * LONGER)
    _line(scene, line).mend()


async def reset(scene: Scene, line: str) -> None:
    """All connections break, ten times."""
    for _ in range(10):
        _line(scene, line).reset()
        await asyncio.sleep(0.3)


def _line(scene: Scene, name: str) -> Line:
    stack = scene.stack
    return {"PostgreSQL": stack.to_postgres, "Redis": stack.to_redis, "verifiers": stack.to_service}[name]


# ------------------------------------------------------------------------------------------------ the clock


async def shift(scene: Scene, by: timedelta, *, whose: tuple[str, ...]) -> None:
    """The time of day jumps and jumps back. One worker is killed in between, so that the next starts in the wrong time.

    Who saw time jump forward stays ahead when it jumps back, by design, and has to be started anew.
    """
    clocks = [scene.stack.clocks[name] for name in whose]
    if not all(clock.can_be_shifted for clock in clocks):
        raise Skipped("there is no C compiler to build the clock with")
    for clock in clocks:
        clock.shift(round(by.total_seconds()))
    await asyncio.sleep(LONGER / 2)
    if "service" in whose:
        os.kill(scene.chance.choice(scene.stack.service.workers_of()), signal.SIGKILL)
    await asyncio.sleep(LONGER)
    for clock in clocks:
        clock.shift(0)
    await asyncio.sleep(LONGER / 2)
    if by > timedelta(0):
        await scene.stack.restart_all()


# ------------------------------------------------------------------------------------------------ clients that go


async def hang_ups(scene: Scene) -> None:
    """A thousand clients go in the middle of what they send, or before the answer. Their sessions are theirs still."""
    asking, chance = scene.asking, scene.chance
    guests: list[Held] = []
    for client in scene.load.clients[:12]:
        while (guest := await asking.login(client.user, client.email, client.carrier)) is None:
            await asyncio.sleep(0.2)
        guests.append(guest)
    at_once = asyncio.Semaphore(40)

    async def go() -> None:
        async with at_once:
            await _hang_up(asking, chance, chance.choice(guests))

    await asyncio.gather(*(go() for _ in range(HANG_UPS)))
    for guest in guests:
        await roll_call(asking, guest)
        await asking.audit(guest)
        await asking.revoke(guest)


async def _hang_up(asking: Asking, chance: random.Random, guest: Held) -> None:
    requests = [
        Request("DELETE", "/auth/sessions?all=neither", guest.carried()),
        Request("GET", "/auth/session", guest.carried()),
        Request(
            "POST", "/auth/login", (SAME_ORIGIN,), {"email": guest.email, "password": PASSWORD, "carrier": "bearer"}
        ),
        Request("POST", "/auth/refresh", body={"refresh_token": guest.secret}),
    ]
    weights = (40, 25, 1, 34) if guest.carrier == "bearer" else (60, 39, 1, 0)
    (request,) = chance.choices(requests, weights)
    whole = chance.random() < 0.7
    await hang_up(
        asking.stack.service.port,
        request,
        after=chance.uniform(0, 0.03),
        bytes_sent=1.0 if whole else chance.random(),
    )


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


# ------------------------------------------------------------------------------------------------ the table

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_BOTH = ("service", "verifiers")

FAULTS: tuple[Fault, ...] = (
    Fault("none", nothing),
    Fault("kill -9: a worker", kill_worker, "service"),
    Fault("kill -9: the server", kill_service, "service"),
    Fault("kill -9: a verifier", kill_verifier, "verifier"),
    Fault("kill -9: PostgreSQL", kill_postgres, "PostgreSQL"),
    Fault("kill -9: Redis, and emptied", kill_redis, "Redis"),
    Fault("stopped: a worker", stop_worker, "service"),
    Fault("stopped: a verifier", stop_verifier, "verifier"),
    Fault("stopped: PostgreSQL", stop_postgres, "PostgreSQL"),
    Fault("stopped: Redis", stop_redis, "Redis"),
    Fault("restarted: PostgreSQL", restart_postgres, "PostgreSQL"),
    Fault("disk full: PostgreSQL", fill_disk, "PostgreSQL"),
    Fault("emptied: Redis", empty_redis, "Redis"),
    *(
        Fault(
            f"{name}: server to {line}" if line != "verifiers" else f"{name}: verifiers to server", act, f"line {line}"
        )
        for line in ("PostgreSQL", "Redis", "verifiers")
        for name, act in (
            ("cut", partial(cut, line=line)),
            ("slow", partial(slow, line=line)),
            ("reset", partial(reset, line=line)),
        )
    ),
    *(
        Fault(f"clock {sign}{text}: everywhere", partial(shift, by=by if sign == "+" else -by, whose=_BOTH))
        for text, by in (("1 h", _HOUR), ("1 day", _DAY))
        for sign in ("+", "-")
    ),
    Fault("clock +1 h: verifiers", partial(shift, by=_HOUR, whose=("verifiers",))),
    Fault("clock -1 h: verifiers", partial(shift, by=-_HOUR, whose=("verifiers",))),
    Fault("1,000 requests hung up", hang_ups, "clients"),
)


def mixed(chance: random.Random) -> Fault:
    """Choose three faults that hit different things, to come within two seconds of each other."""
    targets = chance.sample(sorted({fault.target for fault in FAULTS if fault.target}), 3)
    chosen = [chance.choice([fault for fault in FAULTS if fault.target == target]) for target in targets]
    starts = [chance.uniform(0, 2) for _ in chosen]

    async def act(scene: Scene) -> None:
        async def later(fault: Fault, start: float, seed: int) -> None:
            await asyncio.sleep(start)
            await fault.act(replace(scene, chance=random.Random(seed)))

        seeds = [scene.chance.getrandbits(32) for _ in chosen]
        tasks = [asyncio.create_task(later(*each)) for each in zip(chosen, starts, seeds, strict=True)]
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, BaseException) and not isinstance(error, Skipped):
                raise error

    return Fault("mixed: " + " + ".join(fault.name for fault in chosen), act)
