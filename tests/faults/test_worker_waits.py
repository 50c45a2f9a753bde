"""A worker that dies while the store is away: its successor waits, and takes nobody else with it."""

import os
import signal
import time
from pathlib import Path

import httpx

from tests.server.running import Service
from tests.servers.postgres import Postgres

TWICE = 1.5  # seconds in which a worker that cannot start has been started more than once


def test_worker_waits(tmp_path: Path) -> None:
    """When the store is back the service answers with all its workers, and nobody had to start it."""
    with Postgres() as postgres:
        service = Service(tmp_path / "data", workers=2, environ={"OSTIARY_STORE": postgres.database()})
        with service:
            first, second = service.workers_of()
            postgres.kill()
            os.kill(first, signal.SIGKILL)
            time.sleep(TWICE)
            parent = service.process
            assert parent is not None
            ended = parent.poll()
            postgres.start()
            answers = [_ready(service) for _ in range(20)]
            workers = service.workers_of()

    assert ended is None
    assert answers == [True] * 20
    assert len(workers) == 2
    assert second in workers
    assert first not in workers


def _ready(service: Service) -> bool:
    """Wait until the worker that takes the next connection is ready."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 200:
            return True
        time.sleep(0.05)
    return False


def test_told_to_stop_while_it_waits(tmp_path: Path) -> None:
    """A service one of whose workers waits for the store stops when it is told to."""
    with Postgres() as postgres:
        service = Service(tmp_path / "data", workers=2, environ={"OSTIARY_STORE": postgres.database()})
        with service:
            postgres.kill()
            os.kill(service.workers_of()[0], signal.SIGKILL)
            time.sleep(TWICE)
            code = service.stop()

    assert code == 0
