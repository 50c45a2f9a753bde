"""Another PostgreSQL in place of the one that was followed, or one that takes no writes, under a running `Auth`."""

import asyncio
import time
from pathlib import Path

import pytest

from ostiary import Issued
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.errors import Unavailable
from tests.servers.postgres import Postgres
from tests.stores.living import LEASE, Living, living, until

pytestmark = pytest.mark.xdist_group("timing")

UNAVAILABLE = Denied(Reason.UNAVAILABLE)
REVOKED = Denied(Reason.REVOKED)


def caught_up(primary: Postgres, standby: Postgres) -> None:
    """Wait until a standby has what its primary has written by now."""
    written = primary.query("SELECT pg_current_wal_lsn()")
    while standby.query(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") != "t":
        time.sleep(0.01)


async def lets_in(house: Living, issued: Issued) -> None:
    """Wait until memory lets a session in."""

    async def remembered() -> bool:
        await house.ask(issued)
        return house.remembers(issued)

    await until(remembered)


async def test_promoted(tmp_path: Path) -> None:
    """A standby takes the place of a dead primary: processes go on by themselves, and who was logged out stays out."""
    with Postgres() as primary:
        url = primary.database()
        async with living(url, tmp_path) as near, living(url, tmp_path, registers=False) as far:
            with await asyncio.to_thread(primary.standby) as standby:
                leaves, stays = await near.login(Carrier.COOKIE), await near.login(Carrier.COOKIE)
                for issued in (leaves, stays):
                    await far.who(issued)
                await near.logout(leaves)
                await far.refuses(leaves)
                await asyncio.to_thread(caught_up, primary, standby)
                before = far.auth.floors.head

                await asyncio.to_thread(primary.kill)
                standby.port = primary.port
                await asyncio.to_thread(standby.restart)
                await until(lambda: forgotten(near, stays))
                await until(lambda: forgotten(far, stays))
                in_recovery = [await house.ask(issued) for house in (near, far) for issued in (leaves, stays)]
                renewed = [house.auth.clock.elapsed() < house.auth.floors.fresh_until for house in (near, far)]
                await asyncio.to_thread(standby.promote)
                await asyncio.gather(lets_in(near, stays), lets_in(far, stays))

                after = far.auth.floors.head
                refused = [await house.ask(leaves) for house in (near, far)]
                late = await near.login()
                await far.who(late)
                await near.logout(late)
                delay = await far.refuses(late)

    assert before
    assert after
    assert [head.incarnation.split(".")[1] for head in (before, after)] == ["00000001", "00000002"]
    assert in_recovery == [REVOKED, UNAVAILABLE] * 2
    assert renewed == [False, False]
    assert refused == [REVOKED] * 2
    assert delay < LEASE


async def test_read_only(tmp_path: Path) -> None:
    """A server made read-only under open connections renews no lease: another may be taking the writes meanwhile."""
    with Postgres() as server:
        async with living(server.database(), tmp_path) as house:
            issued = await house.login()
            await house.who(issued)
            server.query("ALTER SYSTEM SET default_transaction_read_only = on")
            server.query("SELECT pg_reload_conf()")
            forgot_in = await until(lambda: forgotten(house, issued))
            refused = await house.ask(issued)
            with pytest.raises(Unavailable):
                await house.auth.refresh(issued.session_token)
            server.query("ALTER SYSTEM RESET default_transaction_read_only")
            server.query("SELECT pg_reload_conf()")
            await lets_in(house, issued)
            await house.auth.refresh(issued.session_token)

    assert forgot_in <= LEASE + 0.25  # the server itself takes a moment to read its settings anew
    assert refused == UNAVAILABLE


async def forgotten(house: Living, issued: Issued) -> bool:
    """Tell whether memory no longer lets a session in."""
    return not house.remembers(issued)
