"""What the twin cannot do yet. Whoever asks for it hears so at once, and not at the first login."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from ostiary.errors import Misconfigured
from ostiary.ports import Clock
from ostiary.redis import Secrets
from ostiary.sync.ports import Store, Stream

if TYPE_CHECKING:
    from ostiary.sync.stores.sql.store import Database


def Postgres(url: URL, *, connections: int, patience: timedelta) -> "Database":  # noqa: ARG001, N802 - in the place of a class
    """Refuse a PostgreSQL server."""
    raise Misconfigured("ostiary.sync keeps its store in SQLite; PostgreSQL needs one of the asynchronous doors")


def RedisBeside(store: Store, url: str, *, clock: Clock, secrets: Callable[[], tuple[bytes, ...]]) -> Store:  # noqa: ARG001, N802 - same
    """Refuse a Redis beside the store."""
    raise Misconfigured("ostiary.sync needs no Redis, and does not know it: leave it out")


def RedisStream(url: str, *, secrets: Secrets) -> Stream:  # noqa: ARG001, N802 - same
    """Refuse a Redis that carries the feed."""
    raise Misconfigured("ostiary.sync needs no Redis, and does not know it: leave it out")
