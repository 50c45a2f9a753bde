"""The service as it runs: processes, signals, what it says at the start, and commands beside it."""

import base64
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.server.running import PASSWORD, Service, bearer, lets_in, login, register

PATIENCE = 20.0
"""Seconds, for what is there in milliseconds on a machine that does nothing else."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of two workers."""
    with Service(tmp_path_factory.mktemp("serve") / "data", workers=2) as service:
        yield service


def newcomer(client: httpx.Client) -> str:
    """Make an account that nobody had before, so that a test can be run twice, and return its address."""
    email = f"{secrets.token_hex(8)}@example.com"
    register(client, email)
    return email


def until(client: httpx.Client, tokens: dict[str, Any], *, lets: bool) -> None:
    """Wait until twenty fresh connections in a row, so both workers, let a session in or not."""
    end, good = time.monotonic() + PATIENCE, 0
    while good < 20:
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=PATIENCE) as fresh:
            good = good + 1 if lets_in(fresh, tokens) is lets else 0
        assert time.monotonic() < end


def test_two_workers(service: Service) -> None:
    """Two processes answer, and a login at one is good at both."""
    with service.client() as client:
        tokens = login(client, newcomer(client))
        until(client, tokens, lets=True)

    assert len(service.workers_of()) == 2


def test_what_it_says_at_the_start(service: Service) -> None:
    """The three lines it prints work when they are pasted into a shell."""
    assert service.process is not None
    assert service.process.stdout is not None
    said = [service.process.stdout.readline() for _ in range(8)]
    lines = [line.strip() for line in said if line.startswith("  ")]

    pasted = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )

    assert said[0] == f"Ostiary is at {service.url}, with 2 workers. Ctrl-C stops it.\n"
    assert len(lines) == 3
    registered, _, session = pasted.stdout.partition("}}")
    assert json.loads(registered + "}}")["user"]["email"] == "ada@example.com"
    assert json.loads(session)["session"]["carrier"] == "bearer"


def test_under_another_prefix(tmp_path: Path) -> None:
    """A service whose routes are elsewhere says so at the start, and answers there."""
    with Service(tmp_path / "data", environ={"OSTIARY_PREFIX": "/people"}) as service:
        assert service.process is not None
        assert service.process.stdout is not None
        said = "".join(service.process.stdout.readline() for _ in range(8))
        with service.client() as client:
            there, behind = client.get("/people/sign-in"), client.get("/auth/sign-in")

    assert "/auth/" not in said
    assert f"{service.url}/people/login" in said
    assert (there.status_code, behind.status_code) == (200, 404)


def test_the_link_that_makes_the_administrator(tmp_path: Path) -> None:
    """A fresh service prints one link, whatever its workers; that makes the administrator, and then none is made."""
    data = tmp_path / "data"
    with Service(data, workers=2) as fresh, fresh.client(headers={"sec-fetch-site": "same-origin"}) as client:
        *_, said = fresh.read_until("/auth/administrator?token=")
        link = httpx.URL(said.strip())
        form = {"token": link.params["token"], "name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        shown = client.get(link.raw_path.decode())
        entered = client.post(link.path, data=form)
        again = client.post(link.path, data={**form, "email": "eve@example.com"})
        roles = fresh.command("users", "roles", "ada@example.com")
        rest = fresh.read_to_the_end()
    with Service(data) as later:
        printed = [*later.read_until("/auth/session"), *later.read_to_the_end()]

    assert said.strip().startswith(f"http://localhost:{fresh.port}/")
    assert "administrator" not in rest
    assert [answer.status_code for answer in (shown, entered, again)] == [200, 303, 404]
    assert roles["roles"] == ["admin"]
    assert "administrator" not in "".join(printed)


def test_a_user_disabled_beside_it(service: Service) -> None:
    """Whoever is disabled from the command line is out of every running worker, and can come back."""
    with service.client() as client:
        email = newcomer(client)
        tokens = login(client, email)
        until(client, tokens, lets=True)
        ended = service.command("users", "disable", email)
        until(client, tokens, lets=False)
        again = client.post("/auth/login", json={"email": email, "password": PASSWORD, "carrier": "bearer"})
        service.command("users", "enable", email)
        tokens = login(client, email)

        assert ended["sessions_ended"] == 1
        assert again.status_code == 401
        assert client.get("/auth/session", headers=bearer(tokens)).status_code == 200


def test_sessions_revoked_beside_it(service: Service) -> None:
    """One session, or all of a user, end from the command line; the others stay."""
    with service.client() as client:
        email = newcomer(client)
        first, second, third = (login(client, email) for _ in range(3))
        for tokens in (first, second, third):
            until(client, tokens, lets=True)
        listed = service.command("sessions", "list", email)
        one = service.command("sessions", "revoke", first["session"]["id"])
        until(client, first, lets=False)
        still = lets_in(client, second)
        rest = service.command("sessions", "revoke", "--user", email)
        until(client, second, lets=False)
        until(client, third, lets=False)

    assert {session["id"] for session in listed} == {tokens["session"]["id"] for tokens in (first, second, third)}
    assert {session["carrier"] for session in listed} == {"bearer"}
    assert set(listed[0]) == {
        "id", "user", "user_id", "carrier", "device", "ip", "created_at", "last_seen_at", "expires_at",
    }  # fmt: skip
    assert (one, still, rest) == ({"sessions_ended": 1}, True, {"sessions_ended": 2})


def test_roles_given_beside_it(service: Service) -> None:
    """A role given from the command line is there at the next refresh, and nobody is logged out."""
    with service.client() as client:
        email = newcomer(client)
        tokens = login(client, email)
        service.command("users", "roles", email, "admin")
        refreshed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        user = client.get("/auth/session", headers=bearer(refreshed.json())).json()["user"]

    assert refreshed.status_code == 200
    assert user["roles"] == ["admin"]


def test_rotation_under_load(service: Service) -> None:
    """A rotation refuses nobody: the new key is published before it signs, and what the old one signed stays good."""
    with service.client() as client:
        email = newcomer(client)
        kept = login(client, email)
        old = _kid(kept["access_token"])
        patience = time.monotonic() + 2 * PATIENCE

        def use(tokens: dict[str, str]) -> tuple[list[int], list[tuple[float, str]]]:
            statuses: list[int] = []
            signed: list[tuple[float, str]] = []
            with service.client() as mine:
                while len(signed) < 20 or signed[-1][1] == old:
                    assert time.monotonic() < patience
                    answer = mine.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
                    statuses.append(answer.status_code)
                    tokens = answer.json()
                    signed.append((time.monotonic(), _kid(tokens["access_token"])))
                    statuses += [mine.get("/auth/session", headers=bearer(held)).status_code for held in (tokens, kept)]
            return statuses, signed

        with ThreadPoolExecutor(3) as pool:
            users = [pool.submit(use, login(client, email)) for _ in range(3)]
            new = service.command("keys", "rotate", "--lead", "5")["id"]
            while new not in _published(client):
                time.sleep(0.005)
            published_at = time.monotonic()
            done = [user.result() for user in users]

    statuses = [status for user, _ in done for status in user]
    signed = [each for _, user in done for each in user]
    assert set(statuses) == {200}
    assert {kid for _, kid in signed} == {old, new}
    assert min(at for at, kid in signed if kid == new) > published_at


def test_a_retired_key(service: Service) -> None:
    """What a retired key signed is refused by every running worker; a refresh gives a token of another key."""
    with service.client() as client:
        email = newcomer(client)
        tokens = login(client, email)
        until(client, tokens, lets=True)
        service.command("keys", "retire", _kid(tokens["access_token"]), "--yes")
        until(client, tokens, lets=False)
        refreshed = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
        until(client, refreshed, lets=True)

        assert _kid(tokens["access_token"]) not in _published(client)
        assert _kid(refreshed["access_token"]) in _published(client)


def test_its_log(service: Service) -> None:
    """The log has a line for each thing that happened, and no password and no token in it."""
    with service.client() as client:
        email = newcomer(client)
        tokens = login(client, email)
        client.post("/auth/login", json={"email": email, "password": "not that", "carrier": "bearer"})
    log = service.log.read_text()

    assert f"logged_in actor={tokens['user']['id']}" in log
    assert "login_failed" in log
    for secret in (PASSWORD, "not that", tokens["access_token"], tokens["refresh_token"], "Traceback"):
        assert secret not in log


def test_a_lost_worker(service: Service) -> None:
    """A worker that is lost is replaced; the service goes on."""
    lost = service.workers_of()[0]
    os.kill(lost, signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while lost in service.workers_of() or len(service.workers_of()) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    with service.client() as client:
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end

    assert service.process is not None
    assert service.process.poll() is None


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_stop(tmp_path: Path, signum: int) -> None:
    """A request that has begun before a stop is answered, nothing is left running, and the exit code is 0."""
    with Service(tmp_path / "data", workers=2) as service, ThreadPoolExecutor(1) as pool:
        with service.client() as client:
            register(client, "last@example.com")
            held = [login(client, "last@example.com")["refresh_token"] for _ in range(3)]
        bodies = [json.dumps({"refresh_token": token}).encode() for token in held]
        workers = [psutil.Process(pid) for pid in service.workers_of()]
        begun = [HTTPConnection("127.0.0.1", service.port, timeout=10) for _ in bodies]
        for connection, body in zip(begun, bodies, strict=True):
            connection.putrequest("POST", "/auth/refresh")
            connection.putheader("content-type", "application/json")
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body[:10])
        _await_accepted(workers, begun)
        stopping = pool.submit(service.stop, signum)
        time.sleep(0.2)
        for connection, body in zip(begun, bodies, strict=True):
            connection.send(body[10:])
        statuses = [connection.getresponse().status for connection in begun]
        code = stopping.result()
        log = service.log.read_text()

        assert statuses == [200] * 3
        assert code == 0
        assert "Traceback" not in log
        assert not any(worker.is_running() for worker in workers)


def test_a_worker_that_cannot_start_again(tmp_path: Path) -> None:
    """A lost worker whose keys are gone by then is not started for ever: the service ends, and says why in a line."""
    with Service(tmp_path / "data") as service:
        (service.data / "ostiary.db.key").rename(service.data / "elsewhere")
        os.kill(service.workers_of()[0], signal.SIGKILL)
        assert service.process is not None

        code = service.process.wait(20)

        assert code == 1
        assert f"the key file {service.data}/ostiary.db.key is missing" in service.log.read_text()
        assert "Traceback" not in service.log.read_text()


def test_a_parent_that_is_gone(tmp_path: Path) -> None:
    """A worker whose parent was killed ends by itself: it would keep the port, and nobody could stop it."""
    with Service(tmp_path / "data") as service:
        (worker,) = (psutil.Process(pid) for pid in service.workers_of())
        os.kill(service.pid, signal.SIGKILL)

        assert worker.wait(PATIENCE) is None or not worker.is_running()


def _await_accepted(workers: list[psutil.Process], begun: list[HTTPConnection]) -> None:
    """Wait until the workers have taken in every connection, and a moment more, in which they read what it says."""
    ours = {connection.sock.getsockname() for connection in begun}
    end = time.monotonic() + PATIENCE
    while not ours <= {taken.raddr for worker in workers for taken in worker.net_connections()}:
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)


def _kid(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


def _published(client: httpx.Client) -> set[str]:
    return {key["kid"] for key in client.get("/.well-known/jwks.json").json()["keys"]}
