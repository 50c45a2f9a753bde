"""A store with people in it and a hasher that can be watched, for the tests of methods."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied
from ostiary.core.policy import PasswordPolicy
from ostiary.core.user import Credential, Identifier, User
from ostiary.methods.argon2 import Hasher
from ostiary.methods.password import Password
from ostiary.ports import Store

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Watched(Hasher):
    """A hasher that notes what each verification was made against."""

    def __init__(self, policy: PasswordPolicy) -> None:
        super().__init__(policy, threads=1)
        self.against: list[str] = []

    def _matches(self, stored: str, secret: bytes) -> bool:
        self.against.append(stored)
        return super()._matches(stored, secret)


@dataclass
class Town:
    """The store, and what happens in it beside the method under test. Somebody called `ada` is `ada@example.com`."""

    store: Store

    async def settle(self, name: str, secret: str | None, *, disabled: bool = False) -> Credential | None:
        """Register somebody whose password has this hash, or who has none."""
        user_id, address = f"user-{name}", f"{name}@example.com"
        credential = None
        async with self.store.write() as tx:
            await tx.users.add(User(id=user_id, name=name, created_at=NOW, disabled_at=NOW if disabled else None))
            await tx.identifiers.add(Identifier(kind="email", value=address, typed=address, user_id=user_id))
            if secret is not None:
                credential = Credential(
                    id=f"cred-{name}", user_id=user_id, kind="password", secret=secret, changed_at=NOW
                )
                await tx.credentials.add(credential)
        return credential

    async def credential(self, name: str) -> Credential:
        """Return the password credential that somebody has now."""
        async with self.store.read() as tx:
            (credential,) = await tx.credentials.of(f"user-{name}", "password")
        return credential

    async def change(self, name: str, secret: str) -> Credential:
        """Change somebody's password, as another request would."""
        async with self.store.write() as tx:
            (old,) = await tx.credentials.of(f"user-{name}", "password")
            new = replace(old, secret=secret, version=old.version + 1)
            assert await tx.credentials.swap(old, new)
        return new

    async def login(self, method: Password, name: str, password: str) -> Proof | Denied:
        """Try a password for somebody."""
        return await method.prove(self.store, address=f"{name}@example.com", password=password, now=NOW)
