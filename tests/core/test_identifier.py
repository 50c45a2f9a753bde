"""One canonical form for every address."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.identifier import email

LONGEST_LABEL = "x" * 63
DOMAIN_OF_190 = f"{LONGEST_LABEL}.{LONGEST_LABEL}.{'x' * 62}"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@EXAMPLE.com\t\n", "ada@example.com"),
        ("ada@localhost", "ada@localhost"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("o'hara@example.com", "o'hara@example.com"),
        ("a.b.c@example.co.uk", "a.b.c@example.co.uk"),
        ("ａｄａ＠ｅｘａｍｐｌｅ.com", "ada@example.com"),  # noqa: RUF001 - full width, as some keyboards type
        ("ada@example。com", "ada@example.com"),
        ("\N{KELVIN SIGN}@example.com", "k@example.com"),
        ("ﬁ@example.com", "fi@example.com"),
        ("e\u0301@example.com", "é@example.com"),
        ("É@example.com", "é@example.com"),
        ("straße@straße.example", "strasse@strasse.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        (f"ada@{LONGEST_LABEL}.com", f"ada@{LONGEST_LABEL}.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
        (f"{'a' * 63}@{DOMAIN_OF_190}", f"{'a' * 63}@{DOMAIN_OF_190}"),
    ],
)
def test_canonical(typed: str, canonical: str) -> None:
    """Addresses that a person cannot tell apart in case, width or spelling of the domain are one."""
    assert email(typed) == canonical


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "@", "ada", "ada@", "@example.com", "ada@example", "ada@.com", "ada@example.", "ada@example.com."),
        *("ada@@example.com", "ada@example@example.com", "a da@example.com", "ada@exa mple.com", "ada@example..com"),
        *(".ada@example.com", "ada.@example.com", "a..da@example.com", '"ada"@example.com', "ada(x)@example.com"),
        *("<ada@example.com>", "Ada <ada@example.com>", "ada@example.com,eve@example.com", "ada;eve@example.com"),
        *("ada@[127.0.0.1]", "ada@-example.com", "ada@example-.com", "ada@exam_ple.com", "ada@example.com/x"),
        *(
            "ada\r\nbcc:eve@example.com",
            "ada@example.com\r\nbcc: eve@example.com",
            "ada@example.com\0",
            "ada\0@example.com",
        ),
        *(
            "ada\N{ZERO WIDTH JOINER}@example.com",
            "\N{SOFT HYPHEN}ada@example.com",
            "ada\N{RIGHT-TO-LEFT OVERRIDE}@example.com",
        ),
        *("ada\N{NO-BREAK SPACE}x@example.com", "ada\N{IDEOGRAPHIC SPACE}x@example.com", "ada\ue000@example.com"),
        *(
            f"{'a' * 64}@{DOMAIN_OF_190}",
            f"{'a' * 65}@example.com",
            f"ada@{'x' * 64}.com",
            f"ada@{'x.' * 125}com",
            f"ada@{'x' * 600}.com",
            "a" * 10_000,
        ),
        *(
            "ada\\@example.com",
            "ada:x@example.com",
            "mailto:ada@example.com",
            "ada@exam\N{LATIN SMALL LETTER DOTLESS I}\ud800.com",
        ),
    ],
    ids=repr,
)
def test_no_address(typed: str) -> None:
    """What is no plain address is refused: no quoting, no comment, no list, no control and no invisible character."""
    assert email(typed) is None


@given(st.text(max_size=40) | st.from_regex(r"[^@]{1,12}@[^@]{1,12}\.[a-z]{2,3}", fullmatch=True))
def test_canonical_is_canonical(typed: str) -> None:
    """The canonical form of a canonical form is itself, and it is short, visible and in one line."""
    canonical = email(typed)

    if canonical is not None:
        assert email(canonical) == canonical
        assert len(canonical) <= 254
        assert canonical == canonical.casefold() == canonical.strip()
        assert not any(unicodedata.category(character)[0] in "CZ" for character in canonical)
        assert canonical.partition("@")[2].isascii()


@given(st.from_regex(r"[a-z]([a-zß\u00e0-\u00ff.+-]{0,10}[a-z])?@[a-z\u00e0-\u00ff]{1,10}\.com", fullmatch=True))
def test_case_and_form_do_not_matter(address: str) -> None:
    """An address written in capitals, decomposed, or with spaces around it is the same address."""
    canonical = email(address)

    for typed in (address.upper(), unicodedata.normalize("NFD", address), f" {address} "):
        assert email(typed) == canonical


def test_what_grows() -> None:
    """A text that canonicalisation makes many times as long is refused before that costs anything."""
    assert email("a@" + "\ufdfa" * 509) is None
    assert email("\ufdfa" * 30 + "@example.com") is None
