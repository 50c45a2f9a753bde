"""The two tables in Redis. What each verb promises stands in `ostiary.ports`."""

import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import msgspec

from ostiary.core.throttle import Counter
from ostiary.ports import Challenge, Clock
from ostiary.redis import Seal
from ostiary.stores.redis._link import Link

log = logging.getLogger("ostiary.stores")

_KEEP_COUNTERS: Final = timedelta(days=2)
"""Longer than any limit remembers."""

_KEEP_CHALLENGES: Final = timedelta(hours=1)
"""How long one is kept after its time. Clocks differ a little, and `now` decides."""

_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)

_SWAP: Final = """
for i, key in ipairs(KEYS) do
    if (redis.call('GET', key) or '') ~= ARGV[1 + i] then return 0 end
end
for i, key in ipairs(KEYS) do
    local new = ARGV[1 + #KEYS + i]
    if new == '' then redis.call('DEL', key) else redis.call('SET', key, new, 'PX', ARGV[1]) end
end
return 1
"""

_TAKE: Final = """
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, 20) <= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
return found
"""


class Counters:
    """`Counters` in Redis. One is written as its count and its moment, so equal texts are equal counters."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def get(self, keys: Collection[str]) -> Mapping[str, Counter]:
        """Return the counters that there are."""
        if not keys:
            return {}
        found = await self._link.ask("MGET", *map(self._key, keys))
        return {key: _read_counter(text) for key, text in zip(keys, found, strict=True) if text is not None}

    async def swap(self, old: Mapping[str, Counter], new: Mapping[str, Counter]) -> bool:
        """Put `new` in the place of `old`, in one script."""
        names = list({**old, **new})
        keys = [self._key(name) for name in names]
        was = [_write(old.get(name)) for name in names]
        becomes = [_write(new.get(name)) for name in names]
        keep = _KEEP_COUNTERS // timedelta(milliseconds=1)
        return bool(await self._link.change("EVAL", _SWAP, len(keys), *keys, keep, *was, *becomes))

    async def purge(self, *, before: datetime, limit: int) -> int:  # noqa: ARG002 - they end by themselves
        """Return 0: each counter ends by itself."""
        self._link.check()
        return 0

    def _key(self, name: str) -> bytes:
        return self._link.key(f"counter:{name}")


class Challenges:
    """`Challenges` in Redis. One is written as its end, in digits that a script can compare, and the sealed rest."""

    def __init__(self, link: Link, *, clock: Clock, seal: Seal) -> None:
        self._link = link
        self._clock = clock
        self._seal = seal

    async def add(self, challenge: Challenge) -> None:
        """Add a new challenge, unless its secret was used for this purpose and is still kept: then a `ValueError`."""
        key, end = self._key(challenge.purpose, challenge.digest), _digits(challenge.expires_at)
        body = msgspec.json.encode((challenge.user_id, challenge.body))
        left = max(timedelta(0), challenge.expires_at - self._clock.now()) + _KEEP_CHALLENGES
        value = end + self._seal.seal(body, key=key + end)
        if not await self._link.change("SET", key, value, "NX", "PX", left // timedelta(milliseconds=1)):
            raise ValueError("there is such a challenge already")

    async def get(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        """Return the challenge, which stays. One that was forged is none."""
        found = await self._link.ask("GET", self._key(purpose, digest))
        return None if found is None or found[:20] <= _digits(now) else self._open(purpose, digest, found)

    async def take(self, *, purpose: str, digest: str, now: datetime) -> Challenge | None:
        """Return the challenge and end it, in one script. One that was forged is none."""
        found = await self._link.change("EVAL", _TAKE, 1, self._key(purpose, digest), _digits(now))
        return None if found is None else self._open(purpose, digest, found)

    def _open(self, purpose: str, digest: str, found: bytes) -> Challenge | None:
        key, end = self._key(purpose, digest), found[:20]
        body = self._seal.open(found[20:], key=key + end)
        if body is None:
            log.warning("a challenge in Redis is not ours, or sealed by another key file; it is refused")
            return None
        user_id, text = msgspec.json.decode(body, type=tuple[str, str])
        expires_at = _FIRST + int(end) * _MICROSECOND
        return Challenge(purpose=purpose, digest=digest, user_id=user_id, body=text, expires_at=expires_at)

    async def purge(self, *, expired_before: datetime, limit: int) -> int:  # noqa: ARG002 - they end by themselves
        """Return 0: each challenge ends by itself."""
        self._link.check()
        return 0

    def _key(self, purpose: str, digest: str) -> bytes:
        # A colon within the purpose is quoted, so that no two pairs make one key.
        return self._link.key(f"challenge:{quote(purpose, safe='', errors='surrogatepass')}:{digest}")


def _write(counter: Counter | None) -> bytes:
    return b"" if counter is None else b"%d %b" % (counter.count, _digits(counter.at))


def _read_counter(text: bytes) -> Counter:
    count, _, at = text.partition(b" ")
    return Counter(count=int(count), at=_FIRST + int(at) * _MICROSECOND)


def _digits(moment: datetime) -> bytes:
    """Write a moment so that texts are in the order of time."""
    return b"%020d" % ((moment - _FIRST) // _MICROSECOND)
