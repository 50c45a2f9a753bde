"""Lines: of writers behind a lock, of news on its way to a guard, of leases through relays. Each event by event."""

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from bench.scale.costs import Spread, drawn, quantile

Service = Callable[[random.Random], float]
"""Draws how long the next in line takes."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How long something took, for half of all and for all but one of a hundred."""

    p50: float
    p99: float

    @classmethod
    def of(cls, values: list[float]) -> "Delay":
        """Return the two quantiles."""
        ordered = sorted(values)
        return cls(quantile(ordered, 0.5), quantile(ordered, 0.99))


# ------------------------------------------------------------------------------------------------ behind a lock


@dataclass(frozen=True, slots=True)
class Line:
    """What came of a line: from asking for the lock to its release, and how late the last was through."""

    delay: Delay
    behind: float


def line(rate: float, service: Service, *, seed: int, locks: int = 1, arrivals: int = 20_000) -> Line:
    """Simulate arrivals by chance, so many for each lock. A lock serves one at a time, in the order they came."""
    chance = random.Random(seed)
    free = [0.0] * locks
    at, delays = 0.0, list[float]()
    for _ in range(arrivals * locks):
        at += chance.expovariate(rate)
        lock = chance.randrange(locks)
        free[lock] = max(at, free[lock]) + service(chance)
        delays.append(free[lock] - at)
    return Line(Delay.of(delays), max(free) - at)


def saturation(service: Service, *, seed: int, locks: int = 1, arrivals: int = 20_000) -> float:
    """Find the greatest rate at which a long line is through within a hundredth of the time it took to come."""
    low, high = 0.0, 1.0

    def keeps_up(rate: float) -> bool:
        done = line(rate, service, seed=seed, locks=locks, arrivals=arrivals)
        return done.behind <= arrivals * locks / rate / 100

    while keeps_up(high):
        low, high = high, 2 * high
    while high - low > high / 200:
        middle = (low + high) / 2
        low, high = (middle, high) if keeps_up(middle) else (low, middle)
    return low


# ------------------------------------------------------------------------------------------------ to a guard


@dataclass(frozen=True, slots=True)
class Following:
    """How a guard follows: its rounds in a second, and how old the news is when it has been applied."""

    rounds: float
    delay: Delay


def follow(
    rate: float, *, told: Spread, poll: float, every: float, gather: float = 0.0, seed: int, commits: int = 10_000
) -> Following:
    """Simulate one guard and commits by chance. It asks when it is told, and at least so often.

    What is told while it asks makes it ask once more, as the follower does it. With `gather` it waits so long after a
    round before the next, which it does not do today.
    """
    chance = random.Random(seed)
    made, heard = list[float](), list[float]()
    at = 0.0
    for _ in range(commits):
        at += chance.expovariate(rate)
        made.append(at)
        heard.append(at + drawn(told, chance))
    heard.sort()
    ends, now, rounds = made[-1], 0.0, 0
    applied = known = 0
    delays = list[float]()
    while applied < commits and now <= ends + 1:
        rounds += 1
        known = bisect_right(heard, now)
        upto = bisect_right(made, now + poll / 2)
        now += poll
        delays += [now - moment for moment in made[applied:upto]]
        applied = max(applied, upto)
        rung = heard[known] if known < commits else float("inf")
        now = max(now + gather, min(rung, now + every))
    return Following(rounds / now, Delay.of(delays))


# ------------------------------------------------------------------------------------------------ through relays


def lapsed(*, hops: int, lease: float, every: float, trip: float, lost: float, seed: int, time: float = 1000) -> float:
    """Return the share of time in which the last of a chain of relays has no lease.

    The first asks the store, each other the one before it, each `every` seconds and each from a moment of its own. An
    answer carries what is left of the answerer's own lease, counted from before the question was sent. A share of
    the questions is `lost`.
    """
    chance = random.Random(seed)
    fresh_until = [0.0] * (hops + 1)
    turns = sorted(
        (start + n * every, hop)
        for hop, start in enumerate(chance.uniform(0, every) for _ in range(hops + 1))
        for n in range(int(time / every))
    )
    begin = lease * (hops + 2)  # by then every lease has come down the chain
    without, since = 0.0, begin
    for asked, hop in turns:
        if chance.random() < lost:
            continue
        left = lease if hop == 0 else max(0.0, fresh_until[hop - 1] - (asked + trip / 2))
        if hop == hops and asked >= begin:
            # What was answered holds from the answer on, and what was held until now held to its end.
            without += max(0.0, asked + trip - max(since, fresh_until[hop]))
            since = asked + trip
        fresh_until[hop] = max(fresh_until[hop], asked + left)
    return without / (since - begin)
