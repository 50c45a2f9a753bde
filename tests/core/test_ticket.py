"""Tickets: what leads to one, and what is kept of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.flow import Flow
from ostiary.core.ticket import (
    CHANCE_SIZE,
    Code,
    KeptCode,
    Link,
    Newcomer,
    Ticket,
    digits,
    found_by_address,
    found_by_secret,
    kept,
)

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
CODE = Code("ada@example.com", "012345")
KEPT = kept(CODE, ticket="t1", purpose="reset", key=KEY)


def test_a_ticket_comes_back() -> None:
    """A ticket is read as it was written, with whatever a newcomer typed."""
    newcomer = Newcomer(name='Ada "the\n" Ländle', language="de", roles=("a", "b"), secret="$argon2id$")
    ticket = Ticket(
        flow=Flow.REGISTER,
        address="ada@example.com",
        typed="Ada@example.com",
        user_id="u",
        state="s",
        newcomer=newcomer,
    )

    assert Ticket.read(ticket.text()) == ticket
    assert Ticket.read(Ticket(flow=Flow.RESET, address="a@b.c").text()) == Ticket(flow=Flow.RESET, address="a@b.c")


def test_a_code_at_rest() -> None:
    """A code comes back from rest, is its own digits and no others, and holds none of them."""
    again = KeptCode.read(KEPT.text())

    assert again == KEPT
    assert again.is_of(CODE, purpose="reset", key=KEY)
    assert "012345" not in KEPT.text()


@pytest.mark.parametrize(
    ("code", "ticket", "purpose", "key"),
    [
        (replace(CODE, digits="012346"), "t1", "reset", KEY),
        (replace(CODE, digits=""), "t1", "reset", KEY),
        (replace(CODE, digits="٠١٢٣٤٥"), "t1", "reset", KEY),
        (replace(CODE, address="eve@example.com"), "t1", "reset", KEY),
        (CODE, "t1", "verify", KEY),
        (CODE, "t1", "reset", OTHER_KEY),
        (CODE, "t2", "reset", KEY),
    ],
    ids=["other digits", "no digits", "in Arabic", "other address", "other purpose", "other key", "other ticket"],
)
def test_another_code(code: Code, ticket: str, purpose: str, key: bytes) -> None:
    """Digits count for one address, one ticket, one purpose and under one key."""
    assert not replace(KEPT, ticket=ticket).is_of(code, purpose=purpose, key=key)


def test_what_finds_a_code() -> None:
    """An address finds its code for one purpose and under one key, and two lists of words never meet."""
    found = [
        found_by_address("ada@example.com", purpose="reset", key=KEY),
        found_by_address("ada@example.com", purpose="verify", key=KEY),
        found_by_address("eve@example.com", purpose="reset", key=KEY),
        found_by_address("ada@example.com", purpose="reset", key=OTHER_KEY),
        found_by_address('", "', purpose="x", key=KEY),
        found_by_address("", purpose='x", "", "', key=KEY),
    ]

    assert len(set(found)) == len(found)


@given(st.binary(min_size=CHANCE_SIZE, max_size=CHANCE_SIZE))
def test_six_digits(chance: bytes) -> None:
    """Whatever chance brings, a code has six ASCII digits."""
    code = digits(chance)

    assert len(code) == 6
    assert code.isascii()
    assert code.isdigit()


def test_all_codes() -> None:
    """The smallest and the largest code can be reached, and zeros in front stay."""
    assert digits(bytes(CHANCE_SIZE)) == "000000"
    assert digits((999_999).to_bytes(CHANCE_SIZE)) == "999999"


def test_any_text_is_looked_up() -> None:
    """A secret that no letter ever had, not even one that can be written down, finds nothing and breaks nothing."""
    assert found_by_secret("\ud800") != found_by_secret("")


def test_nothing_shows() -> None:
    """Neither secret shows in what is printed of a link, a code or a newcomer."""
    shown = repr((Link("a-secret"), CODE, KEPT, Newcomer(secret="$argon2id$")))

    assert all(secret not in shown for secret in ("a-secret", "012345", KEPT.mac, "$argon2id$"))
