"""What it takes to end a user's thousand sessions at once, in another process too: one transaction, one batch."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from bench.elsewhere import Elsewhere, Guards
from bench.figure import QUICK, Figure
from bench.service import Login, Service
from ostiary.core.policy import WEB
from tests.servers.postgres import Postgres

SESSIONS = 100 if QUICK else 1_000
ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure several users, one after the other."""
    with tempfile.TemporaryDirectory() as name, Postgres(durable=True) as postgres:
        service = Service.at(postgres.database(), Path(name))
        by_login = asyncio.run(service.log_in(users=ROUNDS, each=SESSIONS))
        rounds = [_round(service, by_login[user::ROUNDS]) for user in range(ROUNDS)]
    for what, seconds in zip(("the answer", "refused elsewhere"), zip(*rounds, strict=True), strict=True):
        yield Figure(
            name=f"{SESSIONS:,} sessions ended, until {what}",
            value=statistics.median(seconds),
            unit=" s",
            spread=(min(seconds), max(seconds)),
            detail="PostgreSQL, one transaction",
            at_most=WEB.lease.total_seconds(),
        )


def _round(service: Service, logins: list[Login]) -> tuple[float, float]:
    """Return the seconds until the answer, and those until another process refuses every one of the sessions."""
    with service.served(workers=1) as client, Elsewhere(Guards(service, logins), processes=1, things=SESSIONS) as other:
        began = time.monotonic()
        client.log_out_everywhere(logins[0])
        answered = time.monotonic()
        [arrived] = other.arrivals()
    assert asyncio.run(_transactions(service, logins)) == 1, "it was more than one transaction"
    return answered - began, max(arrived.values()) - began


async def _transactions(service: Service, logins: list[Login]) -> int:
    """Return in how many transactions the floors of these sessions came on the feed."""
    connection = await asyncpg.connect(service.store)
    counted = await connection.fetchrow(
        "SELECT count(*), count(DISTINCT xmin::text) FROM feed WHERE sid = ANY($1)", [login.sid for login in logins]
    )
    await connection.close()
    assert counted is not None
    assert counted[0] == len(logins)
    return int(counted[1])
