"""The twin on a PostgreSQL that is lost, stands still, or takes no writes: it says so, and goes on by itself."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.errors import OstiaryError, Unavailable
from ostiary.sync.stores.sql.store import SqlStore
from ostiary.testing.conformance import given
from tests.servers.postgres import GUARDED, PASSWORD, Postgres
from tests.sync.living import living, until

UNAVAILABLE = Denied(Reason.UNAVAILABLE)
REVOKED = Denied(Reason.REVOKED)
OURS = "FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'ostiary'"


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server that these tests may break."""
    with Postgres() as server:
        yield server


def count(server: Postgres, url: str, *, what: str = "*", only: str = "true") -> int:
    """Count our connections to a database, or do something to each."""
    return int(server.query(f"SELECT count({what}) {OURS.format(urlsplit(url).path[1:])} AND {only}"))


def end(server: Postgres, url: str, *, only: str = "true") -> None:
    """End our connections to a database, as an administrator or a broken network does."""
    gone = server.query(
        f"SELECT coalesce(string_agg(pid::text, ','), '0') {OURS.format(urlsplit(url).path[1:])} AND {only}"
    )
    count(server, url, what="pg_terminate_backend(pid)", only=only)
    until(lambda: count(server, url, only=f"pid IN ({gone})") == 0)


def test_killed_and_started_again(own: Postgres, tmp_path: Path) -> None:
    """A server that is killed costs its users some 503, never a session. Who was logged out stays out."""
    url = own.database()
    with living(url, tmp_path) as house:
        stays, leaves = house.login(), house.login(Carrier.COOKIE)
        house.logout(leaves)
        own.kill()
        with pytest.raises(Unavailable):
            house.auth.refresh(stays.session_token)
        own.start()
        refreshed = house.auth.refresh(stays.session_token)

        assert isinstance(house.ask(refreshed), Principal)
        assert house.ask(leaves) == REVOKED
        until(lambda: count(own, url, only="query LIKE 'LISTEN%'") == 1)


def test_all_ended_at_once(own: Postgres, tmp_path: Path) -> None:
    """Connections that the server has ended while nobody used them cost nobody an answer."""
    url = own.database()
    with living(url, tmp_path) as house:
        issued = [house.login() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda each: house.auth.refresh(each.session_token), issued))
        end(own, url, only="query NOT LIKE 'LISTEN%'")

        refreshed = [house.auth.refresh(each.session_token) for each in issued]

    assert len(refreshed) == 8


def test_standing_still(own: Postgres, tmp_path: Path) -> None:
    """While the server stands still memory forgets, and nobody waits for ever for a refusal. Then all is well."""
    with living(own.database(), tmp_path) as house:
        token, cookie = house.login(), house.login(Carrier.COOKIE)
        own.pause()
        try:
            until(lambda: not house.remembers(token) and not house.remembers(cookie))
            refused = [house.ask(token), house.ask(cookie)]
            with pytest.raises(OstiaryError):
                house.auth.refresh(token.session_token)
        finally:
            own.resume()
        until(lambda: isinstance(house.ask(token), Principal))
        house.logout(token)

        assert refused == [UNAVAILABLE] * 2
        assert house.ask(token) == REVOKED


def test_read_only(tmp_path: Path) -> None:
    """A server made read-only under open connections renews no lease: another may be taking the writes meanwhile."""
    with Postgres() as server, living(server.database(), tmp_path) as house:
        issued = house.login()
        house.ask(issued)
        server.query("ALTER SYSTEM SET default_transaction_read_only = on")
        server.query("SELECT pg_reload_conf()")
        until(lambda: not house.remembers(issued))
        until(lambda: house.ask(issued) == UNAVAILABLE)
        with pytest.raises(Unavailable):
            house.auth.refresh(issued.session_token)
        server.query("ALTER SYSTEM RESET default_transaction_read_only")
        server.query("SELECT pg_reload_conf()")
        until(lambda: isinstance(house.ask(issued), Principal))
        house.auth.refresh(issued.session_token)


def test_shut_out(own: Postgres, tmp_path: Path) -> None:
    """A server that accepts our password no longer is one that cannot answer, not a fault of ours; until it does."""
    url = own.database(role=GUARDED, password=PASSWORD)
    with living(url, tmp_path) as house:
        issued = house.login()
        own.query(f"ALTER ROLE {GUARDED} NOLOGIN")
        end(own, url)
        try:
            with pytest.raises(Unavailable):
                house.auth.refresh(issued.session_token)
        finally:
            own.query(f"ALTER ROLE {GUARDED} LOGIN")
        house.logout(house.auth.refresh(issued.session_token))


def test_the_bell(postgres: Postgres, postgres_url: str) -> None:
    """Who follows is told of what others wrote long before the wait runs out, also after the bell was lost."""
    near, far = SqlStore(postgres_url), SqlStore(postgres_url)
    near.open()
    far.open()

    def rung(listening: int) -> bool:
        with ThreadPoolExecutor(1) as beside:
            waiting = beside.submit(far.changed, wait=600)
            until(lambda: count(postgres, postgres_url, only="query LIKE 'LISTEN%'") == listening)
            with near.write() as tx:
                tx.feed.append([given.floor()])
            return waiting.result(50)

    heard = [rung(2)]
    quiet = far.changed(wait=0.1)
    end(postgres, postgres_url, only="query LIKE 'LISTEN%'")
    heard += [far.changed(wait=600) for _ in ("lost", "found again")]  # something may have been missed
    heard.append(rung(1))
    near.close()
    far.close()

    assert (heard, quiet) == ([True] * 4, False)


def test_a_wait_ends_with_the_store(postgres_url: str) -> None:
    """Who waits for a change when the store is closed is told so, and a transaction that is open then has failed."""
    store = SqlStore(postgres_url)
    store.open()
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(store.changed, wait=600)
        with pytest.raises(Unavailable), store.write() as tx:  # noqa: PT012 - the block is what fails
            tx.feed.append([given.floor()])
            store.close()
        error = waiting.exception(50)

    assert isinstance(error, Unavailable)
    store.open()
    with store.read() as tx:
        assert tx.feed.head().seq == 0
    store.close()


def test_more_threads_than_connections(postgres_url: str) -> None:
    """Many threads take turns, and each gets its own answer."""
    store = SqlStore(postgres_url, connections=3)
    store.open()

    def write(number: int) -> int:
        with store.write() as tx:
            [entry] = tx.feed.append([given.floor(f"s{number}")]).entries
        return entry.seq

    with ThreadPoolExecutor(40) as pool:
        numbers = list(pool.map(write, range(40)))
    store.close()

    assert sorted(numbers) == list(range(1, 41))
