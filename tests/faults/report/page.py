"""The report as a page, and the versions that it was made with."""

import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version

from tests.faults.report.judge import Promise, percentile
from tests.faults.report.load import LEASE
from tests.faults.report.run import Report, Row
from tests.servers import programs

_WHAT = """\
# The fault report

`make faults` runs the real processes under a seeded load of logins, checks by both carriers, refreshes, changes of
roles, logouts and "log out everywhere", and breaks one thing after the other, and then several at once. It writes down
every answer and judges the record afterwards. This page is what the last run wrote.

Five things must hold, whatever fails:

- **No acknowledged write is lost.** After each fault the store is asked for every login, refresh, logout and change of
  roles that was acknowledged.
- **Nothing is accepted after the lease.** No check that was *sent* later than {lease:g} s after an acknowledged logout
  is let in, by any worker or verifier; nor is an access token from before an acknowledged change of roles.
- **Nothing comes back to life.** No session is given a token after its logout was acknowledged.
- **No honest client is logged out.** Who never logged out, and shows a refresh token again when no answer came, is
  still in when the fault is over.
- **A fault is no error of ours.** The service says yes, no, or "not now" (429, 503); it never answers 500.
"""

_TABLE = """\
| fault | operations | acknowledged writes | logouts | server p99 / worst | verifiers p99 / worst | back | broken |
|---|--:|--:|--:|--:|--:|--:|---|"""

_NOTES = """\
## What the columns mean

*p99 / worst* are of the delay from the acknowledgement of a logout to the first check, sent to that kind of node, that
was not let in, and after which none was. It is never shorter than the truth; it is longer by the time between two
checks, 10 to 150 ms, and by what the load takes itself, which shares the processors.

*Back* is the time from when the cause was mended to when every worker and every verifier let an honest client in again.

## What the faults are

- *stopped* is SIGSTOP for 3.5 s, longer than the lease. *cut* lets nothing through for as long and tells nobody; *slow*
  adds 150 ms each way; *reset* breaks all connections ten times.
- Some logouts and all changes of roles are made beside the server, on the store: while the server is cut off from it,
  it cannot hear of them, and its lease has to run out.
- Redis keeps nothing on a disk: killed, it comes back empty.
- *disk full*: PostgreSQL has a small disk of its own, which is filled until writes fail, and then its log too.
- *clock*: the time of day of the processes jumps, one worker is killed so that its successor starts in the wrong time,
  and the time is put right. Who saw time jump forward stays ahead by design, so the server and the verifiers are then
  restarted: that is part of the fault, and *back* counts from there.
- *hung up*: clients that go in the middle of a request, or before its answer.
- *mixed*: three faults that begin within two seconds of each other.
"""

_HOW = """\
## How to repeat it

    make faults SEED={seed}

The seed decides what each client does and in which order, which process is hit, and which faults are mixed. It does not
decide how the machine schedules them. The load, the faults and the judge are in `tests/faults/report`;
`tests/faults/test_judge.py` shows the judge a record that breaks each rule. A small run is part of `make test`.
"""


def page(report: Report, *, today: date) -> str:
    """Write the report."""
    return "\n".join(_lines(report, today)).rstrip() + "\n"


def _lines(report: Report, today: date) -> Iterator[str]:
    yield _WHAT.format(lease=LEASE)
    yield f"## The run of {today.isoformat()}"
    yield ""
    parts = f"{report.workers} workers, {report.verifiers} verifiers; {report.operations:,} operations"
    yield f"Seed {report.seed}; {parts}."
    yield f"{versions()}."
    yield ""
    yield verdict(report)
    yield ""
    yield _TABLE
    for row in report.rows:
        yield _line(row)
    yield ""
    if report.violations:
        yield "## What was broken"
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


def versions() -> str:
    """Return what took part."""
    postgres = _said(programs.postgres() / "postgres").split()[2]
    redis = _said(programs.redis() / "redis-server").split("v=")[1].split()[0]
    ours = ", ".join(f"{name} {version(name)}" for name in ("granian", "asyncpg", "redis"))
    python = f"Python {platform.python_version()}"
    return (
        f"Ostiary {version('ostiary')}, {python}, PostgreSQL {postgres}, Redis {redis}, {ours}, {os.cpu_count()} cores"
    )


def _said(program: os.PathLike[str]) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def _line(row: Row) -> str:
    trial = row.trial
    if trial.skipped:
        return f"| {trial.fault} | | | | | | | *skipped: {trial.skipped}* |"
    numbers = f"{row.operations:,} | {row.acknowledged:,} | {row.logouts}"
    spans = " | ".join(_span(row.delays[kind]) for kind in ("server", "verifier"))
    back = "**never**" if trial.back is None else f"{trial.back:.1f} s"
    broken = ", ".join(f"**{promise.value}: {times}**" for promise, times in row.broken.items()) or "nothing"
    return f"| {trial.fault} | {numbers} | {spans} | {back} | {broken} |"


def _span(delays: list[float]) -> str:
    p99 = percentile(delays, 0.99)
    return "" if p99 is None else f"{_short(p99)} / {_short(delays[-1])}"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
