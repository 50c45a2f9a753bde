"""Where a refresh token is kept: the system's keyring."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from ostiary.client import KeyringPlace
from ostiary.errors import Misconfigured


class Kept(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # pyright: ignore[reportAssignmentType]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def kept() -> Iterator[Kept]:
    """The system's keyring is one in memory."""
    before, kept = keyring.get_keyring(), Kept()
    keyring.set_keyring(kept)
    yield kept
    keyring.set_keyring(before)


def test_keyring(kept: Kept) -> None:
    """What is written is read by the next run, and cleared twice without a complaint."""
    KeyringPlace("a-tool").write("os1r.secret")
    found = KeyringPlace("a-tool").read()
    KeyringPlace("a-tool").clear()
    KeyringPlace("a-tool").clear()

    assert found == "os1r.secret"
    assert kept.kept == {}


def test_each_by_its_name(kept: Kept) -> None:
    """Two programs, or two users of one, do not read each other's token."""
    KeyringPlace("a-tool", user="ada").write("os1r.secret")

    assert KeyringPlace("a-tool").read() is None
    assert KeyringPlace("another-tool", user="ada").read() is None


def test_no_keyring_here(kept: Kept) -> None:
    """A machine without a keyring says so, and what to do."""
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]

    with pytest.raises(Misconfigured, match="use a FilePlace"):
        KeyringPlace("a-tool").read()
