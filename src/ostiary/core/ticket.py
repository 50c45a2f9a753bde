"""Tickets: what a letter's link and code stand for. Each is good once, for one purpose and for a short time.

A letter's link holds a secret of 32 random bytes. The ticket is found by the SHA-256 of it. A letter's code is another
way to the same ticket, for who reads the letter on another device: six digits, and the address that it was sent to.

| kept                | found by                                 | holds                                            |
|---------------------|------------------------------------------|--------------------------------------------------|
| a ticket            | its purpose, SHA-256 of the link's secret | who and what it is for                          |
| a code of a ticket  | its purpose, HMAC of the address          | which ticket, HMAC of address, ticket and digits |

Six digits have a million values, so a bare digest of them would be no secret to who reads the database: the HMAC's key
is in the key file. A code is kept by its address, so a new letter's takes the place of an older one's, and whoever
guesses has one code to guess at. What ends the ticket ends both, however it was found.
"""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from ostiary.core.base64url import encode_base64url
from ostiary.core.flow import Flow

NO_STATE: Final = "void"
"""The state that no account is ever in: a ticket for it leads nowhere."""

SECRET_SIZE: Final = 32
CHANCE_SIZE: Final = 16
"""How many random bytes a code is made of: so many more than six digits need that all codes are equally likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who will have an account once the address is proved."""

    name: str = ""
    language: str = ""
    roles: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    """The hash of the password that was chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a letter is for. `address` is canonical, `typed` as it was written; both are of who gets the letter."""

    flow: Flow
    address: str
    typed: str = ""
    user_id: str = ""
    """Whose account it is about. Empty when there is none yet."""
    state: str = ""
    """The state of that account for which it is good, as `core.flow.state` writes it."""
    newcomer: Newcomer = Newcomer()

    def text(self) -> str:
        """Write it down. It holds no secret but the hash of a newcomer's password."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Ticket":
        """Read what `text` wrote."""
        members = json.loads(text)
        newcomer = members.pop("newcomer")
        flow, roles = Flow(members.pop("flow")), tuple(newcomer.pop("roles"))
        return cls(flow=flow, newcomer=Newcomer(roles=roles, **newcomer), **members)


@dataclass(frozen=True, slots=True)
class Link:
    """What came back of a letter: the secret of its link."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Code:
    """What came back of a letter: its digits, and the canonical address that it was sent to."""

    address: str
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCode:
    """A code at rest: the ticket it leads to, and what its digits must come to."""

    ticket: str
    mac: str = field(repr=False)

    def text(self) -> str:
        """Write it down."""
        return f"{self.ticket} {self.mac}"

    @classmethod
    def read(cls, text: str) -> "KeptCode":
        """Read what `text` wrote."""
        ticket, _, mac = text.partition(" ")
        return cls(ticket=ticket, mac=mac)

    def is_of(self, code: Code, *, purpose: str, key: bytes) -> bool:
        """Tell whether these are its digits."""
        return compare_digest(self.mac, _mac(key, purpose, code.address, self.ticket, code.digits))


def digits(chance: bytes) -> str:
    """Make a code of random bytes: six digits."""
    return f"{int.from_bytes(chance) % 1_000_000:06}"


def found_by_secret(secret: str) -> str:
    """Return what finds the ticket of a link."""
    return encode_base64url(sha256(secret.encode("utf-8", "replace")).digest())


def found_by_address(address: str, *, purpose: str, key: bytes) -> str:
    """Return what finds the code that was last sent to an address."""
    return _mac(key, purpose, address)


def kept(code: Code, *, ticket: str, purpose: str, key: bytes) -> KeptCode:
    """Return how a code is kept."""
    return KeptCode(ticket=ticket, mac=_mac(key, purpose, code.address, ticket, code.digits))


def _mac(key: bytes, *words: str) -> str:
    text = json.dumps(words).encode()  # no two lists of words read the same
    return encode_base64url(hmac_digest(key, text, "sha256"))
