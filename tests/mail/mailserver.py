"""A real mail server on loopback, in a thread of its own, which keeps what it takes and refuses what it is told to."""

import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.servers.server import free_port

USER, PASSWORD = "door@id.example", "p@ss/wörd"


@dataclass
class Taken:
    """One message as it came over the wire."""

    sender: str
    to: list[str]
    raw: bytes
    is_private: bool
    """Whether it came over TLS."""

    @property
    def message(self) -> EmailMessage:
        """The message."""
        found = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def text(self) -> str:
        """Its text."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@dataclass
class MailServer:
    """A server on a port that stays the same while it is stopped and started again."""

    tls: ssl.SSLContext | None = None
    from_the_start: bool = False
    needs_login: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    """What to answer to `MAIL`, `RCPT` and `DATA`, instead of taking it."""
    vanishes: bool = False
    """Whether it hangs up where it should say goodbye."""
    port: int = field(default_factory=free_port)
    inbox: list[Taken] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    """Every command that was sent, in order."""
    _controller: Controller | None = None

    def start(self) -> None:
        """Begin to listen."""
        starts_tls = self.tls is not None and not self.from_the_start
        self._controller = Controller(
            _Handler(self),
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="mail.example",
            ssl_context=self.tls if self.from_the_start else None,
            tls_context=self.tls if starts_tls else None,
            require_starttls=starts_tls,
            auth_required=self.needs_login,
            auth_require_tls=starts_tls,
            authenticator=_authenticate,
            enable_SMTPUTF8=True,
        )
        self._controller.start()
        self.verbs.clear()  # the controller has said hello to itself

    def stop(self) -> None:
        """Stop listening."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_EHLO(self, _: Any, session: Any, __: Any, hostname: str, responses: list[str]) -> list[str]:  # noqa: N802 - its word
        session.host_name = hostname
        self._server.verbs.append("EHLO")
        return responses

    async def handle_MAIL(self, _: Any, __: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - its word
        self._server.verbs.append("MAIL")
        if "MAIL" in self._server.answers:
            return self._server.answers["MAIL"]
        envelope.mail_from, envelope.mail_options = address, options
        return "250 OK"

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: list[str]) -> str:  # noqa: N802 - its word
        self._server.verbs.append("RCPT")
        if "RCPT" in self._server.answers:
            return self._server.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - its word
        self._server.verbs.append("DATA")
        if "DATA" in self._server.answers:
            return self._server.answers["DATA"]
        is_private = session.ssl is not None or self._server.from_the_start
        self._server.inbox.append(Taken(envelope.mail_from, envelope.rcpt_tos, envelope.content, is_private))
        return "250 OK"

    async def handle_QUIT(self, smtp: Any, *_: Any) -> str:  # noqa: N802 - its word
        if self._server.vanishes:
            smtp.transport.abort()
        self._server.verbs.append("QUIT")
        return "221 Bye"


def _authenticate(_: Any, __: Any, ___: Any, ____: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)
