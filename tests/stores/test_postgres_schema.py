"""The schema in PostgreSQL: whose it is, which version it is, who may use it, and how it came to be."""

import asyncio
from urllib.parse import urlsplit

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.stores.sql import SqlStore
from ostiary.stores.sql.migrations import upgrade
from ostiary.stores.sql.schema import REVISION, VERSION_TABLE, metadata
from ostiary.testing.conformance.given import ada
from tests.servers.postgres import Postgres
from tests.stores.conftest import StartOn, answer, go

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, collation_name
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""


def name_of(url: str) -> str:
    """Return the name of a database."""
    return urlsplit(url).path[1:]


def change(postgres: Postgres, url: str, statement: str) -> str:
    """Change a database, or look into it, as who may do everything."""
    return postgres.query(statement, database=name_of(url))


def opening(url: str) -> None:
    """Open a store, and close it."""

    async def open_and_close() -> None:
        store = SqlStore(url)
        try:
            await store.open()
            await ada(store)
        finally:
            await store.close()

    asyncio.run(open_and_close())


def where(postgres: Postgres, url: str) -> str:
    """Return what a message calls a database."""
    return f"the database {name_of(url)} on 127.0.0.1:{postgres.port}"


@pytest.fixture(scope="module")
def stranger(postgres: Postgres) -> str:
    """A user who owns nothing."""
    postgres.query("CREATE ROLE stranger LOGIN")
    return "stranger"


@pytest.fixture
def own(database: str) -> str:
    """A database of the test's own that has our schema."""
    upgrade(database)
    return database


class TestVersions:
    def test_empty(self, postgres: Postgres, database: str) -> None:
        """A database without our tables is said to be empty, whatever else is in it."""
        change(postgres, database, "CREATE TABLE recipes (name text)")

        with pytest.raises(Misconfigured) as refused:
            opening(database)
        assert str(refused.value) == f"{where(postgres, database)} is empty; run: ostiary init"

    def test_newer(self, postgres: Postgres, own: str) -> None:
        """A schema of a newer version is refused, and never migrated by this one."""
        change(postgres, own, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - our own name

        for start in (opening, upgrade):
            with pytest.raises(Misconfigured, match=r"newer version \(9999, not \d+\); install that version$"):
                start(own)

    def test_older(self, postgres: Postgres, own: str) -> None:
        """A schema of an older version is refused until it is migrated; then it is the same as a new one."""
        new = change(postgres, own, COLUMNS)
        change(postgres, own, "DROP TABLE challenges, verifiers, outbox; ALTER TABLE users DROP COLUMN language")
        change(postgres, own, f"UPDATE {VERSION_TABLE} SET version_num = '0001'")  # noqa: S608 - ours

        with pytest.raises(Misconfigured, match=r"older version \(0001, not \d+\); run: ostiary migrate$"):
            opening(own)
        upgrade(own)
        opening(own)
        assert change(postgres, own, COLUMNS) == new

    def test_migrated_is_what_is_written_down(self, own: str) -> None:
        """A migrated database has exactly the tables, columns, types, indexes and foreign keys of `schema`."""

        def differences(connection: Connection) -> list[object]:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            return list(compare_metadata(context, metadata))

        async def compared() -> list[object]:
            engine = create_async_engine(own.replace("postgresql:", "postgresql+asyncpg:"))
            async with engine.connect() as connection:
                found = await connection.run_sync(differences)
            await engine.dispose()
            return found

        assert asyncio.run(compared()) == []

    def test_processes_that_migrate_at_once(self, postgres: Postgres, database: str, start_on: StartOn) -> None:
        """Processes that migrate the same new database at once all succeed, and it is migrated once."""
        migrating = [start_on(database, "migrate") for _ in range(3)]
        assert [answer(child) for child in migrating] == ["ready"] * 3
        for child in migrating:
            go(child)

        assert [answer(child) for child in migrating] == ["done"] * 3
        assert change(postgres, database, "SELECT count(*) FROM feed_head") == "1"
        assert change(postgres, database, f"SELECT version_num FROM {VERSION_TABLE}") == REVISION  # noqa: S608 - same


class TestNeighbours:
    def test_an_application_beside(self, postgres: Postgres, database: str) -> None:
        """An application's own tables stay as they are, those of its own migrations with Alembic included."""
        change(
            postgres,
            database,
            "CREATE TABLE recipes (name text); INSERT INTO recipes VALUES ('soup');"
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('abc')",
        )
        upgrade(database)
        opening(database)
        upgrade(database)

        assert change(postgres, database, "SELECT name, version_num FROM recipes, alembic_version") == "soup|abc"

    def test_a_table_named_as_ours(self, postgres: Postgres, database: str) -> None:
        """A table of the same name is somebody else's: nothing is made at all, and what to do is said."""
        change(postgres, database, "CREATE TABLE users (id int)")
        before = change(postgres, database, COLUMNS)

        with pytest.raises(Misconfigured) as refused:
            upgrade(database)
        assert str(refused.value) == (
            f"{where(postgres, database)} holds tables of something else, named as ours; name another"
        )
        assert change(postgres, database, COLUMNS) == before


class TestRights:
    """A user who may not do everything is refused at the start, not at the first login."""

    def refused(self, url: str) -> str:
        with pytest.raises(Misconfigured) as refused:
            opening(url)
        return str(refused.value)

    def test_may_make_nothing(self, postgres: Postgres, database: str, stranger: str) -> None:
        """Who may make no tables cannot migrate."""
        with pytest.raises(Misconfigured) as refused:
            upgrade(postgres.url(name_of(database), role=stranger))

        assert str(refused.value) == (
            f"this user may not make tables in {where(postgres, database)}; make it the owner"
        )

    def test_may_read_nothing(self, postgres: Postgres, own: str, stranger: str) -> None:
        """Who may not even read the version is told so."""
        url = postgres.url(name_of(own), role=stranger)

        assert self.refused(url) == f"this user may not read the tables of {where(postgres, own)}"
        with pytest.raises(Misconfigured, match="may not read the tables"):
            upgrade(url)

    @pytest.mark.parametrize(
        "granted",
        [
            ["SELECT ON ALL TABLES IN SCHEMA public"],
            ["SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public", "USAGE ON ALL SEQUENCES IN SCHEMA public"],
            ["ALL ON ALL TABLES IN SCHEMA public"],
            ["USAGE ON ALL SEQUENCES IN SCHEMA public", f"SELECT ON TABLE {VERSION_TABLE}"],
        ],
    )
    def test_may_do_half(self, postgres: Postgres, own: str, stranger: str, granted: list[str]) -> None:
        """Who may read and not write, or write and not count, is told what is missing."""
        for grant in granted:
            change(postgres, own, f"GRANT {grant} TO {stranger}")

        said = self.refused(postgres.url(name_of(own), role=stranger))
        assert said.startswith(f"this user may not write all tables of {where(postgres, own)}; make it their owner, or")

    def test_may_do_what_it_is_told(self, postgres: Postgres, own: str, stranger: str) -> None:
        """The rights that the message names are enough."""
        change(postgres, own, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {stranger}")
        change(postgres, own, f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {stranger}")

        opening(postgres.url(name_of(own), role=stranger))


def test_standby(postgres: Postgres, own: str) -> None:
    """A standby in place of the primary is refused: it cannot know the end of the feed, and takes no login."""
    with postgres.standby() as standby:
        url = standby.url(name_of(own))
        for start in (opening, upgrade):
            with pytest.raises(OstiaryError) as refused:
                start(url)
            assert refused.type is Unavailable
            assert str(refused.value) == f"{where(standby, url)} takes no writes; name the primary"
