"""What a guarded route serves, against the same route unguarded: granian, one worker, Starlette, driven by `wrk`.

Short rounds take turns, and every second pair begins with the other server, so that what else the machine does meets
both alike. With two processors or more, both servers have the first one and `wrk` has the last. Beside the requests per
second stands the processor time that a request costs the worker: it hardly moves with the load of the machine.
"""

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figure import QUICK, Figure
from bench.process import free_port, running

ROUNDS = 3 if QUICK else 21
SECONDS = 1
CONNECTIONS = 32
PASSWORD = "a lantern in the harbour"


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two servers: where it listens, and the process that answers."""

    origin: str
    worker: int


@dataclass(frozen=True, slots=True)
class Round:
    """What one server did in one round."""

    per_second: float
    cost: float
    """The worker's processor time for a request, in microseconds."""


def figures() -> Iterator[Figure]:
    """Measure both carriers."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; install it: apt-get install wrk")
    with (
        tempfile.TemporaryDirectory() as folder,
        _served("guarded", folder) as guarded,
        _served("bare", folder) as bare,
    ):
        cookie, token = _carriers(guarded.origin)
        yield _figure("protected route, cookie", guarded, bare, f"Cookie: ostiary={cookie}")
        yield _figure("protected route, access token", guarded, bare, f"Authorization: Bearer {token}")


@contextlib.contextmanager
def _served(app: str, folder: str) -> Generator[Server]:
    """Serve one of the two applications with one worker, on a free port."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    command = [*_on(0), sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--no-access-log", "--log-level", "warning"]
    command += ["--factory", f"bench.app:{app}"]
    with running(command, port, {"BENCH_STORE": str(Path(folder) / "bench.db"), "BENCH_ISSUER": origin}) as server:
        yield Server(origin, _child(server))


def _on(place: int) -> list[str]:
    """Return what keeps a command on one processor, the first (0) or the last (-1), where there are several."""
    processors = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(processors[place])] if len(processors) > 1 else []


def _child(process: int) -> int:
    """Return the worker of a server."""
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def _processor_seconds(process: int) -> float:
    """Return the processor time that a process has used, to the nanosecond: all its threads together."""
    return sum(int(spent.read_text().split()[0]) for spent in Path(f"/proc/{process}/task").glob("*/schedstat")) / 1e9


def _carriers(origin: str) -> tuple[str, str]:
    account = {"email": "ada@example.com", "password": PASSWORD}
    _post(f"{origin}/auth/register", account)
    cookie, _ = _post(f"{origin}/auth/login", {**account, "carrier": "cookie"})
    _, body = _post(f"{origin}/auth/login", {**account, "carrier": "bearer"})
    return cookie.partition("=")[2].partition(";")[0], body["access_token"]


def _post(url: str, body: dict[str, str]) -> tuple[str, dict[str, str]]:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - our own
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own
        return answer.headers.get("set-cookie", ""), json.load(answer)


def _figure(name: str, guarded: Server, bare: Server, header: str) -> Figure:
    for warm_up in (guarded, bare):
        _round(warm_up, header)
    pairs = [_pair(guarded, bare, header, swapped=bool(n % 2)) for n in range(ROUNDS)]
    ratios = sorted(ours.per_second / theirs.per_second for ours, theirs in pairs)
    ours, theirs = (statistics.median(a_round.per_second for a_round in side) for side in zip(*pairs, strict=True))
    cost, bare_cost = (statistics.median(a_round.cost for a_round in side) for side in zip(*pairs, strict=True))
    by_cost = statistics.median(theirs.cost / ours.cost for ours, theirs in pairs)
    return Figure(
        name=f"{name} / unprotected",
        value=statistics.median(ratios),
        spread=(ratios[0], ratios[-1]),
        detail=f"{ours:,.0f} against {theirs:,.0f} requests/s; "
        f"by processor time {by_cost:.2f}: {cost:.1f} µs against {bare_cost:.1f} µs",
        at_least=0.88,
    )


def _pair(guarded: Server, bare: Server, header: str, *, swapped: bool) -> tuple[Round, Round]:
    if swapped:
        theirs = _round(bare, header)
        return _round(guarded, header), theirs
    return _round(guarded, header), _round(bare, header)


def _round(server: Server, header: str) -> Round:
    command = [*_on(-1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", header, f"{server.origin}/hello"]
    before = _processor_seconds(server.worker)
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = _processor_seconds(server.worker) - before
    if "Non-2xx" in printed:
        sys.exit(f"{server.origin} refused: {printed}")
    answered, per_second = re.search(r"(\d+) requests in", printed), re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if answered is None or per_second is None:
        sys.exit(f"wrk said nothing that can be read: {printed}")
    return Round(float(per_second[1]), spent / int(answered[1]) * 1e6)
