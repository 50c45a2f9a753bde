"""The report as a page, and the versions that it was made with."""

# ruff: noqa: E501 - tables

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version

from tests.faults.report.judge import Promise, percentile
from tests.faults.report.load import LEASE
from tests.faults.report.run import Report, Row
from tests.servers import programs

_WHAT = """\
# What was survived

`make faults` runs the real processes under a seeded load of logins, checks by both carriers, refreshes, changes of
roles, logouts and "log out everywhere", and breaks one thing after the other, and then several at once. It writes down
every answer and judges the record afterwards. This page is what the last run wrote.

It promises four things, whatever fails:

- **No acknowledged write is lost.** After each fault the store is asked for every login, refresh, logout and change of
  roles that was acknowledged.
- **Nothing is accepted after the lease.** No check that was *sent* later than {lease:g} s after an acknowledged logout is
  let in, by any worker or verifier; and no access token from before an acknowledged change of roles.
- **Nothing comes back to life.** No session is given a token after its logout was acknowledged.
- **No honest client is logged out.** Who never logged out, and shows a refresh token again when no answer came, is
  still in when the fault is over.

*Delay* is the time from the acknowledgement of a logout to the first check, sent to that kind of node, which was refused
and after which none was let in. It is never shorter than the truth; it is longer by the time between two checks, some
10 ms, and by what the load, which shares the processors, takes itself. *Back* is the time from when the cause was
mended to when every worker and every verifier let an honest client in again.
"""

_HOW = """\
## How to repeat it

    make faults SEED={seed}

The seed decides what each client does and in which order, which process is hit, and which faults are mixed. It does not
decide how the machine schedules them. The load, the judge and the faults are in `tests/faults/report`; each rule of the
judge is shown there a record that breaks it (`tests/faults/test_judge.py`).
"""

_NOTES = """\
## What the rows mean

- *stopped* is SIGSTOP for 3.5 s, longer than the lease. *cut* lets nothing through for as long and tells nobody; *slow*
  adds 150 ms each way; *reset* breaks all connections ten times.
- Logouts during a cut between the server and PostgreSQL are made beside it, on the store: the server cannot be told of
  them, and its lease has to run out.
- Redis keeps nothing on a disk: killed, it comes back empty.
- *disk full*: PostgreSQL has a small disk of its own, which is filled until writes fail, and then its log too.
- *clock*: the time of day of the processes jumps, one worker is killed so that its successor starts in the wrong time,
  and the time is put right. Who saw time jump forward stays ahead by design, so the server and the verifiers are then
  restarted: that is part of the fault, and *back* counts from there.
- *hung up*: clients that go in the middle of a request, or before its answer.
"""


def page(report: Report, *, today: dt.date) -> str:
    """Write the report."""
    return "\n".join(_lines(report, today)).rstrip() + "\n"


def _lines(report: Report, today: dt.date) -> Iterator[str]:
    yield _WHAT.format(lease=LEASE)
    yield f"## The run of {today.isoformat()}"
    yield ""
    yield f"Seed {report.seed}; {report.workers} workers, {report.verifiers} verifiers; {report.operations:,} operations. "
    yield f"{versions()}."
    yield ""
    yield verdict(report)
    yield ""
    yield "| fault | operations | acknowledged writes | logouts | server p99 / worst | verifiers p99 / worst | back | broken |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for row in report.rows:
        yield _line(row)
    yield ""
    if report.violations:
        yield "## Violations"
        yield ""
        for violation in report.violations:
            yield f"- {violation.promise.value}: {violation.what}"
        yield ""
    yield _NOTES
    yield _HOW.format(seed=report.seed)


def verdict(report: Report) -> str:
    """Return the figures that matter, in one line."""
    found = [violation.promise for violation in report.violations]
    return ". ".join(f"{promise.value.capitalize()}: **{found.count(promise)}**" for promise in Promise) + "."


def _line(row: Row) -> str:
    trial = row.trial
    if trial.skipped:
        return f"| {trial.fault} | | | | | | | *skipped: {trial.skipped}* |"
    numbers = f"{row.operations:,} | {row.acknowledged:,} | {row.logouts}"
    spans = " | ".join(_span(row.delays[kind]) for kind in ("server", "verifier"))
    back = "**never**" if trial.back is None else f"{trial.back:.1f} s"
    broken = ", ".join(f"{promise.value}: {times}" for promise, times in row.broken.items()) or "nothing"
    return f"| {trial.fault} | {numbers} | {spans} | {back} | {broken} |"


def _span(delays: list[float]) -> str:
    p99 = percentile(delays, 0.99)
    return "-" if p99 is None else f"{_short(p99)} / {_short(delays[-1])}"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def versions() -> str:
    """Return what took part."""
    said = {
        "PostgreSQL": subprocess.run([programs.postgres() / "postgres", "--version"], capture_output=True, check=True),
        "Redis": subprocess.run([programs.redis() / "redis-server", "--version"], capture_output=True, check=True),
    }
    servers = [f"PostgreSQL {said['PostgreSQL'].stdout.decode().split()[2]}"]
    servers += [f"Redis {said['Redis'].stdout.decode().split('v=')[1].split()[0]}"]
    packages = [f"{name} {version(name)}" for name in ("granian", "asyncpg", "redis")]
    python = f"Python {platform.python_version()}"
    return ", ".join(
        [f"Ostiary {importlib.metadata.version('ostiary')}", python, *servers, *packages, f"{os.cpu_count()} cores"]
    )
