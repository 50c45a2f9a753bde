"""What people do, and what that asks of the feed and of the guards: simulated, event by event, on real `Floors`."""

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ostiary.core.floor import NONE_IS_GOOD, Entry, Floor, Floors, Head, Snapshot
from ostiary.core.policy import Policy

DAY = 86_400.0
HOUR = 3600.0
MOST_SIMULATED = 100_000
KEPT_IN_FEED = timedelta(hours=1)
"""How long at least the store keeps a row of the feed. A snapshot is made of all that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What one user does on a day on which they come, and how uneven the day is. Every number here is a guess."""

    visits: float = 4
    visit: timedelta = timedelta(minutes=10)
    """The mean length of a visit. Lengths are exponential."""
    request: timedelta = timedelta(seconds=10)
    """From one request of a visit to the next."""
    cookies: float = 0.5
    """The share of sessions that a cookie carries. The others hold tokens."""
    logins: float = 0.5
    logouts: float = 0.15
    everywhere: float = 0.01
    """Ending all sessions at once: a new password, a lost telephone."""
    roles: float = 0.005
    """A change of what a user may do."""
    sessions: int = 3
    """How many live sessions a user has."""
    peak: float = 3
    """How much busier the busiest hours are than the mean of the day."""
    incident: float = 0.01
    """The share of users whose sessions an operator ends at once, after a leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a number of users ask in the busiest hour. Per second, unless a name says otherwise."""

    users: int
    visits: float
    requests: float
    verbs: dict[str, float]
    rows: float
    """Rows of the feed."""
    floors: float
    """Floors in the memory of each guard: the mean."""
    most_floors: float
    kept: float
    """Floors of a snapshot of the store: everything the feed still keeps."""

    @property
    def appends(self) -> float:
        """Transactions that take the head's lock."""
        return sum(rate for verb, rate in self.verbs.items() if verb not in {"login", "refresh"})


def rush(behaviour: Behaviour, policy: Policy, *, users: int, seed: int) -> Load:
    """Simulate two of the busiest hours and count in the second one.

    Of many users a part is simulated and the counts are multiplied. The floors are applied to real `Floors` and
    forgotten by them, as a follower does it.
    """
    chance = random.Random(seed)
    some = min(users, MOST_SIMULATED)
    floors, seq, row_times = Floors(policy), 0, list[float]()
    floors.start(Snapshot(Head("bench", 0), ()), asked_at=0.0, elapsed=0.0)
    counts, held = Counter[str](), list[int]()
    life = policy.access_life.total_seconds()
    for at, kind, times in _events(behaviour, policy, some, chance):
        if kind == "look":
            floors.forget(elapsed=at, wall=at)
            if at >= HOUR:
                held.append(len(floors.of))
            continue
        if at >= HOUR:
            counts[kind] += times
        ended = {"logout": 1, "log out everywhere": behaviour.sessions, "change of roles": behaviour.sessions}
        for _ in range(ended.get(kind, 0)):
            seq += 1
            until = datetime.fromtimestamp(at + chance.random() * life, UTC)
            entry = Entry(seq, Floor(f"{seq:022}", NONE_IS_GOOD, until))
            assert floors.apply([entry], elapsed=at)
            row_times.append(at)
    scale = users / some
    kept_since = 2 * HOUR - KEPT_IN_FEED.total_seconds()
    return Load(
        users=users,
        visits=counts.pop("visit", 0) * scale / HOUR,
        requests=counts.pop("request", 0) * scale / HOUR,
        verbs={kind: count * scale / HOUR for kind, count in counts.items()},
        rows=sum(at >= HOUR for at in row_times) * scale / HOUR,
        floors=sum(held) / len(held) * scale,
        most_floors=max(held) * scale,
        kept=sum(at >= kept_since for at in row_times) * scale,
    )


def _events(
    behaviour: Behaviour, policy: Policy, users: int, chance: random.Random
) -> Iterator[tuple[float, str, int]]:
    """Give what happens in two hours, in order: when, what, and how often. A visit's requests count from its begin."""
    a_day = {
        "visit": behaviour.visits,
        "login": behaviour.logins,
        "logout": behaviour.logouts,
        "log out everywhere": behaviour.everywhere,
        "change of roles": behaviour.roles,
    }
    rates = {kind: users * times * behaviour.peak / DAY for kind, times in a_day.items()}
    streams = [_poisson(kind, rate, chance) for kind, rate in rates.items() if rate]
    looks = ((float(at), "look") for at in range(5, round(2 * HOUR), 5))
    for at, kind in heapq.merge(*streams, looks):
        yield at, kind, 1
        if kind == "visit":
            length = chance.expovariate(1 / behaviour.visit.total_seconds())
            yield at, "request", 1 + int(length / behaviour.request.total_seconds())
            if chance.random() >= behaviour.cookies:  # a visit begins with a token that has died meanwhile
                yield at, "refresh", 1 + int(length / policy.access_life.total_seconds())


def _poisson(kind: str, rate: float, chance: random.Random) -> Iterator[tuple[float, str]]:
    at = chance.expovariate(rate)
    while at < 2 * HOUR:
        yield at, kind
        at += chance.expovariate(rate)


# ------------------------------------------------------------------------------------------------ many guards


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one visit asks of whom, in the mean."""

    requests: float
    first: float
    """Requests that come to a guard which does not know the session, or does not believe what it knows any longer.

    Then a token is verified, and the store is asked of a cookie.
    """
    seen: float
    """Last uses that are written down: once a minute by each guard that the visit touches."""


def visited(behaviour: Behaviour, policy: Policy, *, guards: int, seed: int, visits: int = 3000) -> Visit:
    """Simulate visits whose requests go to any of so many guards, each by chance."""
    chance = random.Random(seed)
    requests = first = seen = 0
    every, believed = policy.seen_every.total_seconds(), policy.believed.total_seconds()
    for _ in range(visits):
        known: dict[int, float] = {}
        noted: dict[int, float] = {}
        length = chance.expovariate(1 / behaviour.visit.total_seconds())
        for n in range(1 + int(length / behaviour.request.total_seconds())):
            at, guard = n * behaviour.request.total_seconds(), chance.randrange(guards)
            requests += 1
            if at - known.get(guard, -believed) >= believed:
                known[guard] = at
                first += 1
            if at - noted.get(guard, -every) >= every:
                noted[guard] = at
                seen += 1
    return Visit(requests=requests / visits, first=first / visits, seen=seen / visits)
