"""Brings in accounts from elsewhere, many in one transaction.

| the arrival                                  | then                                             |
|----------------------------------------------|--------------------------------------------------|
| has no address, a bad name or a bad role     | it stays where it is, and is reported            |
| has an address that somebody here has        | nothing: nobody is overwritten                   |
| has a password hash that can be read         | it comes; its password logs in                   |
| has none, or one that cannot be read         | it comes; it needs a new password by mail        |

To bring the same accounts in twice changes nothing, so whatever was interrupted is simply begun again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ostiary.auth.accounts import clean_name, clean_roles
from ostiary.auth.work import Works
from ostiary.core.arrival import Arrival, Fate
from ostiary.core.base64url import encode_base64url
from ostiary.core.events import Kind
from ostiary.core.identifier import email as canonical_email
from ostiary.core.user import Credential, Identifier, User
from ostiary.errors import Invalid, Unavailable
from ostiary.ports import Entropy, PasswordMethod, Store, Transaction


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
            users, credentials = list[User](), list[Credential]()
            found = list[Identifier]()
            for arrival, (value, came) in zip(arrivals, judged, strict=True):
                if came not in (Fate.CAME, Fate.CAME_WITHOUT_PASSWORD):
                    continue
                created = arrival.created_at or work.now
                user = User(
                    id=self._id(),
                    name=clean_name(arrival.name),
                    roles=clean_roles(arrival.roles),
                    created_at=created,
                    disabled_at=work.now if arrival.disabled else None,
                )
                users.append(user)
                verified = created if arrival.verified else None
                found.append(
                    Identifier(
                        kind="email", value=value, typed=arrival.email.strip(), user_id=user.id, verified_at=verified
                    )
                )
                if came is Fate.CAME and arrival.secret is not None:
                    credentials.append(
                        Credential(
                            id=self._id(), user_id=user.id, kind="password", secret=arrival.secret, changed_at=created
                        )
                    )
                work.tell(Kind.ARRIVED, user_id=user.id, actor=actor)
            await work.tx.users.add(*users)
            for identifier in found:
                if not await work.tx.identifiers.add(identifier):
                    raise Unavailable("an address was taken at the same moment; try again")
            await work.tx.credentials.add(*credentials)
        return [fate for _, fate in judged]

    async def _judged(self, tx: Transaction, arrivals: Sequence[Arrival]) -> list[tuple[str, Fate]]:
        """Return the canonical address of each, and what is to become of it."""
        seen = set[str]()
        judged = list[tuple[str, Fate]]()
        for arrival in arrivals:
            value = canonical_email(arrival.email)
            fate = self._fate(arrival) if value is not None else Fate.NO_ADDRESS
            if value is not None and (value in seen or await tx.identifiers.get("email", value) is not None):
                fate = Fate.WAS_HERE
            judged.append((value or "", fate))
            if value is not None and fate in (Fate.CAME, Fate.CAME_WITHOUT_PASSWORD):
                seen.add(value)
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
        has_password = arrival.secret is not None and self.password.reads(arrival.secret)
        return Fate.CAME if has_password else Fate.CAME_WITHOUT_PASSWORD

    def _id(self) -> str:
        return encode_base64url(self.entropy.bytes(16))
