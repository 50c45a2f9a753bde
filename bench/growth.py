"""What a check, a login and a refresh cost with a million sessions in PostgreSQL, against what they cost with one.

Both databases are on one server that writes to the disk before it answers, and both are asked in turn.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Table

from bench.figure import QUICK, Figure, ratio_of_times, ratio_of_waits
from bench.service import PASSWORD, Service
from ostiary import Auth, Carrier, Issued, Principal
from ostiary.core.assurance import Proof
from ostiary.stores.sql.schema import credentials, identifiers, sessions, users
from tests.servers.postgres import Postgres

SESSIONS = 20_000 if QUICK else 1_000_000
OF_EACH_USER = 10
CALLS = 20
ROOM = {"shared_buffers": "512MB", "max_wal_size": "4GB"}  # a million sessions are about half a gigabyte


@dataclass(slots=True)
class Side:
    """One of the two databases, and a user who is logged in there. What returns seconds took as many."""

    auth: Auth
    proof: Proof
    bearer: Issued
    headers: list[tuple[bytes, bytes]]

    def check(self) -> object:
        """Say who is asking, from memory."""
        return self.auth.guard.check(self.headers, "GET")

    async def first_check(self) -> float:
        """Say who is asking, as for the first time: the database must be asked."""
        self.auth.guard.begin()
        began = time.perf_counter()
        assert isinstance(await self.auth.authenticate(self.headers, "GET"), Principal)
        return time.perf_counter() - began

    async def login(self) -> float:
        """Begin a session. It is ended again, so that no user comes to have many."""
        began = time.perf_counter()
        issued = await self.auth.login(self.proof, carrier=Carrier.BEARER)
        took = time.perf_counter() - began
        await self.auth.revoke(issued.session.id, actor="bench")
        return took

    async def refresh(self) -> float:
        """Use a refresh token."""
        began = time.perf_counter()
        self.bearer = await self.auth.refresh(self.bearer.session_token)
        return time.perf_counter() - began

    async def logout(self) -> float:
        """End a session that was just begun."""
        issued = await self.auth.login(self.proof, carrier=Carrier.BEARER)
        began = time.perf_counter()
        await self.auth.revoke(issued.session.id, actor="bench")
        return time.perf_counter() - began


def figures() -> Iterator[Figure]:
    """Measure one verb after the other, on both sides in turn."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Postgres(durable=True, settings=ROOM) as postgres,
        asyncio.Runner() as runner,
    ):
        services = [Service.at(postgres.database(), Path(folder)) for _ in range(2)]
        many, one = (runner.run(_side(service)) for service in services)
        runner.run(_fill(services[0].store))
        name = f"{SESSIONS:,} sessions / one"
        yield ratio_of_times(f"cached check, {name}", many.check, one.check, calls=20_000, at_most=1.1)
        for verb, ours, floor, at_most in (
            ("first check of a cookie", many.first_check, one.first_check, 1.3),
            ("login", many.login, one.login, 1.3),
            ("refresh", many.refresh, one.refresh, 1.3),
            ("logout", many.logout, one.logout, 1.3),
        ):
            yield runner.run(ratio_of_waits(f"{verb}, {name}", ours, floor, calls=CALLS, at_most=at_most))
        for side in (many, one):
            assert isinstance(side.check(), Principal), "the guard did not answer from memory"
            runner.run(side.auth.stop())


async def _side(service: Service) -> Side:
    auth = service.auth()
    await auth.start()
    await auth.accounts.register(email="ada@example.com", password=PASSWORD)
    proof = replace(await auth.prove("ada@example.com", PASSWORD), taken=())
    cookie = await auth.login(proof, carrier=Carrier.COOKIE)
    headers = [(b"cookie", f"{auth.site.cookie_name}={cookie.session_token}".encode())]
    assert isinstance(await auth.authenticate(headers, "GET"), Principal)
    return Side(auth, proof, await auth.login(proof, carrier=Carrier.BEARER), headers)


# ------------------------------------------------------------------------------------------------ a million sessions

_USER = f"left(md5('user' || n % {SESSIONS // OF_EACH_USER}), 22)"
_OWN = "left(md5('own' || n), 22)"


async def _fill(store: str) -> None:
    """Copy the one user that there is, and one session of that user, with ids that are spread as real ones are."""
    connection = await asyncpg.connect(store)
    await connection.execute("SET session_replication_role = replica")  # each copy has an owner: nobody need look
    for table, copies, changed in (
        (users, SESSIONS // OF_EACH_USER, {"id": _USER}),
        (identifiers, SESSIONS // OF_EACH_USER, {"user_id": _USER, "value": f"{_USER} || '@example.com'"}),
        (credentials, SESSIONS // OF_EACH_USER, {"user_id": _USER, "id": _OWN}),
        (sessions, SESSIONS, {"user_id": _USER, "id": _OWN}),
    ):
        await _copy(connection, table, copies, changed)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")  # now, not while we measure
    await connection.close()


async def _copy(connection: "asyncpg.Connection[Any]", table: Table, copies: int, changed: dict[str, str]) -> None:
    names = [column.name for column in table.columns]
    values = ", ".join(changed.get(name, name) for name in names)
    await connection.execute(
        f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608 - our own names
        f"SELECT {values} FROM (SELECT * FROM {table.name} LIMIT 1) one, generate_series(1, {copies}) n"
    )
