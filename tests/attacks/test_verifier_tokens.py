"""A verifier in another service refuses what the guard refuses: it is one, with nothing but public keys."""

import hmac
import time

import pytest

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.testing import FakeClock
from ostiary.verify import Principal, Refused, Verifier
from tests.attacks.test_algorithm_confusion import header, public_keys
from tests.attacks.test_mutated_tokens import ACCESS_TOKENS, MUTATIONS, SLOW, Mutate
from tests.core.vectors import ACCESS, AUDIENCE, CLAIMS, ISSUER, NOW, SESSION, compact, signature_key
from tests.verify.asking import outcome

KEYS = ("es256", "ed25519", "rs256")


@pytest.fixture
def verifier() -> Verifier:
    """A verifier with the keys of the vectors, which no feed and no store stand behind."""
    jwks = {"keys": [dict(signature_key(name).jwk) for name in KEYS]}
    return Verifier.offline(ISSUER, audience=AUDIENCE, jwks=jwks, clock=FakeClock(NOW))


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_mutants(verifier: Verifier, mutate: Mutate) -> None:
    """No token but the very one that was signed is let in, also when that one was let in before."""
    token = ACCESS_TOKENS[0]
    assert isinstance(verifier.verify(token), Principal)

    taken = [mutant for mutant in mutate(token) if mutant != token and outcome(verifier, mutant) == "in"]

    assert taken == []


@pytest.mark.parametrize("name", KEYS)
def test_the_public_key_as_a_secret(verifier: Verifier, name: str) -> None:
    """The public keys are all that a verifier has. None of them, in no encoding, is a secret to it."""
    payload = encode_base64url(compact(CLAIMS))
    for secret in public_keys(name):
        for head in (header(name, alg="HS256"), signature_key(name).header):
            text = f"{head}.{payload}"
            mac = encode_base64url(hmac.digest(secret, text.encode(), "sha256"))
            assert outcome(verifier, f"{text}.{mac}") in (Reason.UNKNOWN_KEY, Reason.BAD_SIGNATURE)


@pytest.mark.parametrize(("token", "reason"), SLOW.values(), ids=SLOW)
def test_slow_tokens(verifier: Verifier, token: str, reason: Reason) -> None:
    """A token that was made to be slow is refused quickly."""
    outcome(verifier, token)
    began = time.thread_time()

    said = outcome(verifier, token)

    assert said is reason
    assert time.thread_time() - began < 0.2


def test_session_tokens(verifier: Verifier) -> None:
    """A cookie or a refresh token of the issuer is nothing here, in either header: there is no key for it."""
    for vector in SESSION["good"]:
        assert outcome(verifier, vector["token"]) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, Reason.NO_CARRIER),
        ("", Reason.NO_CARRIER),
        ("Basic YWRhOnB3", Reason.NO_CARRIER),
        ("Bearer", Reason.MALFORMED),
        ("Bearer ", Reason.MALFORMED),
        ("Bearer  {}", Reason.UNKNOWN_KEY),
        ("Bearer {} ", Reason.BAD_SIGNATURE),
        ("Bearer {}, Bearer {}", Reason.UNKNOWN_KEY),
        ("Bearer\t{}", "in"),
        ("bearer {}", "in"),
        ("{}", Reason.NO_CARRIER),
        ("Bearer \ud800{}", Reason.MALFORMED),
        ("Bearer é", Reason.MALFORMED),
    ],
)
def test_headers(verifier: Verifier, authorization: str | None, reason: Reason | str) -> None:
    """Of an `Authorization` header one form is read, whatever its case; any other is a refusal and never an error."""
    said: Reason | str
    try:
        verifier.verify_header(authorization and authorization.replace("{}", ACCESS["good"][0]["token"]))
        said = "in"
    except Refused as refused:
        said = refused.reason

    assert (said == "in") == (reason == "in")
    assert said == reason or reason not in (Reason.NO_CARRIER, "in")
