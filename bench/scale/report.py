"""Says what was measured and what came of the simulation: tables, for a terminal and for a page."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from random import Random

from bench.scale.behaviour import Behaviour, Load, rush, visited
from bench.scale.costs import Costs, drawn, mean, quantile
from bench.scale.page import Table
from bench.scale.queues import Delay, Service, follow, lapsed, line, saturation
from ostiary.core.policy import Policy

SEED = 2026
SIZES = ((10**3, 10), (10**4, 10), (10**5, 10), (10**6, 100), (10**7, 1000), (10**8, 10_000), (10**9, 10_000))
"""Users who come on a day, and guards."""
TRIPS = (timedelta(0), timedelta(milliseconds=0.2), timedelta(milliseconds=1))
"""Round trips to the database, besides what loopback costs: the same machine, the same hall, another zone."""
HEADS = (1, 4, 16)
PATIENCE = timedelta(seconds=5)
"""How long `SqlStore` waits for the answer to one statement, if it is not told otherwise."""
GATHER = 0.05
CONNECTIONS = 2
"""Of each guard to the database: one that listens, one that asks."""


def tables(costs: Costs, behaviour: Behaviour, policy: Policy) -> Iterable[Table]:
    """Simulate, and give one table after the other."""
    yield _measured(costs)
    yield _verbs(costs)
    loads = [rush(behaviour, policy, users=users, seed=SEED) for users, _ in SIZES]
    yield _feed(costs, loads)
    alone = visited(behaviour, policy, guards=1, seed=SEED)
    yield from _locks(costs, loads)
    yield _incident(costs, behaviour, loads)
    yield _database(costs, loads, alone.seen)
    yield _polls(costs)
    yield _balance(costs, behaviour, policy, loads)
    yield _relays(policy)


# ------------------------------------------------------------------------------------------------ what was measured


def _measured(costs: Costs) -> Table:
    rows = (
        ("a row of the feed, as a server-sent event", _bytes(costs.row_bytes)),
        ("a floor of a snapshot, as JSON", _bytes(costs.snapshot_bytes)),
        ("a floor in memory", _bytes(costs.floor_bytes)),
        ("a remembered cookie · access token", f"{_bytes(costs.cookie_bytes)} · {_bytes(costs.token_bytes)}"),
        ("to apply one entry of the feed", _time(costs.apply)),
        ("a floor of a snapshot: read from the database", _time(costs.read)),
        ("... written as JSON · read from JSON · taken in",
         f"{_time(costs.build)} · {_time(costs.parse)} · {_time(costs.start)}"),
        ("a last use among many: time · WAL", f"{_time(costs.seen)} · {_bytes(costs.seen_wal)}"),
        ("8 KiB to the disk (fdatasync)", _time(costs.fsync)),
        ("commits/s, 8 at once: own rows · with NOTIFY · all one row",
         f"{costs.commits:,.0f} · {costs.commits_told:,.0f} · {costs.commits_in_line:,.0f}"),
        ("a turn of the head's lock: median · 99 of 100 · mean",
         f"{_time(quantile(costs.turn, 0.5))} · {_time(quantile(costs.turn, 0.99))} · {_time(mean(costs.turn))}"),
        ("a follower's round that finds nothing: time · the database's processor",
         f"{_time(costs.poll)} · {_time(costs.poll_cpu)}"),
        ("a question about a cookie: the database's processor", _time(costs.ask_cpu)),
        ("NOTIFY, from the commit's answer to the listener: median · 99 of 100",
         f"{_time(quantile(costs.told, 0.5))} · {_time(quantile(costs.told, 0.99))}"),
        ("an idle connection, private memory of the database", _bytes(costs.connection_bytes)),
    )  # fmt: skip
    return Table("measured", "Measured costs", ("what", "cost"), rows)


def _verbs(costs: Costs) -> Table:
    head = ("verb", "write tx", "statements", "rows", "feed rows", "WAL B", "WAL B, cold", "alone", "/s at once")
    rows = [
        (
            verb.name,
            *(f"{number:.3g}" for number in (verb.writes, verb.statements, verb.rows, verb.floors)),
            f"{verb.wal:,.0f}",
            f"{verb.wal_cold:,.0f}",
            _time(verb.alone),
            f"{verb.at_once:,.0f}",
        )
        for verb in costs.verbs
    ]
    return Table("verbs", "What a verb asks of the database", head, rows)


# ------------------------------------------------------------------------------------------------ simulated


def _feed(costs: Costs, loads: Sequence[Load]) -> Table:
    head = ("users a day", "guards", "requests/s", "feed rows/s", "bytes/s, a guard", "bytes/s, all", "floors",
            "their memory", "as JSON", "in the store's snapshot", "start")  # fmt: skip
    rows = []
    for load, (_, guards) in zip(loads, SIZES, strict=True):
        start = load.kept * (costs.read + costs.start)
        rows.append((
            _count(load.users), _count(guards), _count(load.requests), _count(load.rows),
            _bytes(load.rows * costs.row_bytes), _bytes(load.rows * costs.row_bytes * guards),
            _count(load.floors), _bytes(load.floors * costs.floor_bytes),
            _bytes(load.floors * costs.snapshot_bytes), _count(load.kept), _time(start),
        ))  # fmt: skip
    fitting = PATIENCE.total_seconds() / costs.read
    users = fitting / loads[-1].kept * loads[-1].users
    about = (
        f"What is read within the store's patience of {PATIENCE.total_seconds():g} s is a snapshot of "
        f"{_count(fitting)} floors: {_count(users)} users a day."
    )
    return Table("feed", "The feed and the floors, in the busiest hour", head, rows, about)


def head_service(costs: Costs, trip: timedelta) -> Service:
    """Draw how long one holder keeps the head's lock, when the database is so far away."""
    more = costs.trips * trip.total_seconds()
    return lambda chance: drawn(costs.turn, chance) + more


def _writes(costs: Costs, load: Load) -> float:
    return sum(rate * costs.verb(name).writes for name, rate in load.verbs.items())


def _locks(costs: Costs, loads: Sequence[Load]) -> Iterable[Table]:
    some = loads[-1]
    limits = []
    for trip in TRIPS:
        service = head_service(costs, trip)
        for heads in HEADS if trip == TRIPS[1] else HEADS[:1]:
            most = saturation(service, seed=SEED, locks=heads)
            half = line(most / 2, service, seed=SEED, locks=heads).delay
            users = most / some.appends * some.users
            trips = f"{trip.total_seconds() * 1e3:g} ms"
            limits.append((trips, str(heads), f"{most:,.0f}", _count(users), *_delay(half)))
    bounds = ("trip", "heads", "tx/s at most", "= users a day", "p50 at half", "p99 at half")
    yield Table("limits", "Where the head's lock saturates", bounds, limits)

    delays = [
        (_count(load.users), _count(load.appends), *_quantiles(load.appends, head_service(costs, TRIPS[1])))
        for load in loads
    ]
    head = ("users a day", "feed tx/s", "p50", "p99")
    yield Table("delays", "From asking for the lock to the commit, one head, trips of 0.2 ms", head, delays)


def _quantiles(rate: float, service: Service) -> tuple[str, str]:
    done = line(rate, service, seed=SEED)
    if done.behind > 20_000 / rate / 100 + 1:
        return "beyond", "beyond"
    return _time(done.delay.p50), _time(done.delay.p99)


def _incident(costs: Costs, behaviour: Behaviour, loads: Sequence[Load]) -> Table:
    chance = Random(SEED)
    service = head_service(costs, TRIPS[1])
    rows = []
    for load in loads:
        mean_turn = sum(service(chance) for _ in range(4000)) / 4000
        idle = 1 - load.appends * mean_turn
        users = behaviour.incident * load.users
        if idle > 0:
            took = users * mean_turn / idle
            rows.append((_count(load.users), _count(users), _time(took), _count(users * behaviour.sessions / took)))
        else:
            rows.append((_count(load.users), _count(users), "beyond", "beyond"))
    head = ("users a day", "users logged out everywhere", "takes", "feed rows/s meanwhile")
    return Table("incident", "An operator ends all sessions of one user in a hundred, one head", head, rows)


def _database(costs: Costs, loads: Sequence[Load], seen_by_visit: float) -> Table:
    rows = []
    for load in loads:
        wal, cold, changed = (
            sum(rate * getattr(costs.verb(name), what) for name, rate in load.verbs.items())
            for what in ("wal", "wal_cold", "rows")
        )
        rows.append((
            _count(load.users), *(_count(load.verbs.get(name, 0.0)) for name in ("login", "refresh", "logout")),
            _count(_writes(costs, load)), _count(changed), _bytes(wal), _bytes(cold),
            _count(load.visits * seen_by_visit), _bytes(load.visits * seen_by_visit * costs.seen_wal),
        ))  # fmt: skip
    head = ("users a day", "logins/s", "refreshes/s", "logouts/s", "write tx/s", "rows/s", "WAL/s", "WAL/s, cold",
            "last uses/s", "their WAL/s")  # fmt: skip
    return Table("database", "What is written, in the busiest hour", head, rows)


def _polls(costs: Costs) -> Table:
    rows = []
    for rate in (0.01, 1, 10, 100, 1000):
        cells = [_count(rate)]
        for gather in (0.0, GATHER):
            done = follow(rate, told=costs.told, poll=costs.poll, every=0.5, gather=gather, seed=SEED)
            guards = 1 / (done.rounds * costs.poll_cpu)
            cells += [f"{done.rounds:,.1f}", *_delay(done.delay), _count(guards)]
        rows.append(cells)
    each = ("rounds/s", "p50", "p99", "guards/core")
    head = ("feed tx/s", *each, *(f"{name}, gathered" for name in each))
    return Table("polls", "One guard that follows, and how many of them one core of the database serves", head, rows)


def _balance(costs: Costs, behaviour: Behaviour, policy: Policy, loads: Sequence[Load]) -> Table:
    rows = []
    million = next(load for load in loads if load.users == 10**6)
    for guards in (1, 10, 100, 1000, 10_000):
        visit = visited(behaviour, policy, guards=guards, seed=SEED)
        asked = million.visits * behaviour.cookies * visit.first
        rows.append((
            "1, or the same for each session" if guards == 1 else _count(guards),
            f"{visit.first / visit.requests:.0%}",
            _count(asked), f"{asked * costs.ask_cpu:.2f}",
            _count(million.visits * visit.seen),
            _bytes(guards * CONNECTIONS * costs.connection_bytes),
        ))  # fmt: skip
    head = ("guards that share a session", "requests to one that must ask", "questions/s", "cores", "last uses/s",
            "connections' memory")  # fmt: skip
    return Table("balance", "Where requests go: a million users, half of them with cookies", head, rows)


def _relays(policy: Policy) -> Table:
    lease = policy.lease.total_seconds()
    rows = []
    for hops in range(6):
        cells = [str(hops), f"{max(0.0, lease - (hops + 1) * lease / 4):.1f} s"]
        for every in (lease / 4, lease / 10):
            for lost in (0.0, 0.01):
                shares = [
                    lapsed(hops=hops, lease=lease, every=every, trip=0.005, lost=lost, seed=SEED + n) for n in range(20)
                ]
                cells.append(f"{sum(shares) / len(shares):.2%}")
        rows.append(cells)
    head = ("relays between", "left at worst", "no lease, Δ/4", "1 of 100 lost", "no lease, Δ/10", "1 of 100 lost")
    return Table("relays", "A lease through relays: the share of time without one", head, rows)


# ------------------------------------------------------------------------------------------------ words


def _delay(delay: Delay) -> tuple[str, str]:
    return _time(delay.p50), _time(delay.p99)


def _scaled(value: float, step: float, units: Sequence[str]) -> str:
    at = 0
    while abs(value) >= step * 0.9995 and at < len(units) - 1:
        value, at = value / step, at + 1
    return f"{value:.3g}{units[at]}"


def _count(value: float) -> str:
    return _scaled(value, 1000, ("", " k", " M", " G"))


def _bytes(value: float) -> str:
    return _scaled(value, 1000, (" B", " kB", " MB", " GB", " TB"))


def _time(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:,.0f} min"
    return _scaled(seconds * 1e9, 1000, (" ns", " µs", " ms", " s"))
