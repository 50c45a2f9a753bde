"""What a new password must be: long enough, not too long, and not easy to guess. Nothing else."""

import asyncio
import string
import sys
import time
import unicodedata
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn import matching

from ostiary.core.policy import NIST_AAL2, NIST_AAL3, PasswordPolicy, Policy
from ostiary.core.user import Credential
from ostiary.errors import Invalid, WeakPassword
from ostiary.methods.argon2 import Hasher
from ostiary.methods.password import Password, _pieces, _weakness
from ostiary.testing import CHEAPEST
from tests.methods.town import NOW

ADA = ("ada.lovelace@example.com", "Ada Lovelace")
STRONG = "the tide forgets"
ANYTHING = replace(CHEAPEST.password, least_strength=0)
"""Lengths as ever, and nothing is too easy to guess."""


async def refusal(method: Password, password: str, *words: str) -> str | None:
    """Return why a password is refused, or `None`."""
    try:
        await method.check_new(password, words=words)
    except WeakPassword as weak:
        return weak.why
    return None


def method_of(hasher: Hasher, policy: PasswordPolicy) -> Password:
    """Return a method with a policy of its own and a cheap hasher."""
    return Password(policy, hasher=hasher)


# ------------------------------------------------------------------------------------------------ length


@pytest.mark.parametrize("filler", ["p", " ", "é", "中", "😀"])
async def test_shortest_and_longest(hasher: Hasher, filler: str) -> None:
    """8 characters are enough and 256 are not too many; 7 and 257 are refused, and the sentence says the number."""
    method = method_of(hasher, ANYTHING)

    assert await refusal(method, filler * 7) == "Use at least 8 characters."
    assert await refusal(method, filler * 8) is None
    assert await refusal(method, filler * 256) is None
    assert await refusal(method, filler * 257) == "Use at most 256 characters."
    assert await refusal(method, "") == "Use at least 8 characters."


@pytest.mark.parametrize("profile", [NIST_AAL2, NIST_AAL3], ids=["aal2", "aal3"])
async def test_nist_asks_for_fifteen(hasher: Hasher, profile: Policy) -> None:
    """Where a password stands alone, NIST asks for 15 characters: 14 are refused, however good."""
    method = method_of(hasher, profile.password)

    assert await refusal(method, "q7#Lw2!xR9pZt4") == "Use at least 15 characters."
    assert await refusal(method, "q7#Lw2!xR9pZt4v") is None


async def test_a_character_is_a_character(hasher: Hasher) -> None:
    """Length counts code points once composed: an accent typed apart makes a password neither longer nor too long."""
    method = method_of(hasher, ANYTHING)
    seven, eight = "é" * 7, "é" * 8
    longest = "ᾂ" * 256

    assert len(unicodedata.normalize("NFD", longest)) == 1024
    assert await refusal(method, unicodedata.normalize("NFD", seven)) == "Use at least 8 characters."
    assert await refusal(method, unicodedata.normalize("NFD", eight)) is None
    assert await refusal(method, unicodedata.normalize("NFD", longest)) is None
    assert await refusal(method, unicodedata.normalize("NFD", longest + "ᾂ")) == "Use at most 256 characters."


@pytest.mark.parametrize("megabytes", [1, 10])
async def test_far_too_long(method: Password, megabytes: int) -> None:
    """Megabytes of accents, whose normalisation would take minutes, are refused at once, and no trouble as a name."""
    flood = "a" + "\u0301\u0316" * (megabytes * 500_000)
    started = time.perf_counter()

    assert await refusal(method, flood) == "Use at most 256 characters."
    assert await refusal(method, STRONG, flood) is None
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "\ude00\ud83d"])
async def test_what_cannot_be_a_password(method: Password, odd: str) -> None:
    """A NUL and half of a surrogate pair are refused wherever they stand, and the sentence says so."""
    for password in (odd + STRONG, STRONG + odd, STRONG[:4] + odd + STRONG[4:], odd * 300):
        why = await refusal(method, password)

        assert why == "A password cannot contain a NUL character or half of a surrogate pair."


# ------------------------------------------------------------------------------------------------ no composition rules


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "wandering lighthouse keeper",
        "               z   q       x   w",
        "8346190257413",
        "QMZRTVPKWX",
        "#~<>{}()|^*~",
        "пятнадцать зелёных чайников",
        "紫の自転車が海で眠る",
        "🦊🌋🪗🧭🥁🦀🪁🎲🧵🌵",
        "mit\tTabulator und\nZeile",
    ],
)
async def test_no_composition_rules(method: Password, password: str) -> None:
    """Letters alone, digits alone, symbols, spaces, control characters, any script: all will do."""
    assert await refusal(method, password, *ADA) is None


# ------------------------------------------------------------------------------------------------ easy to guess


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("password", "This is a top-10 common password."),
        ("P@ssw0rd", "This is similar to a commonly used password."),
        ("qwertyuiop", "This is a top-100 common password."),
        ("drowssap", "This is similar to a commonly used password."),
        ("abcdefghij", 'Sequences like "abc" or "6543" are easy to guess.'),
        ("aaaaaaaaab", 'Repeats like "aaa" are easy to guess.'),
        ("13.07.1985", "Dates are often easy to guess."),
        ("cvbnm,./", "Straight rows of keys are easy to guess."),
        ("aaaaaaaa", "Repeating something does not make it much harder to guess."),
        ("passwordpassword", "Repeating something does not make it much harder to guess."),
    ],
)
async def test_what_many_would_guess(method: Password, password: str, why: str) -> None:
    """A password that is guessed early is refused, with a sentence that says what makes it easy."""
    assert await refusal(method, password) == why


KNOWN = "It is built on your name, your address or the name of this service."


@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace",
        "adalovelace",
        "Ada Lovelace",
        "Lovelace1",
        "l0vel@ce!",
        "ecalevol",
        "ada.lovelace@example.com",
        "example.com",
        "AcmeShop!",
        "acme shop",
        "Ostiary1",
    ],
)
async def test_what_who_knows_the_user_would_guess(method: Password, password: str) -> None:
    """What is built on the address, the name or the service is refused, and the sentence says so."""
    assert await refusal(method, password, *ADA) == KNOWN


@pytest.mark.parametrize("words", [("jean.claude.van.damme@example.com",), ("x@example.com", "Jean-Claude  van Damme")])
async def test_parts_joined(method: Password, words: tuple[str, ...]) -> None:
    """The parts of an address or a name, written as one word, are as easy to guess as the name."""
    assert await refusal(method, "JeanClaudeVanDamme", *words) == KNOWN
    assert await refusal(method, "jeanclaudevandamme7", *words) == KNOWN


async def test_words_that_repeat(method: Password) -> None:
    """A user's own word stays easy to guess however often it is repeated, with something behind it too."""
    for password in ("lovelace" * 3, "lovelace" * 32, "lovelace" * 3 + "1", "lovelace" * 31 + "love"):
        assert await refusal(method, password, *ADA) is not None
        assert await refusal(method, password.replace("lovelace", "zkqvjwxpb")[:256], *ADA) is None


async def test_other_peoples_words(method: Password) -> None:
    """A word counts only for whom it belongs to."""
    assert await refusal(method, "Quillfeather", "q@example.com", "Quillfeather") == KNOWN
    assert await refusal(method, "Quillfeather", *ADA) is None


@pytest.mark.parametrize("words", [(), ("",), ("@",), ("a@b",), ("\x00\ud800",), ("é" * 100_000,), tuple("x" * 5000)])
async def test_odd_words(method: Password, words: tuple[str, ...]) -> None:
    """Words of any number, size and content are taken."""
    assert await refusal(method, STRONG, *words) is None
    assert await refusal(method, "password", *words) is not None


async def test_words_do_not_mix() -> None:
    """Passwords checked at the same moment are held against their own user's words, and none stays in memory."""
    hasher = Hasher(CHEAPEST.password, threads=4)
    method = Password(CHEAPEST.password, hasher=hasher)
    names = ["".join(Random(i).choices(string.ascii_lowercase, k=40)) for i in range(20)]
    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns within one judgement, which is otherwise over too soon
    try:
        own, others = await asyncio.gather(
            asyncio.gather(*(refusal(method, name, name) for name in names)),
            asyncio.gather(*(refusal(method, name, names[i - 1]) for i, name in enumerate(names))),
        )
    finally:
        sys.setswitchinterval(patience)
        hasher.close()

    assert own == [KNOWN] * 20
    assert others == [None] * 20
    assert matching.RANKED_DICTIONARIES["user_inputs"] == {}


# ------------------------------------------------------------------------------------------------ long ones


@pytest.mark.parametrize("unit", ["a", "12", "password", "qwertyuiop", "aaaaaaaaaabbbbbbbbbb", "lovelace2026"])
async def test_long_but_repeated(method: Password, unit: str) -> None:
    """256 characters that repeat something easy are easy, whether or not the last time is cut short."""
    for length in (256, 255, len(unit) * 2 + 8):
        assert await refusal(method, (unit * 256)[:length], *ADA) is not None


@pytest.mark.parametrize("length", [32, 48, 49, 64, 72, 73, 100, 255, 256])
async def test_long_and_hard(method: Password, length: int) -> None:
    """A long password is good at any length, wherever in it the hard part stands."""
    noise = "".join(Random(length).choices(string.ascii_letters + string.digits + string.punctuation, k=length))

    assert await refusal(method, noise) is None
    assert await refusal(method, ("-" * 256)[: length - 16] + "zorvik plinth qu") is None


SOUP = "4@8({[<3691!|70$5+%2"
"""Every character that `zxcvbn` reads as a letter: the more of them, the more readings it tries."""
COSTLY = {
    "every substitute": SOUP + "qwxbdfhjkmnpuvyzQWXBDFHJKMNPUVYZERTYUIOASGLC" * 5,
    "every substitute again and again": "".join(SOUP[i:] + SOUP[:i] for i in range(13)),
    "one digit": "1" * 255 + "2",
    "two digits": "12" * 127 + "31",
    "rows of keys": "!@#$%^&*()_+1234567890-=" * 10 + "!@#$%^&*z",
    "dates": "".join(f"{day}/1/11" for day in range(1, 40))[:256],
    "pairs": "".join(char * 2 for char in string.ascii_letters * 3)[:256],
}


@pytest.mark.xdist_group("timing")
@pytest.mark.parametrize("password", COSTLY.values(), ids=COSTLY.keys())
def test_judging_takes_its_time(password: str) -> None:
    """No password of 256 characters keeps a thread busy for long, as `zxcvbn` alone would be."""
    started = time.process_time()
    _weakness(password[:256], (), least=4)

    assert time.process_time() - started < 2


@given(st.text(min_size=1, max_size=256))
@settings(max_examples=150, deadline=None)
def test_any_string_can_be_judged(password: str) -> None:
    """Every string is judged without an error, and the pieces that are looked at make up the whole."""
    why = _weakness(password, ("ostiary",), least=3)

    assert why is None or why.endswith(".")
    assert "".join(_pieces(password)) == password


@pytest.mark.parametrize("least", range(5))
async def test_the_policy_sets_how_hard(hasher: Hasher, least: int) -> None:
    """The lowest score that the policy accepts is accepted, and nothing below it."""
    scored = ["password", "passwordxy", "kq7#vB2x", "kq7#vB2xw", "correct horse battery"]
    method = method_of(hasher, replace(CHEAPEST.password, least_strength=least))

    accepted = [await refusal(method, password) is None for password in scored]

    assert accepted == [score >= least for score in range(5)]


# ------------------------------------------------------------------------------------------------ credentials


async def test_a_first_credential(method: Password, hasher: Hasher) -> None:
    """The credential of a first password has kind `password`, version 1 and a hash of it at the policy's costs."""
    made = await method.credential("user-ada", STRONG, credential_id="cred-1", now=NOW, words=ADA)

    assert replace(made, secret="") == Credential(
        id="cred-1", user_id="user-ada", kind="password", secret="", version=1, changed_at=NOW
    )
    assert await hasher.verify(made.secret, STRONG)
    assert not hasher.needs_rehash(made.secret)
    assert made.secret not in repr(made)


async def test_a_replaced_credential(method: Password, hasher: Hasher) -> None:
    """Another password makes the next version of the same credential, and the old one is unchanged."""
    old = await method.credential("user-ada", STRONG, credential_id="cred-1", now=NOW, words=ADA)
    later = NOW + timedelta(days=1)
    new = await method.replaced(old, "a lantern in the harbour", now=later, words=ADA)

    assert new == replace(old, secret=new.secret, version=2, changed_at=later)
    assert await hasher.verify(new.secret, "a lantern in the harbour")
    assert not await hasher.verify(new.secret, STRONG)
    assert old.version == 1


@pytest.mark.parametrize("weak", ["short", "iloveyou", "x" * 257, "lovelace1815", "nul \x00 nul \x00"])
async def test_no_credential_for_a_weak_password(method: Password, weak: str) -> None:
    """Neither a first nor another password can be a weak one, and the refusal does not repeat it."""
    old = await method.credential("user-ada", STRONG, credential_id="cred-1", now=NOW, words=ADA)
    with pytest.raises(WeakPassword) as first:
        await method.credential("user-ada", weak, credential_id="cred-2", now=NOW, words=ADA)
    with pytest.raises(WeakPassword) as second:
        await method.replaced(old, weak, now=NOW, words=ADA)

    for refused in (first.value, second.value):
        assert refused.field == "password"
        assert isinstance(refused, Invalid)
        assert weak not in f"{refused!r} {refused} {refused.why}"
