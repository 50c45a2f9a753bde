"""Run all faults, one after the other and then mixed; write the report; fail when a promise was broken."""

import argparse
import asyncio
import datetime as dt
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.report.faults import FAULTS, mixed
from tests.faults.report.page import page, verdict
from tests.faults.report.run import run

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "fault-report.md"


def main() -> int:
    """Return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", default="", help="only faults with this in their name; the page is then only printed")
    parser.add_argument("--mixed", type=int, default=8, help="how many rounds of three faults at once")
    parser.add_argument("--folder", type=Path, help="an empty folder for the data and the logs, to be looked at later")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    chance = random.Random(given.seed)
    faults = [*FAULTS, *(mixed(chance) for _ in range(given.mixed))]
    chosen = [fault for fault in faults if given.only in fault.name]
    with tempfile.TemporaryDirectory(prefix="ostiary-faults-") as throwaway:
        folder = given.folder or Path(throwaway)
        report = asyncio.run(run(folder, chosen, seed=given.seed, tell=lambda line: print(line, flush=True)))
    written = page(report, today=dt.datetime.now(dt.UTC).date())
    if given.only:
        print(written)
    else:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(written)
    print(verdict(report))
    for violation in report.violations:
        print(f"{violation.promise.value}: {violation.what}")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
