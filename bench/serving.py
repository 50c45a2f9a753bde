"""What a guarded route serves, against the same route unguarded: granian, one worker, Starlette, driven by `wrk`."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Iterator
from pathlib import Path

from bench.figure import Figure

ROUNDS = 7
SECONDS = 3
CONNECTIONS = 32
PASSWORD = "a lantern in the harbour"


def figures() -> Iterator[Figure]:
    """Measure both carriers."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; install it: apt-get install wrk")
    with (
        tempfile.TemporaryDirectory() as folder,
        _served("guarded", folder) as guarded,
        _served("bare", folder) as bare,
    ):
        cookie, token = _carriers(guarded)
        yield _figure("protected route, cookie", guarded, bare, f"Cookie: ostiary={cookie}")
        yield _figure("protected route, access token", guarded, bare, f"Authorization: Bearer {token}")


@contextlib.contextmanager
def _served(app: str, folder: str) -> Generator[str]:
    """Serve one of the two applications with one worker, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--no-access-log", "--log-level", "warning", "--factory", f"bench.app:{app}"]
    settings = {"BENCH_STORE": str(Path(folder) / "bench.db"), "BENCH_ISSUER": origin}
    server = subprocess.Popen(command, env={**os.environ, **settings}, start_new_session=True)
    try:
        _until_ready(port)
        yield origin
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def _until_ready(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("the server did not start")


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


def _figure(name: str, guarded: str, bare: str, header: str) -> Figure:
    both = f"{guarded}/hello", f"{bare}/hello"
    for warm_up in both:
        _requests_per_second(warm_up, header)
    pairs = [(_requests_per_second(both[0], header), _requests_per_second(both[1], header)) for _ in range(ROUNDS)]
    ratios = sorted(closed / opened for closed, opened in pairs)
    closed, opened = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Figure(
        name=f"{name} / unprotected",
        ratio=statistics.median(ratios),
        spread=(ratios[0], ratios[-1]),
        detail=f"{closed:,.0f} against {opened:,.0f} requests/s, {1e6 / closed - 1e6 / opened:+.1f} µs each",
        at_least=0.88,
    )


def _requests_per_second(url: str, header: str) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", header, url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in printed:
        sys.exit(f"{url} refused: {printed}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if found is None:
        sys.exit(f"wrk said nothing that can be read: {printed}")
    return float(found[1])
