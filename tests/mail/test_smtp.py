"""Letters leave by a real mail server: privately, with its certificate checked, and what it answers is understood."""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from ostiary.core.letter import About, Letter
from ostiary.errors import Misconfigured, Unavailable, Undeliverable
from ostiary.mail import Mail
from ostiary.mail.smtp import Smtp
from tests.mail.conftest import Authority, authority
from tests.mail.mailserver import PASSWORD, USER, MailServer
from tests.servers.server import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it had TLS from the start

SENDER = "Example <no-reply@id.example>"
LOGIN = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"


def letter(to: str = "ada@example.com") -> Letter:
    """Return a letter with a secret."""
    values = {"link": "https://id.example/auth/verify?token=the-secret", "code": "123456", "life": "900"}
    return Letter(
        id="letter-1", to=to, about=About.VERIFY_EMAIL, language="", values=values, created_at=datetime.now(UTC)
    )


async def send(url: str, to: str = "ada@example.com") -> None:
    """Send a letter."""
    await Mail.at(url, sender=SENDER).send(letter(to))


def message() -> EmailMessage:
    """Return a short message."""
    made = EmailMessage()
    made["From"], made["To"] = "no-reply@id.example", "ada@example.com"
    made.set_content("Hello")
    return made


async def test_sent(server: MailServer) -> None:
    """What the server takes is the letter, from the sender, to its address alone, in both forms."""
    await send(f"smtp://127.0.0.1:{server.port}")

    [taken] = server.inbox
    assert (taken.sender, taken.to) == ("no-reply@id.example", ["ada@example.com"])
    assert taken.message["From"] == SENDER
    assert taken.message["Message-ID"] == "<letter-1@id.example>"
    assert "https://id.example/auth/verify?token=the-secret" in taken.text
    assert [part.get_content_type() for part in taken.message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_private(ours: Authority, scheme: str) -> None:
    """With TLS from the start, and with STARTTLS, user, password and letter come over TLS."""
    context = ours.context("localhost")
    with MailServer(tls=context, from_the_start=scheme == "smtps", needs_login=True) as server:
        await send(f"{scheme}://{LOGIN}localhost:{server.port}?ca={ours.file}")

    assert [taken.is_private for taken in server.inbox] == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_another_authority(ours: Authority, tmp_path: Path, scheme: str) -> None:
    """A server whose certificate is signed by somebody else is told nothing."""
    other = authority(tmp_path, "other")
    with (
        MailServer(tls=ours.context("localhost"), from_the_start=scheme == "smtps", needs_login=True) as server,
        pytest.raises(Unavailable, match="shows a certificate that is not good for it"),
    ):
        await send(f"{scheme}://{LOGIN}localhost:{server.port}?ca={other.file}")

    assert set(server.verbs) <= {"EHLO"}


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_another_name(ours: Authority, scheme: str) -> None:
    """A server that shows the certificate of another one is told nothing."""
    with (
        MailServer(tls=ours.context("evil.example"), from_the_start=scheme == "smtps") as server,
        pytest.raises(Unavailable, match="shows a certificate that is not good for it"),
    ):
        await send(f"{scheme}://localhost:{server.port}?ca={ours.file}")

    assert set(server.verbs) <= {"EHLO"}


async def test_stripped(server: MailServer, ours: Authority) -> None:
    """A server that does not offer STARTTLS, perhaps because somebody between us cut that out, is told nothing."""
    with pytest.raises(Unavailable, match="does not offer what we need"):
        await send(f"smtp://{LOGIN}localhost:{server.port}?ca={ours.file}")

    assert set(server.verbs) <= {"EHLO"}


@pytest.mark.parametrize(
    ("url", "starts_tls", "has_context"),
    [
        ("smtp://mail.example", True, True),
        ("smtp://192.0.2.1:25", True, True),
        ("smtps://mail.example", False, True),
        ("smtps://localhost", False, True),
        ("smtp://localhost", False, False),
        ("smtp://127.0.0.1:25", False, False),
        ("smtp://[::1]:25", False, False),
    ],
)
def test_in_the_clear_on_loopback_only(url: str, starts_tls: bool, has_context: bool) -> None:
    """Only a server on this machine is spoken to in the clear."""
    smtp = Smtp(url)

    assert (smtp._starts_tls, smtp._context is not None) == (starts_tls, has_context)


async def test_wrong_password(ours: Authority) -> None:
    """A password that is refused is said, without it, and the letter waits: that can be mended."""
    with (
        MailServer(tls=ours.context("localhost"), needs_login=True) as server,
        pytest.raises(Unavailable, match=r"refuses the user or the password \(535\)") as refused,
    ):
        await send(f"smtp://ada:guess@localhost:{server.port}?ca={ours.file}")

    assert "guess" not in str(refused.value)
    assert server.inbox == []


@pytest.mark.parametrize(
    ("verb", "answer", "error"),
    [
        ("RCPT", "550 5.1.1 no ada@example.com here", Undeliverable),
        ("DATA", "554 5.7.1 we do not like ada@example.com", Undeliverable),
        ("RCPT", "450 4.2.1 ada@example.com is busy", Unavailable),
        ("DATA", "451 4.3.0 later, ada@example.com", Unavailable),
        ("MAIL", "550 5.7.1 this sender may not send", Unavailable),
        ("MAIL", "421 4.3.2 closing", Unavailable),
    ],
)
async def test_refused(server: MailServer, verb: str, answer: str, error: type[Exception]) -> None:
    """What is refused for good is a letter's own end; what can be mended waits. A log learns the code, no address."""
    server.answers[verb] = answer

    with pytest.raises(error, match=answer[:3]) as refused:
        await send(f"smtp://127.0.0.1:{server.port}")

    assert "ada@example.com" not in str(refused.value)
    assert server.inbox == []


async def test_nobody_there() -> None:
    """Where nobody listens, that is said."""
    with pytest.raises(Unavailable, match="cannot be reached"):
        await send(f"smtp://127.0.0.1:{free_port()}")


async def test_no_goodbye() -> None:
    """A server that hangs up once it has the letter has it: that is no failure, or it would be sent again."""
    with MailServer(vanishes=True) as server:
        await send(f"smtp://127.0.0.1:{server.port}")

        assert len(server.inbox) == 1


async def test_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing is given up."""
    monkeypatch.setattr("ostiary.mail.smtp._SENT_WITHIN", 0.2)
    silent = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    try:
        with pytest.raises(Unavailable, match="does not answer in time"):
            await send(f"smtp://127.0.0.1:{port}")
    finally:
        silent.close()
        await silent.wait_closed()


async def test_other_letters(server: MailServer) -> None:
    """An address with other letters than ASCII is written to, if the server knows how (RFC 6531)."""
    await send(f"smtp://127.0.0.1:{server.port}", to="zoë@xn--bcher-kva.example")

    [taken] = server.inbox
    assert taken.to == ["zoë@xn--bcher-kva.example"]


async def test_check(server: MailServer, ours: Authority) -> None:
    """Whether a server can be used is found out without a letter, the login included."""
    assert "answers" in await Smtp(f"smtp://127.0.0.1:{server.port}").check()
    with MailServer(tls=ours.context("localhost"), needs_login=True) as private:
        assert "over TLS" in await Smtp(f"smtp://{LOGIN}localhost:{private.port}?ca={ours.file}").check()
        with pytest.raises(Unavailable, match="refuses the user or the password"):
            await Smtp(f"smtp://ada:guess@localhost:{private.port}?ca={ours.file}").check()

    assert server.inbox == private.inbox == []
    assert "MAIL" not in server.verbs + private.verbs


@pytest.mark.parametrize(
    "url",
    [
        "smtp://",
        "smtp://:secret@",
        "smtp://ada:sec@ret@host@x/y",
        "smtp://ada:sec/ret@mail.example",
        "smtp://ada:sec#ret@mail.example",
        "smtp://ada:sec?ret@mail.example",
        "smtp://ada:secret@mail.example:99999",
        "smtp://ada:secret@mail.example:0",
        "smtp://ada:secret@mail.example/inbox",
        "smtp://ada:secret@mail.example?tls=no",
        "smtp://ada:secret@[mail.example",
        "smtps://ada:secret@mail.example?ca=/no/such/file",
        "pop://ada:secret@mail.example",
        "mail.example",
        "console:secret",
        "folder:",
        "",
    ],
)
def test_no_such_way(url: str) -> None:
    """An address that cannot be used is refused when it is read, and never repeated: it may hold a password."""
    with pytest.raises(Misconfigured) as refused:
        Mail.at(url, sender=SENDER)

    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value)


def test_repr() -> None:
    """What a mail server is reached with is not shown."""
    assert "secret" not in repr(Mail.at("smtp://ada:secret@mail.example", sender=SENDER))
