"""The account, what finds it, and what proves it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account. `id` is opaque, stable, never reassigned, and is a token's `sub`."""

    id: str
    name: str
    roles: tuple[str, ...] = ()
    created_at: datetime
    disabled_at: datetime | None = None
    revision: int = 1
    language: str = ""
    """The language that they chose (a BCP 47 tag). Empty: they chose none, and each request says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """What a user types to be found. `value` is canonical, unique within its kind; `typed` is as the user wrote it."""

    kind: str
    value: str
    typed: str
    user_id: str
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Something registered that proves a user. `version` grows when it is replaced, not when it is only hashed anew."""

    id: str
    user_id: str
    kind: str
    secret: str = field(repr=False)
    version: int = 1
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user with what finds it: what a person sees of their own account."""

    user: User
    identifiers: tuple[Identifier, ...]

    @property
    def email(self) -> Identifier | None:
        """The e-mail address, as the user wrote it, if there is one."""
        return next((identifier for identifier in self.identifiers if identifier.kind == "email"), None)
