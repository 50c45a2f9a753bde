"""Keys and roles that change while tokens are out."""

import time

from ostiary.core.decision import Reason
from ostiary.verify import Verifier
from tests.core.vectors import signature_key
from tests.verify.asking import outcome, until
from tests.verify.issuer import Issuer


async def test_a_key_rotated_and_retired(issuer: Issuer, verifier: Verifier) -> None:
    """A new key is good from its document on; a retired one is not, nor anything it signed that was known before."""
    old, other = issuer.key, signature_key("ed25519")
    first, second = issuer.token("s1"), issuer.token("s2", key=other)
    before = outcome(verifier, first), outcome(verifier, second)

    issuer.publish("keys", issuer.jwks(old, other))
    await until(lambda: outcome(verifier, second) == "in")
    both = outcome(verifier, first), outcome(verifier, second)
    issuer.publish("keys", issuer.jwks(other))
    await until(lambda: outcome(verifier, first) is Reason.UNKNOWN_KEY)

    assert before == ("in", Reason.UNKNOWN_KEY)
    assert both == ("in", "in")
    assert outcome(verifier, second) == "in"


async def test_a_key_that_ends(issuer: Issuer, verifier: Verifier) -> None:
    """A key whose `exp` has passed verifies nothing more."""
    token = issuer.token()
    (jwk,) = issuer.jwks()["keys"]
    issuer.publish("keys", {"keys": [{**jwk, "exp": time.time() + 1}]})

    still = outcome(verifier, token)
    await until(lambda: outcome(verifier, issuer.token()) is Reason.UNKNOWN_KEY)

    assert still == "in"


async def test_a_role_changed(issuer: Issuer, verifier: Verifier) -> None:
    """A role that changes takes effect at once, on tokens that are out."""
    token = issuer.token()
    before = verifier.verify(token).permissions

    issuer.publish("roles", {"editor": ["posts:read"], "other": ["everything"]})
    await until(lambda: verifier.verify(token).permissions != before)

    assert before == {"posts:write"}
    assert verifier.verify(token).permissions == {"posts:read"}


async def test_a_document_is_loaded_before_it_counts(issuer: Issuer, verifier: Verifier) -> None:
    """A document that cannot be used is a view that has not caught up: nothing is renewed, and nobody answered."""
    token = issuer.token()
    issuer.publish("keys", "no key set")
    await until(lambda: outcome(verifier, token) == "unavailable")
    over = issuer.asked["/auth/feed/snapshot"]
    await until(lambda: issuer.asked["/auth/feed/snapshot"] > over)
    still = outcome(verifier, token)

    issuer.publish("keys", issuer.jwks())
    await until(lambda: outcome(verifier, token) == "in")

    assert still == "unavailable"


async def test_a_new_document_means_nothing_yet(issuer: Issuer, verifier: Verifier) -> None:
    """A document of a later version of the service is counted, and otherwise left alone."""
    token = issuer.token()
    issuer.documents["news"] = issuer.documents["roles"]

    issuer.publish("news", {"what": "ever"})
    issuer.revoke()
    await until(lambda: outcome(verifier, token) is Reason.REVOKED)

    assert issuer.asked["/auth/feed/snapshot"] == 1
