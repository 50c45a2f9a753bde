"""A mail server that takes letters for delivery (message submission, RFC 6409), and how to speak to it safely."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ostiary.core.network import is_loopback
from ostiary.errors import Misconfigured, Unavailable, Undeliverable

try:
    from aiosmtplib import (
        SMTP,
        SMTPAuthenticationError,
        SMTPDataError,
        SMTPException,
        SMTPNotSupported,
        SMTPRecipientsRefused,
        SMTPResponseException,
    )
except ModuleNotFoundError:
    raise Misconfigured("install ostiary[mail]: it brings the client for mail servers") from None

_ANSWERED_WITHIN: Final = 20.0
_SENT_WITHIN: Final = 45.0
"""Less than a sender waits: what the server has taken must not be taken for lost."""
_GOODBYE_WITHIN: Final = 2.0

_LACKS: Final = "does not offer what we need: TLS, and a way to log in"
_UNFIT: Final = (
    "the address of the mail server is to be written smtp://USER:PASSWORD@HOST:PORT (smtps:// for TLS from the start, "
    "?ca=FILE for certificates of your own), with odd characters of a password percent-encoded"
)


class Smtp:
    """A server at `smtp://` or `smtps://`, one connection a letter.

    Nothing is said to it in the clear, save on loopback: with `smtp://` it must offer STARTTLS (RFC 3207). Its
    certificate is checked, against the system's authorities or the file `ca`; with that, on loopback too.

    Raises:
        Misconfigured: the address cannot be used.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port, options = parts.port, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            raise Misconfigured(_UNFIT) from None
        host = parts.hostname or ""
        if not re.fullmatch(r"[\w.:-]+", host) or port == 0 or parts.path not in ("", "/") or parts.fragment:
            raise Misconfigured(_UNFIT)  # an odd character of a password moves the rest of it into these parts
        if not options.keys() <= {"ca"} or "@" in parts.query:
            raise Misconfigured(_UNFIT)
        self._host = host
        self._is_tls = parts.scheme == "smtps"
        self._port = port or (465 if self._is_tls else 587)
        self._starts_tls = not self._is_tls and ("ca" in options or not is_loopback(host))
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._name = f"the mail server {host}:{self._port}"
        self._context = _context(options.get("ca")) if self._is_tls or self._starts_tls else None

    def __repr__(self) -> str:
        return f"Smtp({self._host!r}, port={self._port})"

    async def send(self, message: EmailMessage) -> None:
        """Give a message to the server."""
        client = self._client(message["From"].addresses[0].domain)
        try:
            async with self._asking():
                await client.connect()
                try:
                    await client.send_message(message)
                except (SMTPResponseException, SMTPRecipientsRefused, SMTPNotSupported) as error:
                    self._see_whether_for_good(error)
                    raise
        except BaseException:
            client.close()
            raise
        await _say_goodbye(client)  # it has the message, whatever it answers

    async def check(self) -> str:
        """Connect, and log in if there is a user."""
        client = self._client("localhost")
        try:
            async with self._asking():
                await client.connect()
                await client.ehlo()
        except BaseException:
            client.close()
            raise
        await _say_goodbye(client)
        return f"{self._name} answers, {'over TLS' if self._context is not None else 'on this machine'}"

    def _client(self, local_hostname: str) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            local_hostname=local_hostname,  # else the resolver is asked, and may let us wait
            use_tls=self._is_tls,
            start_tls=self._starts_tls,
            tls_context=self._context,
            timeout=_ANSWERED_WITHIN,
        )

    @asynccontextmanager
    async def _asking(self) -> AsyncGenerator[None]:
        """Tell each failure in our words. The server's own may quote a letter, and are no concern of a log."""
        try:
            async with asyncio.timeout(_SENT_WITHIN):
                yield
        except (SMTPException, OSError, ValueError) as error:
            raise Unavailable(f"{self._name} {_meaning(error)}") from None

    def _see_whether_for_good(self, error: SMTPResponseException | SMTPRecipientsRefused | SMTPNotSupported) -> None:
        """Raise `Undeliverable` if it is about this letter, and will not change (RFC 5321 section 4.2.1)."""
        match error:
            case SMTPRecipientsRefused():
                codes = [refused.code for refused in error.recipients]
            case SMTPDataError():
                codes = [error.code]
            case SMTPNotSupported():
                raise Undeliverable(f"{self._name} takes no address with other letters than ASCII") from None
            case _:
                return  # it is about us: who may send, or how. That can be mended
        if min(codes) >= 500:
            raise Undeliverable(f"{self._name} refused it for good ({codes[0]})") from None


class SmtpInThread:
    """The same, for a thread that waits: with a connection of its own each letter has an event loop of its own."""

    def __init__(self, url: str) -> None:
        self._smtp = Smtp(url)

    def __repr__(self) -> str:
        return repr(self._smtp)

    def send(self, message: EmailMessage) -> None:
        """Give a message to the server."""
        asyncio.run(self._smtp.send(message))

    def check(self) -> str:
        """Connect, and log in if there is a user."""
        return asyncio.run(self._smtp.check())


async def _say_goodbye(client: SMTP) -> None:
    with suppress(SMTPException, OSError):
        await client.quit(timeout=_GOODBYE_WITHIN)
    client.close()


def _meaning(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "shows a certificate that is not good for it"
        cause = cause.__cause__ or cause.__context__
    if type(error) is SMTPException:  # what the client says of a server that lacks an extension
        return _LACKS
    match error:
        case SMTPAuthenticationError():
            return f"refuses the user or the password ({error.code})"
        case TimeoutError():
            return "does not answer in time"
        case SMTPNotSupported() | ssl.SSLError():
            return _LACKS
        case SMTPResponseException():
            return f"takes nothing now ({error.code})"
        case SMTPRecipientsRefused():
            return f"takes nothing now ({error.recipients[0].code})"
        case _:
            return "cannot be reached"


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError:
        raise Misconfigured(f"the file of certificates {ca} cannot be read") from None
