"""A Redis or Valkey server: how it is reached, whether it can be used, and what its failures mean here.

What is kept there may be lost at any time, and whoever can write there is not trusted: what must not be forged is
sealed (`Seal`).
"""

import asyncio
import hmac
import re
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from ostiary.errors import Misconfigured, Unavailable

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        AuthenticationError,
        AuthorizationError,
        NoPermissionError,
        OutOfMemoryError,
        ReadOnlyError,
        RedisError,
        ResponseError,
    )
    from redis.exceptions import TimeoutError as LateAnswer
except ModuleNotFoundError:
    raise Misconfigured("install ostiary[redis]: it brings the client for Redis") from None

_OLDEST: Final = 7
PATIENCE: Final = 1.0
"""Seconds until an answer is given up."""

_OPTIONS: Final = frozenset({"db", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})
_SCHEMES: Final = ("redis", "rediss", "unix")

Secrets = Callable[[], Sequence[bytes]]
"""Keys that every process of the service has and Redis has not, the newest first (`SealedVault.derive`)."""


Answer = Any
"""What a command answers. Each has a shape of its own, and whoever asks knows it."""


class Client(Protocol):
    """What we use of the client of `redis`."""

    connection_pool: Any

    async def execute_command(self, *words: bytes | str | int) -> Answer:
        """Send one command, and return its answer."""
        ...

    def pipeline(self, transaction: bool) -> Any:  # noqa: ANN401, FBT001 - as it is there
        """Collect commands to send at once."""
        ...

    async def aclose(self) -> None:
        """Let go of all connections."""
        ...


class Away(Unavailable):
    """The server cannot be reached, or does not answer in time."""


class Address:
    """Where a server is, and the prefix of all our keys there.

    The prefix is a hash tag, `{ostiary}:`, so that a cluster keeps our keys on one node, where one script reaches them.
    """

    def __init__(self, url: str, *, prefix: str = "ostiary") -> None:
        if not re.fullmatch(r"[^{}\s]+", prefix):
            raise Misconfigured(f"the prefix {prefix!r} of the keys in Redis must be a word without braces")
        self.name = _name(url)
        self._url = url
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def key(self, name: str) -> bytes:
        """Return the whole key of a name."""
        return f"{{{self._prefix}}}:{name}".encode("utf-8", "surrogatepass")

    @contextmanager
    def answering(self, refused: type[Misconfigured | Unavailable]) -> Generator[None]:
        """Tell each failure in our words, which hold nothing that was sent.

        Raises:
            Away: it cannot be reached, or does not answer in time.
        """
        try:
            yield
        except (TimeoutError, LateAnswer):
            raise Away(f"{self.name} does not answer in time") from None
        except (AuthenticationError, AuthorizationError, ResponseError) as error:
            raise refused(f"{self.name} {_meaning(error)}") from None
        except (RedisError, OSError, RuntimeError):  # the last is how uvloop says that a connection is closed
            raise Away(f"{self.name} cannot be reached") from None

    def see_age(self, hello: Sequence[Any]) -> None:
        """See that the server is new enough, by its answer to `HELLO`.

        Raises:
            Misconfigured: it is not.
        """
        version = dict(zip(hello[::2], hello[1::2], strict=True))[b"version"].decode()
        if int(version.partition(".")[0]) < _OLDEST:
            raise Misconfigured(f"{self.name} has version {version}; Redis {_OLDEST} or newer, or Valkey, is needed")


class RedisPlace(Address):
    """A server, as an event loop reaches it."""

    async def connect(self, *needed: Sequence[bytes | str | int]) -> Client:
        """Connect, and try the commands that will be needed.

        Raises:
            Misconfigured: it is too old, or refuses the user, the password or a command.
            Unavailable: it cannot be reached now.
        """
        client = self._client()
        try:
            async with self.asking(refused=Misconfigured):
                self.see_age(await client.execute_command("HELLO"))  # unlike INFO, it is permitted to every user
                for words in needed:
                    await client.execute_command(*words)
        except BaseException:
            await client.aclose()
            raise
        return client

    @asynccontextmanager
    async def asking(
        self, *, within: float = PATIENCE, refused: type[Misconfigured | Unavailable] = Unavailable
    ) -> AsyncGenerator[None]:
        """Give up after some seconds. Raises as `answering` does."""
        with self.answering(refused):
            async with asyncio.timeout(within):
                yield

    def _client(self) -> Client:
        # Nothing is tried twice behind our back: whether a lost answer was a success, only who asked can judge.
        pool = cast("Any", BlockingConnectionPool).from_url(
            self._url,
            max_connections=16,
            timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=None,
        )
        return cast("Client", Redis.from_pool(pool))


class Seal:
    """Marks what is put into Redis as ours, with an HMAC-SHA-256 over its key and itself.

    So nothing is good that somebody else wrote, nor what we wrote under another key. The first secret seals, all open.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def seal(self, value: bytes, *, key: bytes) -> bytes:
        """Return the mark and the value."""
        return _mark(self.secrets()[0], key, value) + value

    def open(self, sealed: bytes, *, key: bytes) -> bytes | None:
        """Return the value, or `None` if the mark is not ours."""
        mark, value = sealed[:32], sealed[32:]
        good = [hmac.compare_digest(_mark(secret, key, value), mark) for secret in self.secrets()]
        return value if any(good) else None

    def secrets(self) -> Sequence[bytes]:
        """Return the secrets.

        Raises:
            Misconfigured: there is none, or one is too short.
        """
        secrets = self._secrets()
        if not secrets or min(map(len, secrets)) < 32:
            raise Misconfigured("what is put into Redis needs a secret of at least 32 bytes")
        return secrets


def _mark(secret: bytes, key: bytes, value: bytes) -> bytes:
    return hmac.digest(secret, len(key).to_bytes(4, "big") + key + value, "sha256")


_MEANINGS: Final = {
    AuthenticationError: "refuses the user or the password",
    AuthorizationError: "refuses the user or the password",
    NoPermissionError: "does not permit this user a command or a key that is needed",
    ReadOnlyError: "is a replica, which takes no writes",
    OutOfMemoryError: "is full",
}


def _meaning(error: RedisError) -> str:
    for kind, meaning in _MEANINGS.items():
        if isinstance(error, kind):
            return meaning
    code = re.match(r"[A-Z]+", str(error))
    return f"refuses a command that is needed ({code[0] if code else 'ERR'})"


def _name(url: str) -> str:
    """Return what a server is called in messages, without the user and the password.

    An odd character in a password that is not percent-encoded moves the rest of it into what would be said.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in _SCHEMES and parts.port != 0 and not parts.fragment
        good = good and _OPTIONS.issuperset(parse_qs(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        good = False
        parts = urlsplit("")
    is_file = parts.scheme == "unix"
    if not good or "@" in parts.path + parts.query or not (is_file or re.fullmatch(r"/?\d*", parts.path)):
        raise Misconfigured(
            "the address of Redis is to be written redis://USER:PASSWORD@HOST:PORT/DATABASE (rediss:// with TLS, "
            "unix:///FILE for a socket), with odd characters of a password percent-encoded"
        )
    return f"Redis at {parts.path if is_file else parts.netloc.rpartition('@')[2] or 'localhost'}"
