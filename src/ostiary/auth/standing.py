"""What the store has of an address, or of a user, at one moment."""

from dataclasses import dataclass
from typing import Final

from ostiary.core.decision import Reason
from ostiary.core.flow import Finds, finds, state
from ostiary.core.user import Credential, Identifier, User
from ostiary.errors import Refused
from ostiary.ports import Transaction

NOBODY: Final = "nobody"
"""The id that no user has: who is not there costs the same look-ups as who is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An address, whose it is, and by which password they are proved; each as far as it is there."""

    identifier: Identifier | None
    user: User | None
    password: Credential | None

    @property
    def finds(self) -> Finds:
        """What the address finds."""
        return finds(self.identifier, self.user)

    @property
    def state(self) -> str:
        """The state for which a letter is good."""
        address = self.identifier.value if self.identifier is not None else ""
        return state(self.user.id if self.user is not None else "", address, self.password)

    @property
    def user_id(self) -> str:
        """Whose it is, or nothing."""
        return self.user.id if self.user is not None else ""

    def owned(self) -> tuple[User, Identifier]:
        """Return both, where there must be both.

        Raises:
            Refused: there are not.
        """
        if self.user is None or self.identifier is None:
            raise Refused(Reason.VOID)
        return self.user, self.identifier


async def standing(tx: Transaction, address: str) -> Standing:
    """Look up what an address finds. Whatever it is, it costs the same look-ups."""
    identifier = await tx.identifiers.get("email", address)
    user_id = NOBODY if identifier is None else identifier.user_id
    user = await tx.users.get(user_id)
    return Standing(identifier=identifier, user=user, password=await _password(tx, user_id))


async def standing_of(tx: Transaction, user_id: str) -> Standing:
    """Look up a user, with their e-mail address."""
    user = await tx.users.get(user_id)
    found = [each for each in await tx.identifiers.of(user_id) if each.kind == "email"]
    return Standing(identifier=found[0] if found else None, user=user, password=await _password(tx, user_id))


async def _password(tx: Transaction, user_id: str) -> Credential | None:
    found = await tx.credentials.of(user_id, "password")
    return max(found, key=lambda credential: credential.changed_at, default=None)
