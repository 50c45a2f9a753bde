"""A mail server, for a thread that waits for it."""

import asyncio
from email.message import EmailMessage

from ostiary.mail import smtp


class Smtp:
    """As `ostiary.mail.smtp.Smtp`. Each letter has a connection anyway, so it has an event loop of its own, too."""

    def __init__(self, url: str) -> None:
        self._smtp = smtp.Smtp(url)

    def __repr__(self) -> str:
        return repr(self._smtp)

    def send(self, message: EmailMessage) -> None:
        """Give a message to the server."""
        asyncio.run(self._smtp.send(message))

    def check(self) -> str:
        """Connect, and log in if there is a user."""
        return asyncio.run(self._smtp.check())
