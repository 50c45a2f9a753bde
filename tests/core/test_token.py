"""The wire formats against their published vectors, and against an independent implementation."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt

from ostiary.core.base64url import decode_base64url, encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.keys import Purpose
from ostiary.core.policy import WEB
from ostiary.core.session import Carrier
from ostiary.core.token import (
    AccessToken,
    SessionToken,
    TooLarge,
    is_csrf_token,
    looks_like_session_token,
    make_csrf_token,
    make_session_token,
    mint,
    read_session_token,
)
from tests.core.vectors import (
    ACCESS,
    CLAIMS,
    NOW,
    RING,
    SESSION,
    compact,
    jose_key,
    mac_key,
    minted,
    read,
    signature_key,
    signed,
)


def named(vectors: list[dict[str, Any]]) -> pytest.MarkDecorator:
    """Run a test once for each vector, under the vector's name."""
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


# ------------------------------------------------------------------------------------------------ session token


@named(SESSION["good"])
def test_good_session_tokens(vector: dict[str, Any]) -> None:
    """Each good vector is what we make, to the byte, and what we read."""
    carrier = Carrier(vector["carrier"])

    made = make_session_token(carrier, vector["sid"], vector["n"], key=mac_key(vector["key"]))
    token = read_session_token(vector["token"], expected_carrier=carrier, keyring=RING, now=NOW)

    assert made == vector["token"]
    assert token == SessionToken(carrier, vector["sid"], vector["n"])


@named(SESSION["bad"])
def test_bad_session_tokens(vector: dict[str, Any]) -> None:
    """Each bad vector is refused for the reason that it names."""
    carrier = Carrier(vector["expected_carrier"])

    answer = read_session_token(vector["token"], expected_carrier=carrier, keyring=RING, now=NOW)

    assert answer == Denied(Reason(vector["reason"]))


@given(
    carrier=st.sampled_from(Carrier),
    sid=st.binary(min_size=16, max_size=16).map(encode_base64url),
    n=st.integers(1, 10**18 - 1),
)
def test_every_session_token_is_read_back(carrier: Carrier, sid: str, n: int) -> None:
    """What is made is read back the same, is at most 69 characters long, and is not taken for an access token."""
    value = make_session_token(carrier, sid, n, key=mac_key("current"))

    token = read_session_token(value, expected_carrier=carrier, keyring=RING, now=NOW)

    assert token == SessionToken(carrier, sid, n)
    assert len(value) <= 69
    assert looks_like_session_token(value.encode())


@given(st.text())
def test_garbage_is_no_session_token(value: str) -> None:
    """Nothing that was not made with a key is a session token, whatever it is made of."""
    answer = read_session_token(value, expected_carrier=Carrier.BEARER, keyring=RING, now=NOW)

    assert answer in (Denied(Reason.MALFORMED), Denied(Reason.BAD_SIGNATURE))


def test_csrf_token() -> None:
    """A CSRF token is good for its own session only, under every key of its purpose, and for nothing malformed."""
    sid = SESSION["good"][0]["sid"]
    token = make_csrf_token(sid, key=RING.mac(Purpose.CSRF, now=NOW))

    assert is_csrf_token(token, sid, keyring=RING, now=NOW)
    for wrong in ("", token[:-1], f"{token}=", token.swapcase(), "é" * 22, "\ud800"):
        assert not is_csrf_token(wrong, sid, keyring=RING, now=NOW)
    assert not is_csrf_token(token, SESSION["good"][4]["sid"], keyring=RING, now=NOW)


# ------------------------------------------------------------------------------------------------ access token


@named(ACCESS["good"])
def test_good_access_tokens(vector: dict[str, Any]) -> None:
    """Each good vector is read, and is what we mint, to the byte: all three algorithms sign deterministically."""
    claims = msgspec.convert(vector["claims"], AccessToken)

    token = read(vector["token"])

    assert token == claims
    if vector.get("minted", True):
        assert mint(claims, key=signature_key(vector["key"]), policy=WEB) == vector["token"]


@named(ACCESS["bad"])
def test_bad_access_tokens(vector: dict[str, Any]) -> None:
    """Each bad vector is refused for the reason that it names."""
    assert read(vector["token"]) == Denied(Reason(vector["reason"]))


@pytest.mark.parametrize("name", ["es256", "ed25519", "rs256"])
def test_joserfc_verifies_what_we_mint(name: str) -> None:
    """An independent implementation verifies our tokens, and reads the header and the claims that we meant."""
    key = signature_key(name)
    claims = msgspec.convert(CLAIMS, AccessToken)
    value = mint(claims, key=key, policy=WEB)
    assert isinstance(value, str)

    token = jwt.decode(value, jose_key(name), algorithms=[key.algorithm])

    assert token.header == {"alg": key.algorithm, "kid": key.id, "typ": "at+jwt"}
    assert token.claims == CLAIMS


@pytest.mark.parametrize("name", ["es256", "ed25519", "rs256"])
def test_we_read_what_joserfc_mints(name: str) -> None:
    """We accept the tokens of an independent implementation that holds our key."""
    key = signature_key(name)
    header = {"alg": str(key.algorithm), "kid": key.id, "typ": "at+jwt"}
    value = jwt.encode(header, dict(CLAIMS), jose_key(name), algorithms=[key.algorithm], default_type=None)

    token = read(value)

    assert token == msgspec.convert(CLAIMS, AccessToken)


def test_budget() -> None:
    """A token over its budget is not made, and the claim that is to blame is named."""
    roles = tuple(f"role-{i}" for i in range(100))
    token = msgspec.structs.replace(msgspec.convert(CLAIMS, AccessToken), roles=roles)

    answer = mint(token, key=signature_key("es256"), policy=WEB)

    assert isinstance(answer, TooLarge)
    assert (answer.claim, answer.budget) == ("roles", 1024)
    assert answer.size > 1024


def test_mint_needs_a_private_key() -> None:
    """A verifier, which holds public parts alone, mints nothing."""
    key = signature_key("es256")
    public = type(key)(
        id=key.id,
        algorithm=key.algorithm,
        signs_from=key.signs_from,
        verifies_until=None,
        public=key.public,
        jwk=key.jwk,
    )

    with pytest.raises(LookupError, match=key.id):
        mint(msgspec.convert(CLAIMS, AccessToken), key=public, policy=WEB)


def test_an_access_token_dies_by_itself() -> None:
    """It is good until the second it expires at, and not in that second."""
    token, end = minted(), timedelta(seconds=ACCESS["access_life"])

    assert isinstance(read(token, now=NOW + end - timedelta(microseconds=1)), AccessToken)
    assert read(token, now=NOW + end) == Denied(Reason.EXPIRED)


@given(
    st.dictionaries(
        st.sampled_from([*CLAIMS, "nbf", "scope", "roles", "cnf", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=3), values, max_size=2),
            max_leaves=4,
        ),
    )
)
def test_any_claims_are_read_or_refused(changes: dict[str, Any]) -> None:
    """Whatever an issuer signs is a token whose claims are those, or a refusal; never an exception."""
    claims = {**CLAIMS, **changes}

    answer = read(signed(compact(claims)))

    if isinstance(answer, AccessToken):
        assert answer == msgspec.convert(claims, AccessToken)
    else:
        assert isinstance(answer, Denied)


# ------------------------------------------------------------------------------------------------ base64url


@given(st.binary())
def test_base64url(raw: bytes) -> None:
    """What is encoded is decoded again, and has neither padding nor another alphabet."""
    text = encode_base64url(raw)

    assert decode_base64url(text) == raw
    assert not set(text) & set("=+/\n")


@pytest.mark.parametrize(
    "text",
    ["A", "AAAAA", "AB", "AAB", "AA==", "AAAA====", "A+AA", "A/AA", "AA A", "AAAA\n", "AA*A", "é", "\ud800", "\0"],
)
def test_base64url_of_nothing(text: str) -> None:
    """A text that no encoder makes is refused: impossible lengths, spare bits, padding, other characters."""
    with pytest.raises(ValueError, match=r"."):
        decode_base64url(text)
