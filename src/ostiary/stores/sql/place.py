"""What the URL of a store names; where a SQLite file is, and whether it can be used.

Everything wrong is said in one line, with what to do.
"""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sql.schema import VERSION_TABLE


def sqlite_url(path: str | Path) -> str:
    """Return the URL of a SQLite file."""
    return URL.create("sqlite", database=str(Path(path).absolute())).render_as_string()


def sqlite_path(url: str) -> Path:
    """Return the path that a URL names: `sqlite:////absolute.db`, or `sqlite:///relative.db` from the current folder.

    Raises:
        Misconfigured: it names no SQLite file.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("the store is not a URL; use sqlite:////path/to/file.db") from error
    if parsed.get_backend_name() != "sqlite":
        raise Misconfigured(f"the store {parsed.get_backend_name()!r} is not known; use sqlite:////path/to/file.db")
    if not parsed.database or parsed.database == ":memory:" or "\0" in parsed.database or parsed.query:
        raise Misconfigured("the store's URL names no file; use sqlite:////path/to/file.db")
    return Path(parsed.database).absolute()


def is_postgres(url: str) -> bool:
    """Tell whether a URL names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def postgres_url(url: str) -> URL:
    """Read the URL of a PostgreSQL database: `postgresql://user@host/database`.

    Raises:
        Misconfigured: it cannot be read. The message does not repeat it: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Misconfigured("the store's URL cannot be read; use postgresql://user@host/database") from None
    if "@" in (parsed.host or ""):
        raise Misconfigured("the store's URL cannot be read; write each @ of the password as %40")
    return parsed


def named(url: URL) -> str:
    """Return what to call a database in a message. It holds no password."""
    host = f"{url.host or 'the local server'}" + (f":{url.port}" if url.port else "")
    return f"{url.database or url.username} on {host}"


def uri(path: Path) -> str:
    """Return what the driver opens: the file, which must be there."""
    return f"{path.as_uri()}?mode=rw"


def primary(error: sqlite3.Error) -> int:
    """Return the primary result code of an error, 0 when SQLite did not raise it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def make(path: Path) -> None:
    """Make an empty file that only its owner may read, unless it is there. SQLite gives its companions the same mode.

    Raises:
        Misconfigured: it cannot be made.
    """
    try:
        # `O_EXCL`, because to close a file takes away all locks that this process has on it, SQLite's own included.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise _no_folder(path) from error
    except OSError as error:
        raise Misconfigured(f"{path} cannot be made: {error.strerror}") from error


def revision(path: Path) -> str | None:
    """Return the revision of the schema in a file, `None` when the file is empty.

    Raises:
        Misconfigured: the file is not there, not ours, not a database, or may not be written.
        Unavailable: it cannot be read now.
    """
    _look(path)
    try:
        with closing(sqlite3.connect(uri(path), uri=True, timeout=5, isolation_level=None)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                return None
            if VERSION_TABLE not in tables:
                raise Misconfigured(f"{path} holds the tables of something else; name another file")
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - our own name
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return None if row is None else str(row[0])


def _look(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if path.parent.is_dir():
            raise Misconfigured(f"there is no database at {path}; run: ostiary init") from error
        raise _no_folder(path) from error
    except OSError as error:
        raise Misconfigured(f"the database {path} cannot be reached: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise Misconfigured(f"{path} is a folder; name a file in it")
    if not (_allowed(path, os.R_OK | os.W_OK) and _allowed(path.parent, os.W_OK | os.X_OK)):
        raise _not_writable(path)


def _allowed(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _not_writable(path: Path) -> Misconfigured:
    return Misconfigured(f"{path} and its folder must be writable for this user")


def _unusable(path: Path, error: sqlite3.Error) -> Misconfigured | Unavailable:
    match primary(error):
        case sqlite3.SQLITE_NOTADB:
            return Misconfigured(f"{path} is not a database; name another file")
        case sqlite3.SQLITE_CORRUPT:
            return Misconfigured(f"the database {path} is damaged; restore it from a backup")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return _not_writable(path)
        case _:
            return Unavailable(f"the store cannot answer: {error}")


def _no_folder(path: Path) -> Misconfigured:
    return Misconfigured(f"the folder {path.parent} does not exist")
