"""Which language somebody is spoken to in, whatever they send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.languages import ENGLISH, LANGUAGES, of
from ostiary.languages.choice import LONGEST


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("DE-ch", "de"),
        ("de-CH-1996, en;q=0.9", "de"),
        ("nl, fr;q=0.8, de;q=0.9", "de"),
        ("en;q=0.1, pt-BR;q=0.2", "pt"),
        ("fr, de", "fr"),
        ("es;q=0.5, ja;q=0.5", "es"),
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("*", "en"),
        ("nl, *;q=0.5, ja;q=0.1", "en"),
        ("de;q=0, fr;q=0.001", "fr"),
        (" \tde \t; \tq=0.5 , es;q=1.000", "es"),
    ],
)
def test_what_the_header_asks_for(header: str | None, tag: str) -> None:
    """The first language that we speak is taken, by weight; a narrower range finds the wider language."""
    assert of(header).tag == tag


@pytest.mark.parametrize(("account", "tag"), [("ja", "ja"), ("ZH-hans", "zh-Hans"), ("zh_Hans", "zh-Hans")])
def test_the_account_wins(account: str, tag: str) -> None:
    """What the account says is taken, whatever the browser asks for."""
    assert of("de", account).tag == tag


@pytest.mark.parametrize("account", ["", "xx", "*", "../../etc/passwd", "de\x00", "de/../fr"])
def test_an_account_without_a_language(account: str) -> None:
    """An account that names no language of ours leaves the choice to the header, and names no file."""
    assert of("fr", account).tag == "fr"


@pytest.mark.parametrize(
    "header",
    [
        "de;q=1.1",
        "de;q=-1",
        "de;q=nan",
        "de;q=1e3",
        "de;q=0.0001",
        "de;q=",
        "de;q=1;q=0",
        "de;level=1",
        "de--CH",
        "-de",
        "de-",
        "d e",
        "de\x00",
        "de\r\nset-cookie: x=1",
        "../de",
        "%s%n",
        "\uff44\uff45",
        "x" * 10_000,
        "-" * 10_000,
        "de;" * 5_000,
        "," * 10_000,
        "a-" * 5_000 + "a",
    ],
)
def test_what_cannot_be_read(header: str) -> None:
    """A range that is none is passed over, and a good one beside it counts."""
    assert of(header) is ENGLISH
    if len(header) < LONGEST - 10:
        assert of(f"{header}, ja;q=0.1").tag == "ja"


def test_a_long_header_is_cut() -> None:
    """Of a header only the beginning is looked at: what stands behind it cannot make the choice take long."""
    assert of("nl," * (LONGEST // 3 - 1) + "de").tag == "de"
    assert of("nl," * LONGEST + "de") is ENGLISH


@given(st.text(), st.text())
def test_anything_leads_to_a_language(header: str, account: str) -> None:
    """Whatever is sent, a language is chosen."""
    assert of(header, account) in LANGUAGES
