"""Makes the links and codes of letters, and finds what they stand for when they come back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, assert_never

from ostiary.auth.throttles import Throttles
from ostiary.auth.work import Work, Works
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.flow import Flow
from ostiary.core.network import neighbourhood
from ostiary.core.throttle import CODE, CODE_ACCOUNT, CODE_ADDRESS
from ostiary.core.ticket import (
    CHANCE_SIZE,
    SECRET_SIZE,
    Code,
    KeptCode,
    Link,
    Ticket,
    digits,
    found_by_address,
    found_by_secret,
    kept,
)
from ostiary.errors import Refused, Throttled, Unavailable
from ostiary.ports import Challenge, Clock, Entropy, Store, Transaction


class Overtaken(Unavailable):
    """Another letter to the same address is being written at the same moment."""


Back = Link | Code
"""What came back of a letter."""

_EVER: Final = datetime.min.replace(tzinfo=UTC)
"""A time at which nothing has expired yet."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What goes into a letter."""

    link: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A ticket that a link or a code led to. It is still there, for whoever is first to take it."""

    ticket: Ticket
    digest: str


class Tickets:
    """The tickets that are out. `keys` are the secrets of the purpose `codes`, the newest first."""

    def __init__(
        self,
        keys: Callable[[], Sequence[bytes]],
        *,
        store: Store,
        works: Works,
        throttles: Throttles,
        entropy: Entropy,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._store = store
        self._works = works
        self._throttles = throttles
        self._entropy = entropy
        self._clock = clock

    async def add(self, work: Work, ticket: Ticket) -> Secrets:
        """Make a ticket, and the secrets that lead to it. Of codes to one address, the last one counts.

        Raises:
            Overtaken: another one to this address is being made at the same moment; this transaction is given up.
        """
        purpose, ends = ticket.flow.purpose, work.now + ticket.flow.life
        link = encode_base64url(self._entropy.bytes(SECRET_SIZE))
        digest = found_by_secret(link)
        await work.tx.challenges.add(
            Challenge(purpose=purpose, digest=digest, user_id=ticket.user_id, body=ticket.text(), expires_at=ends)
        )
        if not ticket.flow.has_code:
            return Secrets(link, "")
        key = self._keys()[0]
        code = Code(ticket.address, digits(self._entropy.bytes(CHANCE_SIZE)))
        where, slot = _codes(purpose), found_by_address(ticket.address, purpose=purpose, key=key)
        await work.tx.challenges.take(purpose=where, digest=slot, now=_EVER)
        body = kept(code, ticket=digest, purpose=purpose, key=key).text()
        new = Challenge(purpose=where, digest=slot, user_id=ticket.user_id, body=body, expires_at=ends)
        try:
            await work.tx.challenges.add(new)
        except ValueError:
            raise Overtaken("another letter to this address is being written at the same moment") from None
        return Secrets(link, code.digits)

    async def find(self, back: Back, *, flow: Flow, ip: str) -> Found:
        """Find what a link or a code stands for, without ending it.

        Raises:
            Refused: it stands for nothing, or for nothing here; or it is over.
            Throttled: too many codes were tried at this address.
        """
        match back:
            case Link(secret=secret):
                return await self._ticket(found_by_secret(secret), flow=flow)
            case Code():
                return await self._by_code(back, flow=flow, ip=ip)
            case _:
                assert_never(back)

    async def take(self, tx: Transaction, found: Found, *, now: datetime) -> None:
        """End a ticket. Of those who found it, one gets it.

        Raises:
            Refused: somebody else was first.
        """
        if await tx.challenges.take(purpose=found.ticket.flow.purpose, digest=found.digest, now=now) is None:
            raise Refused(Reason.VOID)

    async def _by_code(self, code: Code, *, flow: Flow, ip: str) -> Found:
        tries = {CODE_ACCOUNT: f"{flow.purpose} {code.address}", CODE_ADDRESS: neighbourhood(ip)}
        taken = await self._throttles.take(tries)
        for key in self._keys():
            slot = found_by_address(code.address, purpose=flow.purpose, key=key)
            async with self._store.read() as tx:
                found = await tx.challenges.get(purpose=_codes(flow.purpose), digest=slot, now=self._clock.now())
            if found is None:
                continue
            here = KeptCode.read(found.body)
            taken += await self._try(here.ticket, flow=flow)
            if here.is_of(code, purpose=flow.purpose, key=key):
                await self._throttles.undo(taken)  # it was no guess
                return await self._ticket(here.ticket, flow=flow)
            async with self._works.begin() as work:
                work.tell(Kind.CODE_FAILED, user_id=found.user_id, ip=ip)
        raise Refused(Reason.VOID)

    async def _try(self, ticket: str, *, flow: Flow) -> tuple[str, ...]:
        """Count a try at the code of one letter. After the last one it is over, which no waiting mends."""
        try:
            return await self._throttles.take({CODE: ticket})
        except Throttled as throttled:
            if throttled.retry_after < flow.life.total_seconds():
                raise
            raise Refused(Reason.VOID) from None

    async def _ticket(self, digest: str, *, flow: Flow) -> Found:
        async with self._store.read() as tx:
            challenge = await tx.challenges.get(purpose=flow.purpose, digest=digest, now=self._clock.now())
        if challenge is None:
            raise Refused(Reason.VOID)
        return Found(ticket=Ticket.read(challenge.body), digest=digest)


def _codes(purpose: str) -> str:
    return f"{purpose}-code"
