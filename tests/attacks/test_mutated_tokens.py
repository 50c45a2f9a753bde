"""Every byte of every token flipped, cut and extended (CVE-2026-27840), and tokens made to be slow (CVE-2025-61920)."""

import time
from collections.abc import Callable, Iterator

import pytest

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from ostiary.core.token import AccessToken, SessionToken, read_session_token
from tests.core.vectors import ACCESS, CLAIMS, NOW, RING, SESSION, compact, read, signature_key, signed

ACCESS_TOKENS: list[str] = [vector["token"] for vector in ACCESS["good"][:3]]
SESSION_TOKENS: list[tuple[str, Carrier]] = [
    (vector["token"], Carrier(vector["carrier"])) for vector in SESSION["good"][:2]
]
LEVELS = 10_000


def flipped(token: str) -> Iterator[str]:
    """Yield the token with each bit of each of its bytes flipped in turn."""
    for at, character in enumerate(token):
        for bit in range(7):
            yield f"{token[:at]}{chr(ord(character) ^ 1 << bit)}{token[at + 1 :]}"


def cut(token: str) -> Iterator[str]:
    """Yield the token without each of its characters, and cut off at each."""
    for at in range(len(token)):
        yield token[:at]
        yield token[at + 1 :]
        yield token[:at] + token[at + 1 :]


def extended(token: str) -> Iterator[str]:
    """Yield the token with something more at each place."""
    for at in range(len(token) + 1):
        for more in ("A", "=", ".", " ", "\n", "\0", "é", "\ud800"):
            yield f"{token[:at]}{more}{token[at:]}"


def repeated(token: str) -> Iterator[str]:
    """Yield the token twice, its parts exchanged, in other case and with its bytes reversed."""
    parts = token.split(".")
    yield from (token * 2, f"{token}.{token}", f"{token},{token}", f"{token} {token}", token[::-1])
    yield from (".".join(reversed(parts)), ".".join(parts[1:] + parts[:1]), token.upper(), token.lower())


Mutate = Callable[[str], Iterator[str]]
MUTATIONS: list[Mutate] = [flipped, cut, extended, repeated]


@pytest.mark.parametrize("mutate", MUTATIONS)
@pytest.mark.parametrize("token", ACCESS_TOKENS, ids=["ES256", "Ed25519", "RS256"])
def test_access_tokens(token: str, mutate: Mutate) -> None:
    """No access token but the very one that was signed is read."""
    assert isinstance(read(token), AccessToken)

    taken = [mutant for mutant in mutate(token) if mutant != token and not isinstance(read(mutant), Denied)]

    assert taken == []


@pytest.mark.parametrize("mutate", MUTATIONS)
@pytest.mark.parametrize(("token", "carrier"), SESSION_TOKENS, ids=["refresh", "cookie"])
def test_session_tokens(token: str, carrier: Carrier, mutate: Mutate) -> None:
    """No session token but the very one that was made is read, as either carrier."""
    assert isinstance(read_session_token(token, expected_carrier=carrier, keyring=RING, now=NOW), SessionToken)

    for mutant in mutate(token):
        for expected in Carrier:
            if mutant != token:
                answer = read_session_token(mutant, expected_carrier=expected, keyring=RING, now=NOW)
                assert isinstance(answer, Denied), mutant


SLOW: dict[str, tuple[str, Reason]] = {
    "a header of a megabyte": (f"{'A' * 2**20}.e30.AAAA", Reason.MALFORMED),
    "a payload of a megabyte": (f"{signature_key('es256').header}.{'A' * 2**20}.AAAA", Reason.MALFORMED),
    "a signature of a megabyte": (f"{signature_key('es256').header}.e30.{'A' * 2**20}", Reason.MALFORMED),
    "a megabyte of dots": ("." * 2**20, Reason.MALFORMED),
    "a megabyte with no dot": ("A" * 2**20, Reason.MALFORMED),
    "as much as is read, in one part": (f"{'A' * 8000}.e30.AAAA", Reason.UNKNOWN_KEY),
    "as many dots as are read": ("." * 8192, Reason.UNKNOWN_KEY),
    "a signature as long as is read": (f"{signature_key('rs256').header}.e30.{'A' * 8000}", Reason.BAD_SIGNATURE),
    "ten thousand levels in the header": (
        f"{encode_base64url(b'[' * LEVELS + b']' * LEVELS)}.e30.AAAA",
        Reason.MALFORMED,
    ),
    "ten thousand levels in the claims": (
        signed(compact(CLAIMS)[:-1] + b',"x":' + b"[" * LEVELS + b"]" * LEVELS + b"}"),
        Reason.MALFORMED,
    ),
    "as many levels as are read, signed": (
        signed(compact(CLAIMS)[:-1] + b',"x":' + b"[" * 2600 + b"]" * 2600 + b"}"),
        Reason.BAD_CLAIMS,
    ),
    "as many levels of objects, signed": (
        signed(compact(CLAIMS)[:-1] + b',"x":' + b'{"":' * 1000 + b"0" + b"}" * 1000 + b"}"),
        Reason.BAD_CLAIMS,
    ),
    "a number of five thousand digits, signed": (
        signed(compact(CLAIMS)[:-1] + b',"x":' + b"1" * 5000 + b"}"),
        Reason.BAD_CLAIMS,
    ),
    "a claim doubled five hundred times, signed": (
        signed(compact(CLAIMS)[:-1] + b',"a":1' * 500 + b"}"),
        Reason.BAD_CLAIMS,
    ),
}


@pytest.mark.xdist_group("timing")
@pytest.mark.parametrize("slow", SLOW)
def test_slow_access_tokens(slow: str) -> None:
    """However large or deep a token is, it is refused after some milliseconds of work."""
    token, reason = SLOW[slow]

    answer, seconds = read(token), best_of_five(lambda: read(token))

    assert answer == Denied(reason)
    assert seconds < 0.02


@pytest.mark.xdist_group("timing")
@pytest.mark.parametrize(
    "value",
    [
        "A" * 2**20,
        f"os1r.{'A' * 2**20}",
        f"os1r.{CLAIMS['sid']}.{'1' * 2**20}",
        f"os1r.{CLAIMS['sid']}.1.{'A' * 2**20}",
        "." * 2**20,
        "os1r." * 2**18,
    ],
    ids=lambda value: value[:40],
)
def test_slow_session_tokens(value: str) -> None:
    """A megabyte where a session token is expected is refused after some milliseconds of work."""

    def look() -> object:
        return read_session_token(value, expected_carrier=Carrier.BEARER, keyring=RING, now=NOW)

    assert look() == Denied(Reason.MALFORMED)
    assert best_of_five(look) < 0.02


def best_of_five(look: Callable[[], object]) -> float:
    """Return the processor's seconds of the fastest of five calls: what the work costs when nobody is in the way."""
    times: list[float] = []
    for _ in range(5):
        started = time.thread_time()
        look()
        times.append(time.thread_time() - started)
    return min(times)
