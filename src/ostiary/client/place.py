"""Where a refresh token is kept between two runs of a program."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Protocol

from ostiary.errors import Misconfigured


class Place(Protocol):
    """Keeps one refresh token."""

    def read(self) -> str | None:
        """Return the token, or `None`."""
        ...

    def write(self, token: str) -> None:
        """Keep a token in the place of the one before. Whoever reads meanwhile gets the one or the other, whole."""
        ...

    def clear(self) -> None:
        """Keep none."""
        ...


class MemoryPlace:
    """Keeps it for as long as the program runs."""

    def __init__(self) -> None:
        self._token: str | None = None

    def read(self) -> str | None:
        """Return the token, or `None`."""
        return self._token

    def write(self, token: str) -> None:
        """Keep a token."""
        self._token = token

    def clear(self) -> None:
        """Keep none."""
        self._token = None


class FilePlace:
    """Keeps it in a file that only its owner can read. Several processes may share one."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()

    def read(self) -> str | None:
        """Return the token, or `None` when there is no file.

        Raises:
            Misconfigured: others can read the file, or it cannot be read.
        """
        try:
            with self._path.open(encoding="ascii", errors="replace") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & 0o077:
                    raise Misconfigured(f"others can read {self._path}: type chmod 600 {self._path}, and sign in again")
                return file.read(1024).strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Misconfigured(f"cannot read {self._path}: {error.strerror}") from None

    def write(self, token: str) -> None:
        """Keep a token. It is on the disk when this returns.

        Raises:
            Misconfigured: the file cannot be written.
        """
        beside = self._path.with_name(f".{self._path.name}.{token_hex(4)}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made with its final mode: at no time can anybody else open it. What stood there is replaced, not opened.
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise Misconfigured(f"cannot write {self._path}: {error.strerror}") from None

    def clear(self) -> None:
        """Remove the file."""
        with suppress(FileNotFoundError):
            self._path.unlink()


class KeyringPlace:
    """Keeps it in the system's keyring: Keychain, Credential Manager, Secret Service."""

    def __init__(self, name: str, *, user: str = "default") -> None:
        try:
            import keyring.errors  # noqa: PLC0415 - an extra
        except ModuleNotFoundError:
            raise Misconfigured("install ostiary[client]: it brings the system's keyring") from None
        self._keyring = keyring
        self._name = name
        self._user = user

    def read(self) -> str | None:
        """Return the token, or `None`.

        Raises:
            Misconfigured: there is no keyring here, or it stays shut.
        """
        try:
            return self._keyring.get_password(self._name, self._user)
        except self._keyring.errors.KeyringError as error:
            raise _shut(error) from None

    def write(self, token: str) -> None:
        """Keep a token. Raises `Misconfigured` as `read` does."""
        try:
            self._keyring.set_password(self._name, self._user, token)
        except self._keyring.errors.KeyringError as error:
            raise _shut(error) from None

    def clear(self) -> None:
        """Keep none. Raises `Misconfigured` as `read` does."""
        try:
            if self._keyring.get_password(self._name, self._user) is not None:
                self._keyring.delete_password(self._name, self._user)
        except self._keyring.errors.KeyringError as error:
            raise _shut(error) from None


def _shut(error: Exception) -> Misconfigured:
    return Misconfigured(f"the system's keyring cannot be used ({type(error).__name__}): use a FilePlace instead")
