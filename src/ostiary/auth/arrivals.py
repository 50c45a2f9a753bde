"""Brings in accounts from elsewhere, many in one transaction.

| the arrival                                  | then                                             |
|----------------------------------------------|--------------------------------------------------|
| has no address, a bad name or a bad role     | it stays where it is, and is reported            |
| has the address of one before it             | it stays too: nobody gets another's account      |
| has an address that somebody here has        | nothing: nobody is overwritten                   |
| has a password hash that can be read         | it comes; its password logs in                   |
| has none, or one that cannot be read         | it comes; it needs a new password                |

Addresses are compared in their canonical form, and an address counts as verified only if the other system said so. To
bring the same accounts in twice changes nothing, so whatever was interrupted is simply begun again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ostiary.auth.accounts import clean_name, clean_roles
from ostiary.auth.work import Works
from ostiary.core.arrival import COME, Arrival, Fate
from ostiary.core.base64url import encode_base64url
from ostiary.core.events import Kind
from ostiary.core.identifier import email as canonical_email
from ostiary.core.user import Credential, Identifier, User
from ostiary.errors import Invalid, Unavailable
from ostiary.ports import Entropy, PasswordMethod, Store, Transaction


@dataclass(frozen=True, slots=True)
class _Coming:
    arrival: Arrival
    address: str
    user: User

    def identifier(self) -> Identifier:
        typed = self.arrival.email.strip()
        # What was verified is what was typed. Outside ASCII its canonical form may be another person's address.
        verified = self.arrival.verified and typed.isascii()
        return Identifier(
            kind="email",
            value=self.address,
            typed=typed,
            user_id=self.user.id,
            verified_at=self.user.created_at if verified else None,
        )

    def credential(self, credential_id: str, secret: str) -> Credential:
        return Credential(
            id=credential_id, user_id=self.user.id, kind="password", secret=secret, changed_at=self.user.created_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Brings in accounts from elsewhere."""

    store: Store
    works: Works
    password: PasswordMethod
    entropy: Entropy

    async def look(self, arrivals: Sequence[Arrival]) -> Sequence[Fate]:
        """Say what would become of each, and change nothing."""
        async with self.store.read() as tx:
            return [fate for _, fate in await self._judged(tx, arrivals)]

    async def add(self, arrivals: Sequence[Arrival], *, actor: str) -> Sequence[Fate]:
        """Bring them in: all that can come, or, with an error, none of them.

        Raises:
            Unavailable: somebody took one of the addresses at the same moment. Begun again, it is seen.
        """
        async with self.works.begin() as work:
            judged = await self._judged(work.tx, arrivals)
            coming, credentials = list[_Coming](), list[Credential]()
            for arrival, (address, fate) in zip(arrivals, judged, strict=True):
                if fate not in COME:
                    continue
                coming.append(_Coming(arrival, address, self._user(arrival, work.now)))
                if fate is Fate.CAME and arrival.secret is not None:
                    credentials.append(coming[-1].credential(self._id(), arrival.secret))
            await work.tx.users.add(*(each.user for each in coming))
            if not await work.tx.identifiers.add(*(each.identifier() for each in coming)):
                raise Unavailable("an address was taken at the same moment; try again")
            await work.tx.credentials.add(*credentials)
            for each in coming:
                work.tell(Kind.ARRIVED, user_id=each.user.id, actor=actor)
        return [fate for _, fate in judged]

    async def _judged(self, tx: Transaction, arrivals: Sequence[Arrival]) -> list[tuple[str, Fate]]:
        """Return the canonical address of each, and what is to become of it."""
        addresses = [canonical_email(arrival.email) or "" for arrival in arrivals]
        taken = await tx.identifiers.taken("email", set(addresses) - {""})
        seen = set[str]()
        judged = list[tuple[str, Fate]]()
        for arrival, address in zip(arrivals, addresses, strict=True):
            if not address:
                fate = Fate.NO_ADDRESS
            elif address in seen:
                fate = Fate.TWICE
            elif address in taken:
                fate = Fate.WAS_HERE
            else:
                fate = self._fate(arrival)
            seen.add(address)
            judged.append((address, fate))
        return judged

    def _fate(self, arrival: Arrival) -> Fate:
        try:
            clean_name(arrival.name)
        except Invalid:
            return Fate.BAD_NAME
        try:
            clean_roles(arrival.roles)
        except Invalid:
            return Fate.BAD_ROLE
        if arrival.secret is None:
            return Fate.NO_PASSWORD
        return Fate.CAME if self.password.reads(arrival.secret) else Fate.UNREADABLE

    def _user(self, arrival: Arrival, now: datetime) -> User:
        return User(
            id=self._id(),
            name=clean_name(arrival.name),
            roles=clean_roles(arrival.roles),
            created_at=arrival.created_at or now,
            disabled_at=now if arrival.disabled else None,
        )

    def _id(self) -> str:
        return encode_base64url(self.entropy.bytes(16))
