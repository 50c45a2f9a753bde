"""The mailer of the house: it writes letters, and a transport takes them."""

from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ostiary.core.letter import Letter
from ostiary.errors import Misconfigured
from ostiary.mail.words import Words, read_sender


class Transport(Protocol):
    """Carries messages."""

    async def send(self, message: EmailMessage) -> None:
        """Hand a message on. When this returns, somebody else has taken it, and it is theirs to deliver.

        Raises:
            Undeliverable: it was refused for good.
            Unavailable: nobody takes it now.
        """
        ...

    async def check(self) -> str:
        """See that it can be used now, and return what it is, in a few words.

        Raises:
            Misconfigured, Unavailable: it cannot be used; one line says why.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Sends letters by a transport, in the name of a sender.

    Raises:
        Misconfigured: the sender is no address, or what letters are written with is not installed.
    """

    transport: Transport
    sender: str
    """An address, alone or as `Name <address>`."""
    brand: str = "Ostiary"
    """What the letters call the service."""
    templates: Path | None = None
    """A folder whose templates take the place of ours with the same name."""

    def __post_init__(self) -> None:
        read_sender(self.sender)
        _ = self._words

    @classmethod
    def at(cls, url: str, *, sender: str, brand: str = "Ostiary", templates: Path | None = None) -> "Mail":
        """Make one from the address of its transport.

        | address                     | is                                                                            |
        |-----------------------------|-------------------------------------------------------------------------------|
        | `smtp://USER:PASSWORD@HOST` | a mail server, port 587; it must change to TLS (STARTTLS), save on loopback   |
        | `smtps://USER@HOST`         | one that speaks TLS from the start, port 465                                  |
        | `folder:PATH`               | a folder, for development: one file a letter, for its owner only              |
        | `console:`                  | the standard output, for development                                          |

        Raises:
            Misconfigured: it cannot be used; the message does not repeat it, for it may hold a password.
        """
        return cls(transport=transport(url), sender=sender, brand=brand, templates=templates)

    async def send(self, letter: Letter) -> None:
        """Write a letter, and hand it on."""
        await self.transport.send(self._words.message(letter, sender=self.sender))

    @cached_property
    def _words(self) -> Words:
        return Words(brand=self.brand, templates=self.templates)


def transport(url: str) -> Transport:
    """Return the transport at an address.

    Raises:
        Misconfigured: there is none.
    """
    scheme, _, rest = url.partition(":")
    match scheme:
        case "smtp" | "smtps":
            from ostiary.mail.smtp import Smtp  # noqa: PLC0415 - its client is an extra

            return Smtp(url)
        case "folder" if rest:
            from ostiary.mail.files import Folder  # noqa: PLC0415 - as above

            return Folder(Path(rest))
        case "console" if not rest:
            from ostiary.mail.files import Console  # noqa: PLC0415 - as above

            return Console()
        case _:
            raise Misconfigured("mail leaves by smtp://USER@HOST, smtps://USER@HOST, folder:PATH or console:")
