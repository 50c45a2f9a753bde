"""What is in the letters that a house has sent."""

from urllib.parse import parse_qs, urlsplit

from ostiary.core.letter import About, Letter
from ostiary.core.ticket import Code, Link
from tests.conftest import House


async def letter(house: House, about: About, to: str = "ada@example.com") -> Letter:
    """Return the newest letter to somebody about something, and forget it, so that the next one is another."""
    found = await house.mail.letter(about, to=to)
    house.mail.letters.remove(found)
    return found


def link_of(letter: Letter) -> Link:
    """Return what its link holds."""
    return Link(token_of(letter))


def token_of(letter: Letter) -> str:
    """Return the secret in its link."""
    (token,) = parse_qs(urlsplit(letter.values["link"]).query)["token"]
    return token


def code_of(letter: Letter) -> Code:
    """Return its code."""
    return Code(letter.to, letter.values["code"])


async def sent_all(house: House) -> None:
    """Wait until everything has been sent."""
    post = house.auth._post
    assert post is not None
    while await post.step():
        pass
