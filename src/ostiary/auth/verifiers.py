"""The verbs of verifiers, the services that may follow the feed: add, remove, and tell whose key it is.

    key = "osv1" "." id "." secret        id = 8 random bytes, secret = 32; base64url without padding

The store holds the SHA-256 of the secret as it is written. That is enough: nobody guesses 32 random bytes.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from ostiary.auth.work import Works
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.events import Kind
from ostiary.core.floor import Floors
from ostiary.errors import Invalid, Taken
from ostiary.guard import Headers
from ostiary.ports import Clock, Entropy, Store, VerifierRecord

DOCUMENT: Final = "verifiers"
"""The feed's name for the set of verifiers. Its text is empty: the table says who they are."""

_KEY = re.compile(rb"osv1\.([A-Za-z0-9_-]{11})\.([A-Za-z0-9_-]{43})")
_LONGEST_NAME = 64


class Verifiers:
    """Everything that can be done to verifiers. Their keys are checked in memory, and known there by the feed."""

    def __init__(
        self,
        *,
        store: Store,
        works: Works,
        entropy: Entropy,
        floors: Floors,
        clock: Clock,
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._works = works
        self._entropy = entropy
        self._floors = floors
        self._clock = clock
        self._catch_up = catch_up
        self._known: dict[bytes, VerifierRecord] = {}

    def equip(self, records: Iterable[VerifierRecord]) -> None:
        """Know these from now on, and no others."""
        self._known = {record.id.encode(): record for record in records}

    async def add(self, name: str, *, actor: str) -> tuple[VerifierRecord, str]:
        """Let a service follow the feed. Returns its key too, which is not kept.

        Raises:
            Invalid: the name cannot be used.
            Taken: another verifier has it.
        """
        if not name or len(name) > _LONGEST_NAME or not name.isprintable() or " " in name:
            raise Invalid("name", f"a verifier's name has 1 to {_LONGEST_NAME} printable characters and no space")
        own_id, secret = encode_base64url(self._entropy.bytes(8)), encode_base64url(self._entropy.bytes(32))
        async with self._works.begin() as work:
            record = VerifierRecord(id=own_id, name=name, digest=sha256(secret.encode()).digest(), created_at=work.now)
            if not await work.tx.verifiers.add(record):
                raise Taken("name", "another verifier has this name")
            await work.publish(DOCUMENT)
            work.tell(Kind.VERIFIER_ADDED, actor=actor, verifier=name)
        return record, f"osv1.{own_id}.{secret}"

    async def all(self) -> Sequence[VerifierRecord]:
        """Return all of them, in the order of their names."""
        async with self._store.read() as tx:
            return await tx.verifiers.all()

    async def remove(self, name: str, *, actor: str) -> None:
        """Shut a service out. Its streams are cut, and its key is refused everywhere within the feed's delay.

        Raises:
            Invalid: there is none of this name.
        """
        async with self._works.begin() as work:
            if not await work.tx.verifiers.remove(name):
                raise Invalid("name", "there is no such verifier")
            await work.publish(DOCUMENT)
            work.tell(Kind.VERIFIER_REMOVED, actor=actor, verifier=name)

    # -------------------------------------------------------------------------------------------- who is asking

    def knows(self, verifier: VerifierRecord) -> bool:
        """Tell whether somebody who was let in is welcome still."""
        return self._known.get(verifier.id.encode()) == verifier

    def check(self, headers: Headers) -> VerifierRecord | Denied:
        """Say which verifier shows its key, from memory alone. Nothing but the one header is looked at."""
        shown = [value for name, value in headers if name == b"authorization"]
        if not shown or shown[0][:7].lower() != b"bearer ":
            return Denied(Reason.NO_VERIFIER)
        key = _KEY.fullmatch(shown[0], 7)
        known = self._known.get(key[1]) if key is not None else None
        if key is None or known is None or len(shown) > 1:
            return Denied(Reason.UNKNOWN_VERIFIER)
        return known if compare_digest(sha256(key[2]).digest(), known.digest) else Denied(Reason.UNKNOWN_VERIFIER)

    async def authenticate(self, headers: Headers) -> VerifierRecord | Denied:
        """Say which verifier is asking. When the lease has run out the store is asked first what has changed.

        Raises:
            Unavailable: it cannot answer.
        """
        answer = self.check(headers)
        if isinstance(answer, VerifierRecord) and self._clock.elapsed() >= self._floors.fresh_until:
            await self._catch_up()
            answer = self.check(headers)
        return answer
