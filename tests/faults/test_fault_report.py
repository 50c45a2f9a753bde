"""The fault report in small: real processes under load, a few faults. `make faults` runs all of them."""

from pathlib import Path

import pytest

from tests.faults.report.faults import FAULTS
from tests.faults.report.run import run

CHOSEN = (
    "none",
    "kill -9: a worker",
    "stopped: a worker",
    "kill -9: Redis, and emptied",
    "kill -9: PostgreSQL",
    "cut: server to PostgreSQL",
)

pytestmark = pytest.mark.xdist_group("timing")


@pytest.mark.timeout(150)
async def test_fault_report(tmp_path: Path) -> None:
    """Whatever fails: no acknowledged write is lost, nothing is accepted after the lease, nobody honest is out."""
    faults = [fault for fault in FAULTS if fault.name in CHOSEN]

    report = await run(tmp_path, faults, seed=1, tell=print, workers=2, verifiers=1, users=4, sessions=3)

    assert report.violations == []
    assert [row.trial.fault for row in report.rows] == [fault.name for fault in faults]
    assert len(faults) == len(CHOSEN)
    assert all(row.acknowledged and row.operations > 100 for row in report.rows)
    assert sum(row.logouts for row in report.rows) > 20
    assert report.rows[0].delays["server"]
    assert report.rows[0].delays["verifier"]
