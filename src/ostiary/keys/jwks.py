"""Public keys as others publish them: a JWKS (RFC 7517) read strictly, and the set of an issuer kept current.

Of a key only its public members are looked at, and only one is taken that names itself, says that it is for signatures
of an algorithm that we know, and fits it. Any other is passed over: it may be for something else, or of a later day.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, assert_never

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from ostiary.core.base64url import decode_base64url
from ostiary.core.keys import SignatureKey
from ostiary.core.policy import Algorithm
from ostiary.core.signature import PublicKey
from ostiary.errors import OstiaryError, Unavailable
from ostiary.origin import Origin
from ostiary.ports import Clock

log = logging.getLogger("ostiary.keys")

PATH = "/.well-known/jwks.json"
LARGEST = 256 * 1024
"""In bytes. A set of a few keys has a few thousand."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_KIND = {Algorithm.ES256: ("EC", "P-256"), Algorithm.ED25519: ("OKP", "Ed25519"), Algorithm.RS256: ("RSA", None)}
_MOST_RSA_BYTES = 512  # 4,096 bits: a larger key is there to make us slow


class _Jwks(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Jwk(msgspec.Struct, frozen=True, kw_only=True):
    """What a key must say. It names itself, verifies signatures, and shows nothing private."""

    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    kty: str
    alg: Algorithm
    use: Literal["sig"] = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    crv: str | None = None
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""
    exp: float | None = None
    d: None = None


def read_jwks(document: object) -> tuple[SignatureKey, ...]:
    """Return the keys of a JWKS that verify signatures. A member `exp` is when a key ends.

    Raises:
        ValueError: it is no JWKS, or two of its keys have one name.
    """
    read = [_read(jwk) for jwk in msgspec.convert(document, _Jwks).keys]
    keys = tuple(key for key in read if key is not None)
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("two keys have one name")
    return keys


def _read(members: dict[str, Any]) -> SignatureKey | None:
    try:
        jwk = msgspec.convert(members, _Jwk)
        if (jwk.kty, jwk.crv) != _KIND[jwk.alg] or "verify" not in jwk.key_ops:
            return None
        return SignatureKey(
            id=jwk.kid,
            algorithm=jwk.alg,
            signs_from=_EPOCH,
            verifies_until=None if jwk.exp is None else datetime.fromtimestamp(jwk.exp, UTC),
            public=_public(jwk),
            jwk=members,
        )
    except (ValueError, OverflowError, OSError, UnsupportedAlgorithm):
        return None


def _public(jwk: _Jwk) -> PublicKey:
    match jwk.alg:
        case Algorithm.ES256:
            x, y = decode_base64url(jwk.x), decode_base64url(jwk.y)
            return EllipticCurvePublicNumbers(_number(x, 32), _number(y, 32), SECP256R1()).public_key()
        case Algorithm.ED25519:
            return Ed25519PublicKey.from_public_bytes(decode_base64url(jwk.x))
        case Algorithm.RS256:
            e, n = decode_base64url(jwk.e), decode_base64url(jwk.n)
            return RSAPublicNumbers(_number(e, 4), _number(n, _MOST_RSA_BYTES)).public_key()
        case _:
            assert_never(jwk.alg)


def _number(raw: bytes, most: int) -> int:
    if len(raw) > most:
        raise ValueError("a number of the key is too large")
    return int.from_bytes(raw, "big")


class KeySet:
    """The keys of an issuer, fetched and kept. What came last stays in use for as long as nothing better comes.

    They are fetched every `every`. A token that names a key which is not among them makes that happen sooner, but never
    twice within `pause`, however many tokens there are, and never twice at once.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        clock: Clock,
        use: Callable[[tuple[SignatureKey, ...]], None],
        every: timedelta = timedelta(minutes=5),
        pause: timedelta = timedelta(seconds=10),
        within: timedelta = timedelta(seconds=5),
    ) -> None:
        self._origin = origin
        self._clock = clock
        self._use = use
        self._every = every.total_seconds()
        self._pause = pause.total_seconds()
        self._within = within.total_seconds()
        self._fetching: asyncio.Task[None] | None = None
        self._fetched_at = float("-inf")
        self._wanted = asyncio.Event()
        self._is_wanted = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.trouble = ""
        """Why the last fetch failed, or nothing."""

    async def run(self) -> None:
        """Keep the set current for ever. A fetch that fails is logged once, and tried again."""
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self._is_wanted = False
        self._fetched_at = float("-inf")
        self._origin.open()
        try:
            while True:
                with suppress(OstiaryError):
                    await self.fetch()
                wait = self._pause if self.trouble else self._every
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wanted.wait()
                await asyncio.sleep(max(0.0, self._fetched_at + self._pause - self._clock.elapsed()))
                self._is_wanted = False
                self._wanted.clear()
        finally:
            self._loop = None
            if self._fetching is not None:
                self._fetching.cancel()
            await self._origin.close()

    def want(self) -> None:
        """Say that a key is missing. From any thread; it does not wait."""
        if not self._is_wanted and self._loop is not None:
            self._is_wanted = True
            self._loop.call_soon_threadsafe(self._wanted.set)

    async def fetch(self) -> None:
        """Fetch the set, unless that was tried a moment ago. All who ask meanwhile share one fetch.

        Raises:
            Unavailable: no set came that can be used. The last one stays.
        """
        if self._fetching is None:
            if self._clock.elapsed() < self._fetched_at + self._pause:
                return
            self._fetched_at = self._clock.elapsed()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._done)
        await asyncio.shield(self._fetching)

    def _done(self, fetching: "asyncio.Task[None]") -> None:
        self._fetching = None
        error = None if fetching.cancelled() else fetching.exception()
        trouble = str(error) if error is not None else ""
        if trouble and trouble != self.trouble:
            log.warning("the keys stay as they are: %s", trouble)
        self.trouble = trouble

    async def _fetch(self) -> None:
        try:
            body = await self._origin.get(PATH, within=self._within, most=LARGEST)
        except asyncio.CancelledError:
            # Whoever waits for this answer was not cancelled. They are told, as they would be of any other failure.
            raise Unavailable(f"nobody reads from {self._origin.name} now") from None
        try:
            keys = read_jwks(msgspec.json.decode(body))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise Unavailable(f"{self._origin.name}{PATH} is no JWKS") from None
        if not keys:
            raise Unavailable(f"{self._origin.name}{PATH} has no key that verifies access tokens")
        self._use(keys)
