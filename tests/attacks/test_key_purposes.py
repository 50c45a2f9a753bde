"""A value made for one purpose opens in no other (GHSA-r9w3-57w2-gch2)."""

from dataclasses import replace

import pytest

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.keys import Keyring, MacKey, Purpose
from ostiary.core.session import Carrier
from ostiary.core.token import is_csrf_token, make_csrf_token, make_session_token, read_session_token
from tests.core.vectors import CLAIMS, NOW, RING, mac_key, minted, read

SID: str = CLAIMS["sid"]
ONE_SECRET = Keyring(
    macs=[replace(mac_key("current"), id=purpose, purpose=purpose) for purpose in Purpose], signatures=()
)
"""A mistake in a settings file: the same secret for every purpose."""


def values(key: MacKey) -> dict[Purpose, str]:
    """Return everything that is ever made with a MAC key, as if the key were of that purpose."""
    return {
        Purpose.SESSION: make_session_token(Carrier.BEARER, SID, 1, key=key),
        Purpose.CSRF: make_csrf_token(SID, key=key),
    }


def opens(value: str, purpose: Purpose, ring: Keyring) -> bool:
    """Tell whether a value opens for a purpose."""
    if purpose is Purpose.CSRF:
        return is_csrf_token(value, SID, keyring=ring, now=NOW)
    return not isinstance(read_session_token(value, expected_carrier=Carrier.BEARER, keyring=ring, now=NOW), Denied)


MACS = [Purpose.SESSION, Purpose.CSRF]


@pytest.mark.parametrize("purpose", MACS)
def test_each_opens_for_its_own(purpose: Purpose) -> None:
    """A value opens for the purpose that it was made for."""
    value = values(RING.mac(purpose, now=NOW))[purpose]

    assert opens(value, purpose, RING)


@pytest.mark.parametrize(
    ("made_for", "opened_for"), [(one, other) for one in Purpose for other in MACS if one is not other]
)
def test_a_key_of_another_purpose(made_for: Purpose, opened_for: Purpose) -> None:
    """A value made with the key of one purpose opens for no other, even if it has the form of the other."""
    key = replace(mac_key("current"), purpose=made_for)
    ring = Keyring(macs=[key, replace(mac_key("old"), purpose=opened_for)], signatures=())

    for value in values(key).values():
        assert not opens(value, opened_for, ring)


def test_one_secret_for_all() -> None:
    """Even under one secret no value opens for another purpose: what is authenticated says what it is for."""
    session, csrf = values(mac_key("current")).values()

    assert opens(session, Purpose.SESSION, ONE_SECRET)
    assert opens(csrf, Purpose.CSRF, ONE_SECRET)
    assert not opens(session.rpartition(".")[2], Purpose.CSRF, ONE_SECRET)
    for text in (session.rpartition(".")[0], f"os1r.{SID}.1", f"os1c.{SID}.1"):
        assert not opens(f"{text}.{csrf}", Purpose.SESSION, ONE_SECRET)


def test_a_csrf_token_of_another_session() -> None:
    """A CSRF token is good for one session only; a name that runs into the next is another name."""
    other = encode_base64url(bytes(16))

    token = make_csrf_token(other, key=RING.mac(Purpose.CSRF, now=NOW))

    assert not opens(token, Purpose.CSRF, RING)
    assert is_csrf_token(token, other, keyring=RING, now=NOW)


def test_a_mac_is_no_signature() -> None:
    """What a MAC key makes signs no access token, and what a signature key makes carries no session."""
    text = minted().rpartition(".")[0]
    for value in values(mac_key("current")).values():
        assert read(f"{text}.{value.rpartition('.')[2]}") == Denied(Reason.BAD_SIGNATURE)
    signature = minted().rpartition(".")[2]
    for mac in (signature, signature[:22], f"{signature[:21]}A"):
        assert not opens(f"os1r.{SID}.1.{mac}", Purpose.SESSION, RING)
        assert not opens(mac, Purpose.CSRF, RING)
