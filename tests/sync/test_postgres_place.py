"""A PostgreSQL that the twin cannot use: one clear line at the start, without the password."""

from pathlib import Path

import pytest

from ostiary.errors import OstiaryError
from ostiary.sync.stores.sql.store import SqlStore
from tests.servers.postgres import PASSWORD, Postgres
from tests.stores.test_postgres_place import PATIENCE, PLACES, SECRET, where

IN_OTHER_WORDS = {
    "nobody there": "the database DB cannot be reached: ",
    "no such setting": "the store's URL cannot be used: ",
    "impossible port": "the store's URL cannot be used: ",
}
ELSEWHERE = {"no certificate"}  # libpq looks for it when a server answers


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of who runs the tests counts: no certificate, no file of passwords, no variable."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGPASSFILE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", sorted(PLACES.keys() - ELSEWHERE))
def test_no_such_place(postgres: Postgres, name: str) -> None:
    """A place that is not what it should be is said in one line, without the password."""
    place, kind, said = PLACES[name](postgres)
    with place as url:
        store = SqlStore(url, patience=PATIENCE)
        with pytest.raises(OstiaryError) as refused:
            store.open()
        expected = IN_OTHER_WORDS.get(name, said).replace("DB", where(url) if "DB" in said else "")
    line = str(refused.value)

    assert line.startswith(expected)
    assert refused.type is kind
    assert "\n" not in line
    assert SECRET not in line
    assert PASSWORD not in line
