"""What letters say: every one in every language and in both forms, and nothing that a stranger chose."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from ostiary.core.letter import About, Letter
from ostiary.errors import Misconfigured, Undeliverable
from ostiary.languages import LANGUAGES, Language
from ostiary.mail import Mail
from ostiary.mail.words import Words, as_address, read_sender

SENDER = "Example <no-reply@id.example>"
LINK = "https://id.example/auth/verify?token=the-secret"
ASKING = (About.VERIFY_EMAIL, About.RESET_PASSWORD, About.CHANGE_EMAIL)
NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)

VALUES: dict[About, dict[str, str]] = {
    **{about: {"link": LINK, "code": "123456", "life": "900"} for about in ASKING},
    About.INVITATION: {"link": LINK, "life": str(7 * 24 * 3600)},
    About.NEW_DEVICE: {"device": "Firefox on Linux", "ip": "192.0.2.1"},
    About.TOKEN_REUSED: {"device": "Firefox on Linux"},
}
"""What each letter has, as the table in `core.letter` says."""


def letter(
    about: About = About.VERIFY_EMAIL, *, to: str = "ada@example.com", language: str = "", **more: str
) -> Letter:
    """Return a letter with all its values."""
    values = {"site": "https://id.example", **VALUES.get(about, {}), **more}
    return Letter(id="l1", to=to, about=about, language=language, values=values, created_at=NOW)


def written(letter: Letter, *, brand: str = "Example", templates: Path | None = None) -> EmailMessage:
    """Put a letter into words."""
    return Words(brand=brand, templates=templates).message(letter, sender=SENDER)


def said(message: EmailMessage, form: str = "plain") -> str:
    """Return what one form says."""
    body = message.get_body((form,))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
@pytest.mark.parametrize("about", About)
def test_every_letter(about: About, language: Language) -> None:
    """Every letter says all its values in both forms, in the reader's language, whom it is from, and when."""
    message = written(letter(about, language=language.tag))

    assert message["Content-Language"] == language.tag
    assert message["Subject"].strip()
    life = VALUES.get(about, {}).get("life")
    span = {"900": "15", str(7 * 24 * 3600): "1"}[life] if life else ""
    for form in ("plain", "html"):
        text = said(message, form)
        for value in ("Example", "https://id.example", span, *VALUES.get(about, {}).values()):
            assert value == life or value in text
        assert ("2026" in text) is (about not in {*ASKING, About.INVITATION})
        assert "{{" not in text


def test_in_another_language() -> None:
    """A letter follows the account's language, and English where we do not speak it."""
    english, german, klingon = (written(letter(language=tag)) for tag in ("en", "de", "tlh"))

    assert german["Subject"] != english["Subject"] == klingon["Subject"]
    assert said(german) != said(english) == said(klingon)


def test_whole_text() -> None:
    """The text of a letter, to the last line."""
    assert said(written(letter(About.INVITATION))) == (
        "You are invited to make an account at Example.\n\n"
        f"Accept the invitation:\n{LINK}\n\n"
        "The link is good for 1 week, until it is used.\n\n"
        "If you do not want that, do nothing.\n\n"
        "-- \nExample\nhttps://id.example\n"
    )


def test_no_strangers_words() -> None:
    """Whoever enters somebody else's address cannot write to them: no letter says a name, or what it knows not."""
    for about in About:
        message = written(letter(about, name="Visit http://evil.example", note="Visit http://evil.example"))

        assert "evil" not in said(message) + said(message, "html") + str(message["Subject"])


def test_values_stay_on_their_line() -> None:
    """A value with line breaks begins no paragraph of its own, and one with marks no element."""
    device = "Firefox\r\n\r\nYou won!\x1b[31m <a href=//evil.example>\u2028click</a>"
    message = written(letter(About.NEW_DEVICE, device=device))

    lines = said(message).splitlines()
    assert any(line.startswith("Device: Firefox You won! [31m <a href=//evil.example> click</a>") for line in lines)
    assert "<a href=//evil" not in said(message, "html")
    assert "&lt;a href=//evil.example&gt;" in said(message, "html")


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.com\r\nBcc: eve@evil.example",
        "ada@example.com\nX: y",
        "ada@example.com, eve@evil.example",
        "ada <ada@example.com>",
        "ada@example.com\x00",
        "ada@",
        "@example.com",
        "ada",
        "",
        "ada@example.com>\u2028<eve@evil.example",
    ],
)
def test_no_header_by_an_address(to: str) -> None:
    """What is more than one address, or none, adds no header and no reader: nothing is sent to it."""
    with pytest.raises(Undeliverable, match="no letter can be sent to this address") as refused:
        written(letter(to=to))

    assert "ada" not in str(refused.value)


@pytest.mark.parametrize("brand", ["Example\r\nBcc: eve@evil.example", "Example\n\nHello"])
def test_no_header_by_the_brand(brand: str) -> None:
    """A brand with a line break adds no header: the subject stays on its line."""
    message = written(letter(About.INVITATION), brand=brand)

    assert message["Bcc"] is None
    assert "\n" not in str(message["Subject"])


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "nobody",
        "Example <>",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: eve@evil.example",
        "Example <a@>",
        "@b",
    ],
)
def test_senders_that_cannot_be(sender: str) -> None:
    """A sender must be one address. What else is there is said when the mailer is made, not with the first letter."""
    with pytest.raises(Misconfigured, match="the sender of letters"):
        Mail.at("console:", sender=sender)


def test_sender_with_a_name() -> None:
    """A sender may have a name, of any letters."""
    found = read_sender("Bücher & Co <no-reply@id.example>")

    assert (found.display_name, found.addr_spec) == ("Bücher & Co", "no-reply@id.example")


def test_address_is_taken_as_it_is() -> None:
    """What stands before the @ is the mailbox's own."""
    found = as_address("o'ada+tag@example.com")

    assert (found.username, found.domain) == ("o'ada+tag", "example.com")


def test_headers() -> None:
    """A letter says when it was written, that nobody needs to answer, and the same id however often it is sent."""
    one, two = written(letter()), written(letter())

    assert one["Message-ID"] == two["Message-ID"] == "<l1@id.example>"
    assert one["Date"].datetime == NOW
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["To"] == "ada@example.com"


def test_lines_fit(tmp_path: Path) -> None:
    """No line of a message is longer than a mail server must take (RFC 5321 section 4.5.3.1.6)."""
    for language in LANGUAGES:
        for about in About:
            raw = written(letter(about, language=language.tag)).as_bytes()

            assert max(len(line) for line in raw.split(b"\r\n")) <= 998
            assert re.search(rb"(?<!\r)\n", raw) is None


def test_own_templates(tmp_path: Path) -> None:
    """A template of one's own takes the place of ours, for both forms or for one; all others stay."""
    (tmp_path / "invitation.html").write_text(
        "{% extends layout %}{% block subject %}Come{% endblock %}{% block opening %}Come in.{% endblock %}"
    )
    (tmp_path / "verify_email.txt").write_text("{% block subject %}Yes?{% endblock %}{{ link }}")

    invitation = written(letter(About.INVITATION), templates=tmp_path)
    verification = written(letter(), templates=tmp_path)

    assert invitation["Subject"] == "Come"
    assert "Come in." in said(invitation)
    assert "Come in." in said(invitation, "html")
    assert said(verification).strip() == f"Yes?{LINK}"
    assert "Confirm the address" in said(verification, "html")
    assert said(written(letter(About.NO_ACCOUNT), templates=tmp_path)) == said(written(letter(About.NO_ACCOUNT)))


def test_no_place_is_left_empty() -> None:
    """A letter without its link or code says nothing of them."""
    bare = Letter(id="l", to="ada@example.com", about=About.VERIFY_EMAIL, language="", values={}, created_at=NOW)

    text = said(written(bare))
    assert "link" not in text
    assert "code" not in text
    assert "\n\n\n" not in text
