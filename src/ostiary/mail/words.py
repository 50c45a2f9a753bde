"""Letters in words: one template for each, from which both the plain text and the HTML are made.

A letter's template says its parts (`subject`, `opening`, `action`, `closing`); `letter.txt` and `letter.html` put them
together. No letter says what a stranger could have chosen, a name above all: whoever enters somebody else's address
must not be able to write to them.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary import languages
from ostiary.core.letter import About, Letter
from ostiary.errors import Misconfigured, Undeliverable

if TYPE_CHECKING:
    from jinja2 import Environment, Template

OURS: Final = Path(__file__).parent / "templates"
SAID: Final = ("site", "link", "code", "device", "ip")
"""The values of a letter that a template is given. What a letter does not have is the empty string."""

_FORMS: Final = ("txt", "html")
_BLANK_LINES: Final = re.compile(r"\n\s*\n\s*")


class Words:
    """The words of one service.

    Raises:
        Misconfigured: what they are made with is not installed.
    """

    def __init__(self, *, brand: str, templates: Path | None) -> None:
        if find_spec("jinja2") is None or find_spec("babel") is None:
            raise Misconfigured("install ostiary[mail]: it brings what letters are made with")
        self._brand = brand
        self._folders = [OURS] if templates is None else [templates, OURS]

    def message(self, letter: Letter, *, sender: str) -> EmailMessage:
        """Write a letter as a message of both forms (RFC 2046 section 5.1.4).

        Raises:
            Undeliverable: no message can be addressed like that.
        """
        language = languages.of(None, letter.language)
        given = {name: _line(letter.values.get(name, "")) for name in SAID}
        life = letter.values.get("life", "")
        said = {
            **given,
            "language": language,
            "brand": self._brand,
            "life": language.span(timedelta(seconds=int(life))) if life else "",
            "moment": language.moment(letter.created_at),
        }
        text, html = (self._template(letter.about, form) for form in _FORMS)
        written = text.new_context({**said, "layout": "letter.txt"})
        subject = _line("".join(text.blocks["subject"](written)))
        from_ = read_sender(sender)
        message = EmailMessage(policy=SMTP)
        message["From"] = from_
        message["To"] = as_address(letter.to)
        message["Subject"] = subject
        message["Date"] = letter.created_at
        message["Message-ID"] = f"<{letter.id}@{from_.domain}>"  # the same each time, so that a second one can be told
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer is wanted
        message.set_content(_BLANK_LINES.sub("\n\n", text.render(said, layout="letter.txt")).strip() + "\n")
        message.add_alternative(html.render(said, layout="letter.html", subject=subject), subtype="html")
        message["Content-Language"] = language.tag  # of both forms, so after both
        return message

    def _template(self, about: About, form: str) -> "Template":
        return self._environment.get_template(f"{about.value}.{form}")

    @cached_property
    def _environment(self) -> "Environment":
        # An extra, and only whoever writes a letter waits for it.
        from jinja2 import FunctionLoader  # noqa: PLC0415

        return languages.environment(FunctionLoader(partial(_source, self._folders)))


def read_sender(words: str) -> Address:
    """Read who letters come from.

    Raises:
        Misconfigured: it is no address.
    """
    message = EmailMessage()
    address: Address | None
    try:
        message["From"] = words
        [address] = message["From"].addresses
    except (ValueError, MessageError, IndexError):
        address = None
    if address is None or not address.username or not address.domain or message["From"].defects:
        raise Misconfigured(f"the sender of letters, {words!r}, must be an address or written Name <address>")
    return address


def as_address(to: str) -> Address:
    """Read who a letter goes to. Whatever is in it, it is one address.

    Raises:
        Undeliverable: it is none.
    """
    user, _, domain = to.rpartition("@")
    try:
        if not user or not domain or not to.isprintable() or " " in to or "=?" in to:  # as in `core.identifier`
            raise ValueError  # noqa: TRY301 - told below, like what is wrong for the standard library
        return Address(username=user, domain=domain)
    except (ValueError, MessageError):
        raise Undeliverable("no letter can be sent to this address") from None


def _source(folders: Sequence[Path], name: str) -> tuple[str, str, None] | None:
    """Find a template. One that is made for both forms stands in the file of the HTML."""
    stem = name.rpartition(".")[0]
    for folder in folders:
        for file in (folder / name, folder / f"{stem}.html"):
            if file.is_file():
                return file.read_text("utf-8"), str(file), None
    return None


def _line(value: str) -> str:
    """Return a value on one line: none can begin a paragraph or a header of its own."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())
