"""What a verb asks of the database: the real verbs of a real `Auth`, alone, after a checkpoint, and several at once."""

import asyncio
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path

from bench.scale.costs import Verb
from bench.scale.postgres import Connection, CountingStore, Tally
from ostiary import Auth, Carrier, Issued, Principal
from ostiary.core.policy import CHEAPEST
from ostiary.core.session import Device
from ostiary.core.site import Site
from ostiary.keys.master import master_key_file
from ostiary.keys.vault import SealedVault
from ostiary.methods.password import Password
from ostiary.system import SystemClock, SystemEntropy

USERS = 3000
AT_ONCE = 8
ALONE = 150
COLD = 12
TOGETHER = 240
SESSIONS = 3
"""How many sessions a user has when all of them end, or when the user's roles change."""

PASSWORD = "a lantern in the harbour"
POLICY = replace(CHEAPEST, lease=timedelta(minutes=1))  # nobody follows while something is measured
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"

Act = Callable[[], Awaitable[object]]


# ------------------------------------------------------------------------------------------------ the town


@dataclass
class Town:
    """An `Auth` on the database, and users who are not doing anything yet."""

    auth: Auth
    store: CountingStore
    users: list[str]
    strangers: "count[int]"

    async def login(self) -> Issued:
        """Log the next user in, from an address of their own."""
        n = next(self.strangers)
        ip = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        proof = await self.auth.prove(f"user{n % USERS}@example.com", PASSWORD, ip=ip)
        device = Device(name="Firefox on Linux", user_agent=AGENT, ip=ip)
        return await self.auth.login(proof, carrier=Carrier.BEARER, device=device)

    async def who(self, issued: Issued) -> Principal:
        """Return who holds this."""
        who = await self.auth.authenticate([(b"authorization", f"Bearer {issued.access_token}".encode())], "GET")
        assert isinstance(who, Principal)
        return who


async def town(url: str, watch: Connection, folder: Path) -> Town:
    """Start an `Auth`, and settle its users."""
    entropy, clock = SystemEntropy(), SystemClock()
    store = CountingStore(url, connections=AT_ONCE)
    auth = Auth(
        store=store,
        vault=SealedVault(master_key_file(folder / "bench.db"), entropy=entropy),
        password=Password(POLICY.password),
        site=Site.of("https://id.example"),
        clock=clock,
        entropy=entropy,
        policy=POLICY,
    )
    await auth.start()
    ada = await auth.accounts.register(email="user0@example.com", password=PASSWORD, roles=["reader", "writer"])
    await _settle(watch, ada.user.id)
    return Town(auth, store, [ada.user.id, *(f"user-{n}" for n in range(1, USERS))], count(1))


async def _settle(watch: Connection, like: str) -> None:
    """Give the town its other users at once: as the first, with the same password."""
    for table, columns, values in (
        ("users", "id, name, roles, created_at, revision", "'user-' || n, name, roles, created_at, revision"),
        ("identifiers", "kind, value, typed, user_id", "kind, 'user' || n || '@example.com', typed, 'user-' || n"),
        (
            "credentials",
            "id, user_id, kind, secret, version, changed_at",
            "'credential-' || n, 'user-' || n, kind, secret, version, changed_at",
        ),
    ):
        owner = "id" if table == "users" else "user_id"
        await watch.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, generate_series(1, {USERS - 1}) n"  # noqa: S608
            f" WHERE {owner} = $1",
            like,
        )
    await watch.execute("ANALYZE")


# ------------------------------------------------------------------------------------------------ the verbs


async def _ready_login(town: Town) -> Act:
    return town.login


async def _ready_refresh(town: Town) -> Act:
    issued = await town.login()
    return lambda: town.auth.refresh(issued.session_token)


async def _ready_logout(town: Town) -> Act:
    who = await town.who(await town.login())
    return lambda: town.auth.logout(who)


async def _ready_everywhere(town: Town) -> Act:
    user_id = await _with_sessions(town)
    return lambda: town.auth.revoke_all(user_id, actor=user_id)


async def _ready_roles(town: Town) -> Act:
    user_id = await _with_sessions(town)
    return lambda: town.auth.accounts.set_roles(user_id, ["reader", secrets.token_hex(4)], actor="bench")


async def _with_sessions(town: Town) -> str:
    """Give the next user exactly so many sessions."""
    n = next(town.strangers)
    await town.auth.revoke_all(town.users[n % USERS], actor="bench")
    proof = await town.auth.prove(f"user{n % USERS}@example.com", PASSWORD)
    for _ in range(SESSIONS):
        await town.auth.login(proof, carrier=Carrier.BEARER)
    return proof.user_id


VERBS: dict[str, Callable[[Town], Awaitable[Act]]] = {
    "login": _ready_login,
    "refresh": _ready_refresh,
    "logout": _ready_logout,
    "log out everywhere": _ready_everywhere,
    "change of roles": _ready_roles,
}


async def measured(town: Town, watch: Connection, name: str) -> Verb:
    """Measure one verb: one after the other, right after checkpoints, and several at once."""
    ready = VERBS[name]
    await _acted([await ready(town) for _ in range(20)])
    acts = [await ready(town) for _ in range(ALONE)]
    before, town.store.tally = await seq(watch), Tally()
    start = await wal(watch)
    times = await _acted(acts)
    logged = await wal(watch) - start
    tally, town.store.tally = town.store.tally, Tally()
    floors = await seq(watch) - before
    cold = []
    for act in [await ready(town) for _ in range(COLD)]:
        await watch.execute("CHECKPOINT")
        start = await wal(watch)
        await act()
        cold.append(await wal(watch) - start)
    return Verb(
        name=name,
        writes=tally.writes / ALONE,
        statements=tally.statements / ALONE,
        rows=tally.rows / ALONE,
        floors=floors / ALONE,
        wal=logged / ALONE,
        wal_cold=statistics.median(cold),
        alone=statistics.median(times),
        at_once=await _at_once(town, ready),
    )


async def _acted(acts: Sequence[Act]) -> list[float]:
    times = []
    for act in acts:
        began = time.perf_counter()
        await act()
        times.append(time.perf_counter() - began)
    return times


async def _at_once(town: Town, ready: Callable[[Town], Awaitable[Act]]) -> float:
    acts = [await ready(town) for _ in range(TOGETHER)]
    began = time.perf_counter()
    await asyncio.gather(*(_acted(acts[n::AT_ONCE]) for n in range(AT_ONCE)))
    return TOGETHER / (time.perf_counter() - began)


async def wal(watch: Connection) -> int:
    """Return where the log of writes stands, in bytes."""
    return int(await watch.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


async def seq(watch: Connection) -> int:
    """Return where the feed stands."""
    return int(await watch.fetchval("SELECT seq FROM feed_head"))
