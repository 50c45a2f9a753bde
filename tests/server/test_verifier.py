"""A verifier beside the service as it runs: what it hears over the feed, from whichever worker."""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.decision import Reason
from ostiary.errors import Barred, Unavailable
from ostiary.verify import Verifier
from tests.server.running import Service, bearer, free_port, login, register

pytestmark = pytest.mark.xdist_group("timing")

SOON = timedelta(seconds=10)
LEASE = 2.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of two workers with a user."""
    port = free_port()
    data: Path = tmp_path_factory.mktemp("verifier") / "data"
    with Service(data, workers=2, port=port, issuer=f"http://127.0.0.1:{port}") as service:
        with service.client() as client:
            register(client, "ada@example.com")
        yield service


def verifier_of(service: Service, name: str) -> Verifier:
    """Make a verifier of a service, as another service would."""
    key = service.command("verifiers", "add", name)["key"]
    return Verifier(service.issuer, audience=service.issuer, key=key)


def until(what: Callable[[], bool], within: float) -> float:
    """Wait for something, so long at most. Returns how long it took."""
    began = time.perf_counter()
    while not what():
        assert time.perf_counter() - began < within
        time.sleep(0.0005)
    return time.perf_counter() - began


def why_not(verifier: Verifier, token: str) -> Reason | None:
    """Return why a token is refused, or `None` when it is good."""
    try:
        verifier.verify(token)
    except Barred as barred:
        return barred.reason
    except Unavailable:
        return Reason.UNAVAILABLE
    return None


def test_a_logout(service: Service) -> None:
    """A logout at either worker is a refusal here by the stream, and never a doubt in between."""
    delays: list[float] = []
    with verifier_of(service, "orders") as verifier:
        verifier.wait_ready(SOON)
        for _ in range(20):
            with service.client() as client:
                token = (tokens := login(client, "ada@example.com"))["access_token"]
                assert verifier.verify(token).session_id == tokens["session"]["id"]
                assert client.post("/auth/logout", headers=bearer(tokens)).status_code == 204
            delays.append(until(lambda token=token: why_not(verifier, token) is not None, LEASE))  # type: ignore[misc]
            assert why_not(verifier, token) is Reason.REVOKED
    print(f"logout to refusal at a verifier: p50 {statistics.median(delays) * 1e3:.1f}, max {max(delays) * 1e3:.1f} ms")

    assert statistics.median(delays) < LEASE / 4  # by asking it would take that


def test_roles_and_keys(service: Service) -> None:
    """A session that may do other things, and a key that was retired, are known here as soon."""
    with verifier_of(service, "bills") as verifier, service.client() as client:
        verifier.wait_ready(SOON)
        before = login(client, "ada@example.com")["access_token"]
        service.command("users", "roles", "ada@example.com", "editor")
        until(lambda: why_not(verifier, before) is Reason.SUPERSEDED, LEASE)
        after = login(client, "ada@example.com")["access_token"]
        assert verifier.verify(after).roles == ("editor",)

        (key,) = [key["id"] for key in service.command("keys", "list") if key["purpose"] == "access"]
        service.command("keys", "retire", key, "--yes")
        until(lambda: why_not(verifier, after) is Reason.UNKNOWN_KEY, LEASE)
        until(lambda: why_not(verifier, login(client, "ada@example.com")["access_token"]) is None, LEASE)


def test_removed(service: Service) -> None:
    """A verifier that is removed says within a lease that it knows nothing any more; it does not go on guessing."""
    with verifier_of(service, "gone") as verifier, service.client() as client:
        verifier.wait_ready(SOON)
        token = login(client, "ada@example.com")["access_token"]
        assert why_not(verifier, token) is None

        service.command("verifiers", "remove", "gone")

        assert until(lambda: why_not(verifier, token) is Reason.UNAVAILABLE, LEASE + 0.5) <= LEASE + 0.5


def test_a_restart(service: Service) -> None:
    """While the service is away a verifier falls silent; when it is back, it goes on, and knows what was ended."""
    with verifier_of(service, "back") as verifier:
        verifier.wait_ready(SOON)
        with service.client() as client:
            kept, ended = (login(client, "ada@example.com") for _ in range(2))
        assert service.stop() == 0
        until(lambda: why_not(verifier, kept["access_token"]) is Reason.UNAVAILABLE, LEASE + 0.5)
        service.command("sessions", "revoke", ended["session"]["id"])
        assert why_not(verifier, ended["access_token"]) is Reason.UNAVAILABLE
        assert service.process is not None
        assert service.process.stdout is not None
        service.process.stdout.close()
        service.start()

        until(lambda: why_not(verifier, kept["access_token"]) is None, 10)
        assert why_not(verifier, ended["access_token"]) is Reason.REVOKED
