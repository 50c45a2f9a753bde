"""An `Auth` of the twin on a PostgreSQL, in real time and with a short lease, and one user of it."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ostiary import Issued
from ostiary.core.access import Principal
from ostiary.core.decision import Denied
from ostiary.core.session import Carrier
from ostiary.sync import Auth
from tests.conftest import ISSUER, PASSWORD, headers_of
from tests.stores.living import EMAIL, POLICY

PATIENCE = 20.0
"""Seconds that a test waits for what must come."""


@dataclass
class Living:
    """A running `Auth`, and one user of it."""

    auth: Auth

    def login(self, carrier: Carrier = Carrier.BEARER) -> Issued:
        """Log the user in."""
        return self.auth.login(self.auth.prove(EMAIL, PASSWORD), carrier=carrier)

    def ask(self, issued: Issued) -> Principal | Denied:
        """Present what was issued."""
        return self.auth.authenticate(headers_of(self.auth, issued), "GET")

    def logout(self, issued: Issued) -> None:
        """Log out."""
        who = self.ask(issued)
        assert isinstance(who, Principal), who
        self.auth.logout(who)

    def remembered(self, issued: Issued) -> object:
        """Return what memory alone answers."""
        return self.auth.guard.check(headers_of(self.auth, issued), "GET")

    def remembers(self, issued: Issued) -> bool:
        """Say whether memory alone lets in."""
        return isinstance(self.remembered(issued), Principal)


@contextmanager
def living(url: str, folder: Path, *, registers: bool = True, redis: str | None = None) -> Generator[Living]:
    """Run an `Auth`. Those in one folder share their keys."""
    auth = Auth.at(url, key_file=folder / "master.key", issuer=ISSUER, policy=POLICY, redis=redis)
    with auth.running():
        if registers:
            auth.accounts.register(email=EMAIL, password=PASSWORD)
        yield Living(auth)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() < started + PATIENCE, "it never did"
        time.sleep(0.01)
