"""Two workers, one of them stopped for a while; and how fast a logout at one reaches the other."""

import os
import signal
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from tests.server.running import Service, bearer, lets_in, login, register

LEASE = 2.0
LOGOUTS = 100

pytestmark = pytest.mark.xdist_group("timing")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Two services on one data folder, which are two workers that can be told apart."""
    data = tmp_path_factory.mktemp("pair") / "data"
    with Service(data) as near, Service(data, issuer=f"http://localhost:{near.port}") as far:
        yield near, far


@pytest.mark.parametrize("stopped_for", [0.6, LEASE + 0.5], ids=["within the lease", "longer than the lease"])
def test_sigstop(pair: tuple[Service, Service], stopped_for: float) -> None:
    """A worker that slept through a logout accepts the session until its lease ends at most, and never after it."""
    near, far = pair
    email = f"sleeper{stopped_for}@example.com"
    (worker,) = far.workers_of()
    with near.client() as here, far.client() as there:
        register(here, email)
        tokens = login(here, email)
        assert lets_in(there, tokens)
        waiting = HTTPConnection("127.0.0.1", far.port, timeout=10)
        waiting.connect()
        os.kill(worker, signal.SIGSTOP)
        out_at = time.monotonic()
        try:
            assert here.post("/auth/logout", headers=bearer(tokens)).status_code == 204
            out_at = time.monotonic()
            waiting.request("DELETE", "/auth/sessions?all=neither", headers=bearer(tokens))  # as in `lets_in`
            time.sleep(stopped_for)
        finally:
            goes_on_after = time.monotonic() - out_at
            os.kill(worker, signal.SIGCONT)
        first = waiting.getresponse()
        answers = [(goes_on_after, first.status == 400)]
        waiting.close()
        while time.monotonic() < out_at + max(LEASE, stopped_for) + 0.5:
            asked_at = time.monotonic() - out_at
            answers.append((asked_at, lets_in(there, tokens)))
        last = there.get("/auth/session", headers=bearer(tokens)).status_code

    accepted = [at for at, let_in in answers if let_in]
    assert all(at <= LEASE for at in accepted)
    assert stopped_for < LEASE or accepted == []
    assert len(answers) > 3
    assert last == 401


def test_how_fast_a_logout_is(pair: tuple[Service, Service]) -> None:
    """A logout at one worker is in force at the other by the news, not by the next question or the lease's end."""
    near, far = pair
    with near.client() as here, far.client() as there, ThreadPoolExecutor(4) as pool:
        register(here, "fast@example.com")
        sessions = list(pool.map(lambda _: login(here, "fast@example.com"), range(LOGOUTS)))
        delays = []
        for tokens in sessions:
            assert lets_in(there, tokens)
            assert here.post("/auth/logout", headers=bearer(tokens)).status_code == 204
            out_at = time.monotonic()
            asked_at = out_at
            while lets_in(there, tokens):
                assert asked_at <= out_at + LEASE
                asked_at = time.monotonic()
            delays.append(asked_at - out_at)

    assert statistics.median(delays) < LEASE / 8  # by asking it would take up to twice that
