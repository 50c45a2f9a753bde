"""Every claim is required, of its type, in its time, and for us; and no kind of token passes for another."""

from typing import Any

import pytest

from ostiary.core.decision import Denied, Reason
from ostiary.core.floor import NONE_IS_GOOD
from ostiary.core.session import Carrier
from ostiary.core.token import AccessToken, looks_like_session_token, make_session_token, read_session_token
from tests.core.vectors import AUDIENCE, CLAIMS, ISSUER, NOW, RING, compact, mac_key, minted, read, signed

SECONDS = int(NOW.timestamp())
OTHER_TYPES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    "",
    "1",
    "9999999999",
    [],
    ["x"],
    [1],
    {},
    {"x": 1},
    [[]],
]
INTEGERS = {"iat", "exp", "rev", "auth_time"}
LISTS = {"amr"}


def claims(**changes: Any) -> str:
    """Sign good claims with some changed."""
    return signed(compact({**CLAIMS, **changes}))


def raw(claim: str, text: str) -> str:
    """Sign good claims with one written as any text."""
    rest = compact({name: value for name, value in CLAIMS.items() if name != claim})
    return signed(rest[:-1] + f',"{claim}":{text}}}'.encode())


def test_the_claims_are_good() -> None:
    """The claims that all of these change are ones that we accept."""
    assert isinstance(read(claims()), AccessToken)


# ------------------------------------------------------------------------------------------------ removed, retyped


@pytest.mark.parametrize("claim", CLAIMS)
def test_removed(claim: str) -> None:
    """Without any one of its claims a token is refused, and so it is with the claim misspelt or null."""
    rest = {name: value for name, value in CLAIMS.items() if name != claim}

    for changed in (rest, {**rest, claim.upper(): CLAIMS[claim]}, {**rest, f" {claim}": CLAIMS[claim]}):
        assert read(signed(compact(changed))) == Denied(Reason.BAD_CLAIMS)
    assert read(claims(**{claim: None})) == Denied(Reason.BAD_CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS)
def test_retyped(claim: str) -> None:
    """A claim of any type but its own is refused: no number is read from a string, nor the other way round."""
    for value in OTHER_TYPES:
        is_own_type = (
            (claim in INTEGERS and isinstance(value, int) and not isinstance(value, bool))
            or (claim in LISTS and value in ([], ["x"]))
            or (claim == "aud" and value in ([], ["x"]))
            or (claim not in INTEGERS | LISTS and isinstance(value, str))
        )
        if not is_own_type:
            assert read(claims(**{claim: value})) == Denied(Reason.BAD_CLAIMS), value


@pytest.mark.parametrize("claim", ["iat", "exp", "auth_time", "rev", "nbf"])
@pytest.mark.parametrize(
    "text",
    [
        f'"{SECONDS + 600}"',
        f"{SECONDS + 600}.0",
        f"{SECONDS + 600}.5",
        f"{SECONDS + 600}e0",
        f"0{SECONDS + 600}",
        f"+{SECONDS + 600}",
        f" {SECONDS + 600}",
        "1e400",
        "-1e400",
        "-0",
        "-0.0",
        "true",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "1_000_000_000",
    ],
)
def test_numbers_written_otherwise(claim: str, text: str) -> None:
    """A time is a whole number in its one spelling: no string, fraction, exponent, sign, zero before it or boolean."""
    assert read(raw(claim, text)) == Denied(Reason.BAD_CLAIMS)


@pytest.mark.parametrize("claim", ["sub", "sid", "jti"])
def test_empty(claim: str) -> None:
    """Nobody is not somebody."""
    assert read(claims(**{claim: ""})) == Denied(Reason.BAD_CLAIMS)


def test_doubled() -> None:
    """A claim that stands twice is refused, whichever of the two a reader would believe."""
    for claim, value in CLAIMS.items():
        for other in (value, "mallory"):
            doubled = compact(CLAIMS)[:-1] + b"," + compact({claim: other})[1:]
            assert read(signed(doubled)) == Denied(Reason.BAD_CLAIMS)


# ------------------------------------------------------------------------------------------------ in their time


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": SECONDS}, Reason.BAD_CLAIMS),
        ({"exp": SECONDS, "iat": SECONDS - 600, "auth_time": SECONDS - 600}, Reason.EXPIRED),
        ({"exp": SECONDS - 1, "iat": SECONDS - 600, "auth_time": SECONDS - 600}, Reason.EXPIRED),
        ({"exp": SECONDS - 10**8, "iat": SECONDS - 10**9, "auth_time": 0}, Reason.EXPIRED),
        ({"exp": 0}, Reason.BAD_CLAIMS),
        ({"exp": -SECONDS}, Reason.BAD_CLAIMS),
        ({"exp": SECONDS + 631}, Reason.BAD_CLAIMS),
        ({"exp": SECONDS + 10**9}, Reason.BAD_CLAIMS),
        ({"exp": 2**63}, Reason.BAD_CLAIMS),
        ({"exp": 10**30}, Reason.BAD_CLAIMS),
        ({"iat": SECONDS + 31}, Reason.NOT_YET_VALID),
        ({"iat": SECONDS + 599}, Reason.NOT_YET_VALID),
        ({"iat": SECONDS + 600}, Reason.BAD_CLAIMS),
        ({"iat": -1}, Reason.BAD_CLAIMS),
        ({"nbf": SECONDS + 31}, Reason.NOT_YET_VALID),
        ({"nbf": 10**30}, Reason.NOT_YET_VALID),
        ({"auth_time": SECONDS + 31}, Reason.BAD_CLAIMS),
        ({"auth_time": -1}, Reason.BAD_CLAIMS),
        ({"rev": 0}, Reason.BAD_CLAIMS),
        ({"rev": -(2**63)}, Reason.BAD_CLAIMS),
        ({"rev": NONE_IS_GOOD}, Reason.BAD_CLAIMS),
        ({"rev": 10**30}, Reason.BAD_CLAIMS),
    ],
    ids=str,
)
def test_moved(changes: dict[str, int], reason: Reason) -> None:
    """A token from the past, from the future, or for longer than any of ours lives is refused."""
    assert read(claims(**changes)) == Denied(reason)


# ------------------------------------------------------------------------------------------------ for us


@pytest.mark.parametrize(
    "issuer",
    [
        *("", "id.example", "http://id.example", f"{ISSUER}/", f"{ISSUER}.evil.example", f"{ISSUER}:443", f" {ISSUER}"),
        *(
            f"{ISSUER}\0",
            ISSUER.upper(),
            "https://id.example@evil.example",
            "https://id%2eexample",
            f"{ISSUER}#",
            AUDIENCE,
        ),
    ],
)
def test_issuer(issuer: str) -> None:
    """The issuer is ours to the letter."""
    assert read(claims(iss=issuer)) == Denied(Reason.WRONG_ISSUER)


@pytest.mark.parametrize(
    "audience",
    [
        *("", "order", "orders ", "ORDERS", "orders-admin", "orders orders", "*", ISSUER, "orders\0"),
        *([], [""], ["billing"], ["order", "s"], ["billing", "orders-admin"], ["*"]),
    ],
    ids=repr,
)
def test_audience(audience: str | list[str]) -> None:
    """A token for another service is not for this one; a part of a name is not the name."""
    assert read(claims(aud=audience)) == Denied(Reason.WRONG_AUDIENCE)


def test_bound_to_a_key() -> None:
    """A token bound to a key is refused where nobody can check the binding."""
    bindings: list[Any] = [{"jkt": "x"}, {"jwk": {}}, {}, "", 0, False]
    for binding in bindings:
        assert read(claims(cnf=binding)) == Denied(Reason.BAD_CLAIMS)


# ------------------------------------------------------------------------------------------------ kinds of token


def test_one_carrier_is_never_the_other() -> None:
    """A cookie is no refresh token, a refresh token no cookie, and changing the letter changes the MAC."""
    for carrier, other in ((Carrier.COOKIE, Carrier.BEARER), (Carrier.BEARER, Carrier.COOKIE)):
        value = make_session_token(carrier, CLAIMS["sid"], 1, key=mac_key("current"))
        letter, changed = ("c", "r") if carrier is Carrier.COOKIE else ("r", "c")
        disguised = value.replace(f"os1{letter}", f"os1{changed}")

        as_other = read_session_token(value, expected_carrier=other, keyring=RING, now=NOW)
        as_disguised = read_session_token(disguised, expected_carrier=other, keyring=RING, now=NOW)

        assert as_other == Denied(Reason.WRONG_CARRIER)
        assert as_disguised == Denied(Reason.BAD_SIGNATURE)


@pytest.mark.parametrize("carrier", list(Carrier))
def test_a_session_token_is_no_access_token(carrier: Carrier) -> None:
    """What carries a session is refused as an access token, and is told apart before it is read."""
    value = make_session_token(carrier, CLAIMS["sid"], 1, key=mac_key("current"))

    assert looks_like_session_token(value.encode())
    assert read(value) == Denied(Reason.UNKNOWN_KEY)


@pytest.mark.parametrize("carrier", list(Carrier))
def test_an_access_token_is_no_session_token(carrier: Carrier) -> None:
    """An access token is refused as a cookie and as a refresh token, whole or in part."""
    token = minted()

    for value in (token, *token.split("."), f"os1r.{token}", f"os1c{token[4:]}"):
        answer = read_session_token(value, expected_carrier=carrier, keyring=RING, now=NOW)
        assert answer == Denied(Reason.MALFORMED)
    assert not looks_like_session_token(token.encode())
