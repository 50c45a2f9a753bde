"""The statements of the tables."""

import threading
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from ostiary.stores.sql import SqlStore, _accounts, _feed, _records, _sessions
from ostiary.stores.sql.link import Compiled
from ostiary.stores.sql.schema import feed_head
from ostiary.stores.sql.sqlite import SQLITE

POSTGRESQL: Any = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("module", [_accounts, _feed, _records, _sessions], ids=lambda module: module.__name__)
def test_neutral(module: ModuleType) -> None:
    """Every statement can be said to SQLite and to PostgreSQL, and asks for the same values."""
    statements = [value for value in vars(module).values() if isinstance(value, SelectBase | UpdateBase)]

    assert len(statements) >= 6
    for statement in statements:
        assert asked(Compiled(statement, SQLITE)) == asked(Compiled(statement, POSTGRESQL))


async def test_records_are_made_off_the_loop(store: SqlStore) -> None:
    """What is found becomes records in the connection's thread, so that a hundred thousand floors hold nobody up."""

    def thread(**_: object) -> int:
        return threading.get_ident()

    async with store._database.read() as link:
        found = await link.rows(thread, select(feed_head))

    assert len(found) == 1
    assert threading.get_ident() not in found


def asked(statement: Compiled) -> set[str]:
    """Return the names of the values that a caller must give."""
    return {name for name, _ in statement._binds} - set(statement._fixed)
