"""A verifier without a feed: tokens are good until they expire, and every principal says so."""

import asyncio
from datetime import datetime, timedelta

import pytest

from ostiary.core.decision import Reason
from ostiary.errors import Misconfigured
from ostiary.testing import FakeClock
from ostiary.verify import Verifier
from tests.core.vectors import ACCESS, AUDIENCE, ISSUER, NOW, signature_key
from tests.verify.asking import SOON, outcome, until
from tests.verify.issuer import AUDIENCE as ORDERS
from tests.verify.issuer import Issuer, drop

JWKS = {
    "keys": [
        {**signature_key(key["name"]).jwk, **({"exp": key["verifies_until"]} if key["verifies_until"] else {})}
        for key in ACCESS["keys"]
    ]
}


def test_given_keys() -> None:
    """With keys that were given nothing is read, and nothing need be entered. Each principal says how stale it is."""
    clock = FakeClock(NOW)
    verifier = Verifier.offline(ISSUER, audience=AUDIENCE, jwks=JWKS, clock=clock)

    for vector in ACCESS["good"]:
        who = verifier.verify(vector["token"])
        assert who.stale == timedelta.max
        assert verifier.verify(vector["token"]) == who
    assert (verifier.ready, verifier.lease, bool(verifier.lag)) == (True, timedelta.max, False)

    clock.advance(timedelta(hours=1))
    assert outcome(verifier, ACCESS["good"][0]["token"]) is Reason.EXPIRED


def test_a_clock_put_forward() -> None:
    """When the machine's clock is put right the verifier notices with the next token, though nothing runs beside it."""

    class Noticing(FakeClock):
        ahead = 0.0

        def now(self) -> datetime:
            self.offset, self.ahead = self.offset + self.ahead, 0.0
            return super().now()

    clock, token = Noticing(NOW), ACCESS["good"][0]["token"]
    verifier = Verifier.offline(ISSUER, audience=AUDIENCE, jwks=JWKS, clock=clock)
    before = outcome(verifier, token)

    clock.ahead = 3600.0

    assert before == "in"
    assert outcome(verifier, token) is Reason.EXPIRED


def test_every_bad_vector() -> None:
    """Every token that the vectors name as bad is refused, for the reason that they give.

    What has the form of a session token is not even read as an access token.
    """
    verifier = Verifier.offline(ISSUER, audience=AUDIENCE, jwks=JWKS, clock=FakeClock(NOW))

    assert len(ACCESS["bad"]) > 20
    for vector in ACCESS["bad"]:
        reason = Reason.BAD_SIGNATURE if vector["token"].startswith("os1") else vector["reason"]
        assert outcome(verifier, vector["token"]) == reason, vector["name"]


@pytest.mark.parametrize(
    "jwks", [{}, {"keys": []}, {"keys": [{"kty": "oct", "kid": "k", "alg": "HS256", "k": "AAAA"}]}]
)
def test_no_keys(jwks: dict[str, object]) -> None:
    """A verifier that could verify nothing is not made."""
    with pytest.raises(Misconfigured):
        Verifier.offline(ISSUER, audience=AUDIENCE, jwks=jwks)


async def test_published_keys(issuer: Issuer) -> None:
    """Without keys the issuer's are read; before they came, and after it was left, nobody is answered."""
    verifier, token = Verifier.offline(issuer.url, audience=ORDERS), issuer.token()
    before = outcome(verifier, token)

    async with verifier:
        await verifier.until_ready(SOON)
        who = verifier.verify(token)
        issuer.revoke()
        again = outcome(verifier, token)
    after = outcome(verifier, token)

    assert (before, again, after) == ("unavailable", "in", "unavailable")
    assert who.stale == timedelta.max
    assert set(issuer.asked) == {"/.well-known/jwks.json"}
    assert issuer.authorizations == {""}


async def test_published_keys_in_a_thread(issuer: Issuer) -> None:
    """The same, in a thread."""

    def program() -> str:
        with Verifier.offline(issuer.url, audience=ORDERS) as verifier:
            verifier.wait_ready(SOON)
            return str(outcome(verifier, issuer.token()))

    assert await asyncio.to_thread(program) == "in"


async def test_no_issuer(issuer: Issuer) -> None:
    """While no keys can be read nobody is answered; the verifier says why."""
    issuer.instead["/.well-known/jwks.json"] = drop
    async with Verifier.offline(issuer.url, audience=ORDERS) as verifier:
        await until(lambda: issuer.asked["/.well-known/jwks.json"] > 0)

        assert outcome(verifier, issuer.token()) == "unavailable"
        assert not verifier.ready
