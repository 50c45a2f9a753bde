"""`kill -9` in the middle of a storm: what was acknowledged is there after the restart, and the file is whole."""

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.server.running import PASSWORD, Service, bearer, register

LONGEST_STORM = 15.0
USERS = 3


@dataclass
class Client:
    """One client, and what the service has acknowledged to it."""

    service: Service
    email: str
    chance: random.Random
    logins: int = 0
    refreshes: int = 0
    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The tokens of each session that is in, the newest acknowledged ones."""
    out: list[dict[str, Any]] = field(default_factory=list)
    """The tokens of each session whose logout was acknowledged."""

    @property
    def has_seen_enough(self) -> bool:
        """Tell whether the storm has gone on for long enough to be one."""
        return self.logins >= 2 and self.refreshes >= 4 and len(self.out) >= 1

    def storm(self, over: threading.Event) -> None:
        """Log in, refresh and log out, in any order, until the service is gone."""
        with self.service.client() as http:
            while not over.is_set():
                known = list(self.live)
                try:
                    if len(known) < 2 or self.chance.random() < 0.05:
                        self.login(http)
                    elif self.chance.random() < 0.8:
                        self.refresh(http, self.chance.choice(known))
                    else:
                        self.logout(http, self.chance.choice(known))
                except httpx.TransportError:
                    return

    def login(self, http: httpx.Client) -> None:
        body = {"email": self.email, "password": PASSWORD, "carrier": "bearer"}
        answer = http.post("/auth/login", json=body)
        if answer.status_code == 200:
            self.live[answer.json()["session"]["id"]] = answer.json()
            self.logins += 1

    def refresh(self, http: httpx.Client, sid: str) -> None:
        answer = http.post("/auth/refresh", json={"refresh_token": self.live[sid]["refresh_token"]})
        assert answer.status_code == 200, answer.text
        self.live[sid] = answer.json()
        self.refreshes += 1

    def logout(self, http: httpx.Client, sid: str) -> None:
        tokens = self.live.pop(sid)  # not acknowledged yet: it may be in or out after the restart
        answer = http.post("/auth/logout", headers=bearer(tokens))
        assert answer.status_code == 204, answer.text
        self.out.append(tokens)


def test_kill(tmp_path: Path) -> None:
    """No acknowledged login, refresh or logout is lost by `kill -9`, and the database is whole."""
    with Service(tmp_path / "data", workers=2) as service:
        with service.client() as http:
            for number in range(USERS):
                register(http, f"user{number}@example.com")
        clients = [Client(service, f"user{n % USERS}@example.com", random.Random(n)) for n in range(2 * USERS)]
        over = threading.Event()
        threads = [_thread(client.storm, over) for client in clients]
        end = time.monotonic() + LONGEST_STORM
        while not all(client.has_seen_enough for client in clients) and time.monotonic() < end:
            time.sleep(0.01)
        service.kill()
        over.set()
        for thread in threads:
            thread.join(10)
        whole = _integrity(service.data / "ostiary.db")
        service.start()
        with service.client() as http:
            refreshed = [
                http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code
                for client in clients
                for tokens in client.live.values()
            ]
            checked = [
                http.get("/auth/session", headers=bearer(tokens)).status_code
                for client in clients
                for tokens in client.out
            ]
            revived = [
                http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code
                for client in clients
                for tokens in client.out
            ]

    assert whole == "ok"
    assert all(client.has_seen_enough for client in clients)
    assert len(refreshed) >= len(clients)
    assert set(refreshed) == {200}
    assert set(checked) == {401}
    assert set(revived) == {401}


def _thread(work: Callable[[threading.Event], None], over: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=work, args=(over,))
    thread.start()
    return thread


def _integrity(database: Path) -> str:
    connection = sqlite3.connect(database)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()
