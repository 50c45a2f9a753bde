"""Measure, simulate, and print; with `--markdown`, write the tables into the page between its markers."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg

from bench.scale import database, memory, postgres
from bench.scale.behaviour import Behaviour
from bench.scale.costs import Costs
from bench.scale.page import PAGE, write
from bench.scale.report import tables
from ostiary.core.policy import WEB
from ostiary.system import TESTING


def main() -> int:
    """Return 1 when the page lacks a marker."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--markdown", action="store_true", help=f"write the tables into {PAGE.name}")
    into_page = parser.parse_args().markdown
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as folder, postgres.server() as url:
        where = asyncio.run(_where(url))
        print(where, flush=True)
        costs = Costs(**memory.measured(Path(folder)), **asyncio.run(database.measured(url, Path(folder))))
    made = []
    for table in tables(costs, Behaviour(), WEB):
        made.append(table)
        print(f"\n{table.text()}", flush=True)
    return write(PAGE, where, made) if into_page else 0


async def _where(url: str) -> str:
    connection: postgres.Connection = await asyncpg.connect(url)
    server = str(await connection.fetchval("SHOW server_version")).split()[0]
    on = await connection.fetchval("SELECT current_setting('fsync') || '/' || current_setting('synchronous_commit')")
    await connection.close()
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, PostgreSQL {server} (fsync/synchronous_commit {on}), "
        f"asyncpg {version('asyncpg')}, SQLAlchemy {version('SQLAlchemy')}, msgspec {version('msgspec')}."
    )


if __name__ == "__main__":
    os.environ.setdefault(TESTING, "1")
    sys.exit(main())
