"""Carries the feed over a Redis stream without an event loop: see `ostiary.feed.redis`, whose stream it is.

Whoever has written sends; the thread that follows takes in. What could not be sent is not worth keeping, but for the
newest, which is tried again with each `next`: until it is sent, `next` raises, and the follower uses the store's bell.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from ostiary.core.floor import Batch
from ostiary.errors import Unavailable
from ostiary.feed.redis import FIELD, MOST_KEPT, NOTHING, Envelopes, moment, needed
from ostiary.redis import Seal, Secrets
from ostiary.sync.redis import Opening, RedisPlace

log = logging.getLogger("ostiary.feed")

_BLOCK: Final = 0.5
"""The most seconds that Redis holds a question for new batches: less than we wait for any answer."""


class RedisStream:
    """A `Stream` in Redis, under one key. `secrets` are those of the purpose `stream` (`SealedVault.derive`)."""

    def __init__(self, url: str, *, secrets: Secrets, prefix: str = "ostiary") -> None:
        self._place = RedisPlace(url, prefix=prefix)
        self._key = self._place.key("feed")
        self._seal = Seal(secrets)
        self._envelopes = Envelopes(self._seal, self._key)
        self._opening: Opening | None = None
        self._position: bytes | None = None
        self._unsent: Batch | None = None
        self._sending = threading.Lock()

    def open(self) -> None:
        """Connect, and take up the stream where it is now."""
        self.close()
        secrets = self._seal.secrets()
        self._envelopes = Envelopes(Seal(lambda: secrets), self._key)
        self._sending = threading.Lock()
        self._opening = Opening(self._place, self._place.connect(*needed(self._place, self._key)))
        self._position = self._unsent = None
        with suppress(Unavailable):
            self._position = self._newest(self._opening)

    def close(self) -> None:
        """Stop carrying."""
        opening, self._opening = self._opening, None
        if opening is not None and opening.is_ours():
            opening.end()

    def send(self, batch: Batch) -> None:
        """Send a batch. If that fails it is said, and tried again by whoever follows."""
        opening = self._opening
        if opening is None:
            return
        try:
            with self._sending:
                self._put(opening, batch)
        except Unavailable as error:
            if self._unsent is None:
                log.warning("the stream carries nothing while sending fails: %s", error)
            self._unsent = batch

    def next(self, *, wait: float) -> Sequence[Batch]:
        """Return what came since the last call, or nothing after `wait` seconds."""
        opening = self._opening
        if opening is None:
            raise Unavailable("the stream is not open")
        self._send_again(opening)
        try:
            if self._position is None:
                self._position = self._newest(opening)
            return self._came(opening, self._position, min(wait, _BLOCK))
        except Unavailable:
            self._position = None  # we go on from what it has when it is back
            raise

    def _came(self, opening: Opening, position: bytes, wait: float) -> Sequence[Batch]:
        block = max(1, round(wait * 1000))  # 0 would be for ever
        answer = opening.ask("XREAD", "COUNT", 256, "BLOCK", block, "STREAMS", self._key, position)
        if not answer:
            # Who has forgotten everything may begin anew with lower numbers, if its clock was put back.
            self._position = min(position, self._newest(opening), key=moment)
            return ()
        entries = answer[0][1]
        self._position = entries[-1][0]
        opened = [self._envelopes.opened(fields) for _, fields in entries]
        return [batch for batch in opened if batch is not None]

    def _send_again(self, opening: Opening) -> None:
        batch = self._unsent
        if batch is not None:
            with self._sending:
                self._put(opening, batch)
            self._unsent = None
            log.info("the stream carries again: sending works")

    def _put(self, opening: Opening, batch: Batch) -> None:
        opening.ask("XADD", self._key, "MAXLEN", "~", MOST_KEPT, "*", FIELD, self._envelopes.closed(batch))

    def _newest(self, opening: Opening) -> bytes:
        newest: list[tuple[bytes, object]] = opening.ask("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        return newest[0][0] if newest else NOTHING
