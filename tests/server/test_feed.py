"""The feed over HTTP as it runs: worker processes, sockets that fill up, signals."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ostiary.core.floor import NONE_IS_GOOD, Floor
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.system import SystemClock
from tests.server.running import Service, bearer, login, register

pytestmark = pytest.mark.xdist_group("timing")

STREAMS = 8
"""With so many connections to two workers, one in 128 times all of them are at one."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of two workers."""
    with Service(tmp_path_factory.mktemp("feed") / "data", workers=2) as service:
        yield service


def ask(service: Service, key: str, path: str) -> httpx.Response:
    """Ask as a verifier, on a connection of its own."""
    with service.client() as client:
        return client.get(path, headers={"authorization": f"Bearer {key}"})


def add(service: Service, name: str) -> tuple[str, str]:
    """Add a verifier, and wait until both workers know it. Returns its key, and what it goes on after."""
    key = service.command("verifiers", "add", name)["key"]
    end, good = time.monotonic() + 20, 0
    while good < 20:
        good = good + 1 if ask(service, key, "/auth/feed/head").status_code == 200 else 0
        assert time.monotonic() < end
    out = ask(service, key, "/auth/feed/snapshot").json()
    return key, f"{out['incarnation']}:{out['seq']}"


class Reader:
    """A verifier that follows the feed, in a thread of its own."""

    def __init__(self, service: Service, key: str, after: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.last = after
        self.ended_at: float | None = None
        self._headers = {"authorization": f"Bearer {key}", "last-event-id": after}
        self._service = service
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def begin(self) -> "Reader":
        self._thread.start()
        assert self._begun.wait(20)
        return self

    def _read(self) -> None:
        try:
            with self._service.client() as client, client.stream("GET", "/auth/feed", headers=self._headers) as answer:
                assert answer.status_code == 200
                for line in answer.iter_lines():
                    self._begun.set()
                    if line.startswith("id: "):
                        self.last = line[4:]
                    elif line.startswith("data: "):
                        self.events.append(json.loads(line[6:]))
        except httpx.TransportError:
            pass
        self.ended_at = time.monotonic()


@contextmanager
def within(seconds: float) -> Generator[Any]:
    """Give what happens in the block, and what is waited for in it, so much time."""
    end = time.monotonic() + seconds

    def until(what: Any) -> None:
        while not what():
            assert time.monotonic() < end
            time.sleep(0.005)

    yield until


def test_a_logout_at_another_worker(service: Service) -> None:
    """A logout reaches every stream whichever worker it was at and they are at."""
    fresh = time.monotonic_ns()  # a second try finds what the first has made
    with service.client() as client:
        register(client, f"ada{fresh}@example.com")
        sessions = [login(client, f"ada{fresh}@example.com") for _ in range(4)]
    key, after = add(service, f"orders-{fresh}")
    readers = [Reader(service, key, after).begin() for _ in range(STREAMS)]

    for tokens in sessions:
        with service.client() as client, within(20) as until:
            assert client.post("/auth/logout", headers=bearer(tokens)).status_code == 204
            until(lambda sid=tokens["session"]["id"]: all(r.events and r.events[-1]["sid"] == sid for r in readers))

    sids = [tokens["session"]["id"] for tokens in sessions]
    assert all([event["sid"] for event in reader.events] == sids for reader in readers)
    assert all(reader.ended_at is None for reader in readers)


def test_a_verifier_that_is_removed(service: Service) -> None:
    """Removed from the command line, a verifier is cut at both workers at once, and let in by neither."""
    name = f"bills-{time.monotonic_ns()}"
    key, after = add(service, name)
    readers = [Reader(service, key, after).begin() for _ in range(STREAMS)]

    service.command("verifiers", "remove", name)
    with within(20) as until:
        until(lambda: all(reader.ended_at is not None for reader in readers))

    assert {ask(service, key, "/auth/feed/head").status_code for _ in range(20)} == {401}
    assert "bills" not in [verifier["name"] for verifier in service.command("verifiers", "list")]


async def fill(data: Path, count: int) -> None:
    """Put many floors on the feed, as another process would."""
    store, now = SqlStore(sqlite_url(data / "ostiary.db"), migrate=False), SystemClock().now()
    await store.open()
    async with store.write() as tx:
        await tx.feed.append([Floor(f"{'x' * 40}{i}", NONE_IS_GOOD, now) for i in range(count)])
    await store.close()


def drained(answer: http.client.HTTPResponse) -> bytes:
    """Read what is left of an answer that was cut."""
    got = b""
    with suppress(http.client.IncompleteRead, ConnectionError):
        while chunk := answer.read1(65536):
            got += chunk
    return got


@pytest.mark.timeout(180)  # a busy machine fills and drains the feed slowly
def test_a_reader_that_stops_reading(service: Service) -> None:
    """Who takes nothing in for some seconds is cut; it goes on where it was, and misses nothing."""
    count = 60_000
    key, after = add(service, f"slow-{time.monotonic_ns()}")
    seq = int(after.rpartition(":")[2])
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", service.port))
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.sock = sock
        connection.request("GET", "/auth/feed", headers={"authorization": f"Bearer {key}", "last-event-id": after})
        answer = connection.getresponse()
        assert answer.status == 200

        asyncio.run(fill(service.data, count))
        time.sleep(7)
        sock.settimeout(5)
        got = drained(answer)
    seqs = [int(line.rpartition(b":")[2]) for line in got.rpartition(b"\n\n")[0].splitlines() if line[:3] == b"id:"]
    assert 0 < len(seqs) < count
    assert seqs == list(range(seq + 1, seq + 1 + len(seqs)))

    reader = Reader(service, key, f"{after.rpartition(':')[0]}:{seqs[-1]}").begin()
    with within(20) as until:
        until(lambda: int(reader.last.rpartition(":")[2]) >= seq + count)
    assert len(seqs) + len(reader.events) == count
    assert reader.events[-1]["sid"].endswith(f"x{count - 1}")


def test_a_stop_with_open_streams(tmp_path: Path) -> None:
    """The service stops at once although verifiers follow it; they are sent away, not cut off in the middle."""
    with Service(tmp_path / "data", workers=2) as service:
        key, after = add(service, "orders")
        readers = [Reader(service, key, after).begin() for _ in range(STREAMS)]

        code = service.stop()

        with within(20) as until:
            until(lambda: all(reader.ended_at is not None for reader in readers))
        assert code == 0
        assert "refused to gracefully stop" not in service.log.read_text()
        assert "Traceback" not in service.log.read_text()
