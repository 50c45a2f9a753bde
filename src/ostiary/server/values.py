"""How each setting's value is read: from what TOML gives, or from the words of a flag or an environment variable."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ostiary.core.mount import Mount
from ostiary.core.network import network
from ostiary.core.site import Site
from ostiary.errors import Misconfigured
from ostiary.mail.mail import transport
from ostiary.mail.words import read_sender
from ostiary.stores.sql.place import sqlite_url

T = TypeVar("T")

Read = Callable[[object, Path], T]
"""Takes a value as TOML gives it, and the folder that relative paths start from. Raises `Unfit`."""

Words = Callable[[str], object]
"""Turns words into a value as TOML would give it. What cannot be turned stays as it is, for `Read` to refuse."""


class Unfit(Exception):
    """A value that cannot be used. The message is the end of a sentence that begins with the key."""


# ------------------------------------------------------------------------------------------------ from TOML


def text(value: object, _: Path) -> str:
    """Read a text of one line."""
    if not isinstance(value, str):
        raise Unfit(f"must be a text, not {_kind(value)}")
    if not value or not value.isprintable():
        raise Unfit("must not be empty, nor contain control characters")
    return value


def texts(value: object, base: Path) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(value, list):
        raise Unfit(f"must be a list of texts, not {_kind(value)}")
    return tuple(text(item, base) for item in cast("list[object]", value))


def path(value: object, base: Path) -> Path:
    """Read a path, and make it absolute."""
    try:
        return base / Path(text(value, base)).expanduser()
    except RuntimeError:
        raise Unfit("names the home of a user who is not known") from None


def colour(value: object, base: Path) -> str:
    """Read a colour as a style sheet writes it."""
    words = text(value, base)
    if re.fullmatch("#[0-9a-fA-F]{6}", words) is None:
        raise Unfit(f"must be a colour such as #24456b, not {words!r}")
    return words


def whole(least: int, most: int) -> Read[int]:
    """Read a whole number within bounds."""

    def read(value: object, _: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"must be a whole number, not {_kind(value)}")
        if not least <= value <= most:
            raise Unfit(f"must be from {least} to {most}, not {value}")
        return value

    return read


def one_of(choices: Sequence[str]) -> Read[str]:
    """Read one of a few words."""

    def read(value: object, base: Path) -> str:
        word = text(value, base)
        if word not in choices:
            raise Unfit(f"must be one of {', '.join(choices)}, not {word!r}")
        return word

    return read


def store(value: object, base: Path) -> str:
    """Read the URL of a store. A path in it is made absolute."""
    # The URL may hold a password, so no message repeats it.
    unfit = Unfit("cannot be used: sqlite:///FILE and postgresql://USER@HOST/DATABASE are known")
    try:
        url = make_url(text(value, base))
    except (ArgumentError, ValueError):
        raise unfit from None
    if url.host and "@" in url.host:
        raise Unfit("cannot be used: write an @ in the password as %40")
    match url.drivername:
        case "postgresql" | "postgres" if url.database:
            return url.set(drivername="postgresql").render_as_string(hide_password=False)
        case "sqlite" if url.database not in {None, "", ":memory:"} and not url.host and not url.query:
            return sqlite_url(path(url.database, base))
        case _:
            raise unfit


def redis(value: object, base: Path) -> str:
    """Read the URL of a Redis server."""
    words = text(value, base)
    try:
        parts = urlsplit(words)
    except ValueError:  # which quotes what it cannot read, perhaps a password
        parts = urlsplit("")
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise Unfit("cannot be used: redis://HOST and rediss://HOST (with TLS) are known")
    return words


def mail(value: object, base: Path) -> str:
    """Read the address of what letters leave by. A path in it is made absolute."""
    words = text(value, base)
    if words.startswith("folder:") and words != "folder:":
        return f"folder:{path(words.removeprefix('folder:'), base)}"
    try:
        transport(words)
    except Misconfigured as error:
        raise Unfit(f"cannot be used: {error}") from None
    return words


def sender(value: object, base: Path) -> str:
    """Read who letters come from."""
    words = text(value, base)
    try:
        read_sender(words)
    except Misconfigured as error:
        raise Unfit(f"cannot be used: {error}") from None
    return words


def has_password(words: str) -> bool:
    """Tell whether a URL holds a password."""
    try:
        parts = urlsplit(words)
    except ValueError:
        return False
    return bool(parts.password) or "password=" in parts.query


def issuer(value: object, base: Path) -> str:
    """Read the issuer."""
    try:
        return Site.of(text(value, base)).issuer
    except ValueError as error:
        raise Unfit(f"cannot be used: {error}") from None


def prefix(value: object, base: Path) -> str:
    """Read the path that the routes are under."""
    try:
        return Mount(text(value, base)).prefix
    except ValueError as error:
        raise Unfit(f"cannot be used: {error}") from None


def origins(value: object, base: Path) -> tuple[str, ...]:
    """Read a list of origins."""
    try:
        return tuple(Site.of("https://id.example", trusted=texts(value, base)).trusted)
    except ValueError as error:
        raise Unfit(f"cannot be used: {error}") from None


def networks(value: object, base: Path) -> tuple[str, ...]:
    """Read a list of networks."""
    try:
        return tuple(str(network(words)) for words in texts(value, base))
    except ValueError as error:
        raise Unfit(f"cannot be used: {error}") from None


def roles(value: object, base: Path) -> Mapping[str, tuple[str, ...]]:
    """Read a table of roles, each with the list of its permissions."""
    if not isinstance(value, dict):
        raise Unfit(f"must be a table of roles, not {_kind(value)}")
    table: dict[str, tuple[str, ...]] = {}
    for role, permissions in cast("dict[str, object]", value).items():
        try:
            table[text(role, base)] = texts(permissions, base)
        except Unfit as error:
            raise Unfit(f"must give each role a list of permissions; that of {role!r} {error}") from None
    return table


def _kind(value: object) -> str:
    match value:
        case str():
            return f"the text {value!r}"
        case bool():
            return "true or false"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or a time"


# ------------------------------------------------------------------------------------------------ from words


def as_text(words: str) -> object:
    """Take words as they are."""
    return words


def as_whole(words: str) -> object:
    """Take digits as a number."""
    return int(words) if re.fullmatch(r"-?[0-9]{1,9}", words) else words


def as_list(words: str) -> object:
    """Take what stands between commas."""
    return [word.strip() for word in words.split(",") if word.strip()]


# ------------------------------------------------------------------------------------------------ misspelt names


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the end of a sentence that says which known name was probably meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
