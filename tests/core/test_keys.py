"""The keyring: of each purpose one key signs, several verify."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.core.keys import Keyring, Purpose
from tests.core.vectors import ACCESS, NOW, RING, SESSION, mac_key, signature_key

NOBODY = Keyring(macs=(), signatures=())


def test_the_newest_that_may_sign_signs() -> None:
    """The coming key does not sign yet; the newest of those that may does."""
    assert RING.mac(Purpose.SESSION, now=NOW) == mac_key("current")
    assert RING.mac(Purpose.CSRF, now=NOW) == mac_key("csrf")
    assert RING.signer(now=NOW) == signature_key("es256")


def test_a_rotation() -> None:
    """When a coming key's time has come it signs, and what the key before it has made still verifies."""
    then = mac_key("coming").signs_from

    assert RING.mac(Purpose.SESSION, now=then - timedelta(microseconds=1)) == mac_key("current")
    assert RING.mac(Purpose.SESSION, now=then) == mac_key("coming")
    assert mac_key("current") in RING.macs(Purpose.SESSION, now=then)
    assert RING.signer(now=then) == signature_key("coming")
    assert RING.verifier(signature_key("es256").header.encode(), then.timestamp()) == signature_key("es256")


def test_which_keys_verify() -> None:
    """The coming, the current and the old verify, the newest first; a retired one does not."""
    assert [key.id for key in RING.macs(Purpose.SESSION, now=NOW)] == ["coming", "current", "old"]
    for name in ("coming", "es256", "ed25519", "rs256"):
        assert RING.verifier(signature_key(name).header.encode(), NOW.timestamp()) == signature_key(name)
    assert RING.verifier(signature_key("retired").header.encode(), NOW.timestamp()) is None


def test_an_old_key_ends() -> None:
    """A key verifies until its end, and not in that instant."""
    end = NOW + timedelta(days=1)

    assert (
        RING.verifier(signature_key("rs256").header.encode(), (end - timedelta(microseconds=1)).timestamp()) is not None
    )
    assert RING.verifier(signature_key("rs256").header.encode(), end.timestamp()) is None
    assert [key.id for key in RING.macs(Purpose.SESSION, now=end)] == ["coming", "current"]


def test_retiring_the_current_key() -> None:
    """A retired key neither signs nor verifies, even if it was the newest; the one before it signs again."""
    retired = replace(mac_key("current"), verifies_until=NOW)
    ring = Keyring(macs=[retired, replace(mac_key("old"), verifies_until=None)], signatures=())

    assert ring.mac(Purpose.SESSION, now=NOW).id == "old"
    assert [key.id for key in ring.macs(Purpose.SESSION, now=NOW)] == ["old"]


def test_no_key() -> None:
    """A keyring without a key for something says so, and never signs with another's."""
    public = replace(signature_key("es256"), private=None)

    for ring in (NOBODY, Keyring(macs=[mac_key("csrf"), mac_key("retired")], signatures=[public])):
        with pytest.raises(LookupError, match="session"):
            ring.mac(Purpose.SESSION, now=NOW)
        with pytest.raises(LookupError, match="access tokens"):
            ring.signer(now=NOW)
    assert NOBODY.macs(Purpose.SESSION, now=NOW) == []
    assert NOBODY.verifier(public.header.encode(), NOW.timestamp()) is None


def test_a_header_is_a_key() -> None:
    """A verifier is found by the whole of the one header that it writes, and by nothing like it."""
    key = signature_key("es256")

    assert key.header == ACCESS["good"][0]["token"].partition(".")[0]
    for other in ("", key.id, key.header[:-1], f"{key.header}=", key.header.swapcase(), f"{key.header}A"):
        assert RING.verifier(other.encode(), NOW.timestamp()) is None


def test_short_halves_of_a_signature() -> None:
    """An ES256 signature holds when a half of it begins with zeros, or with a bit that is the sign of a DER integer."""
    key = signature_key("es256")
    signed = {text: key.sign(text) for text in (str(n).encode() for n in range(600))}

    assert {half[0] for signature in signed.values() for half in (signature[:32], signature[32:])} >= {0, 0x7F, 0x80}
    assert all(key.is_signed(text, signature) for text, signature in signed.items())
    assert not any(key.is_signed(b"another", signature) for signature in [bytes(64), b"\xff" * 64, *signed.values()])


def test_the_key_set() -> None:
    """The published document holds the public part of every key that verifies, the coming one included."""
    document = RING.jwks(now=NOW)

    published = {jwk["kid"]: jwk for jwk in document["keys"]}
    assert set(document) == {"keys"}
    assert list(published) == [signature_key(name).id for name in ("coming", "es256", "ed25519", "rs256")]
    for jwk in published.values():
        assert not set(jwk) & {"d", "p", "q", "dp", "dq", "qi", "k"}
        assert {"kty", "kid", "alg", "use"} <= set(jwk)


def test_the_dated_key_set() -> None:
    """For who cannot ask every moment, each key says when it stops verifying, if that is known."""
    plain, dated = RING.jwks(now=NOW)["keys"], RING.dated_jwks(now=NOW)["keys"]

    ends = {key.id: key.verifies_until for key in RING._signatures}
    assert [{**jwk, "exp": None} for jwk in plain] == [{**jwk, "exp": None} for jwk in dated]
    for jwk in dated:
        end = ends[jwk["kid"]]
        assert jwk.get("exp") == (None if end is None else end.timestamp())
    assert 0 < len([jwk for jwk in dated if "exp" in jwk]) < len(dated)


def test_secrets_are_not_shown() -> None:
    """No secret stands in what is printed of a key or of a keyring."""
    printed = f"{RING!r} {RING.macs(Purpose.SESSION, now=NOW)!r} {signature_key('es256')!r}"

    for key in SESSION["keys"]:
        assert key["secret"] not in printed
        assert repr(bytes.fromhex(key["secret"])) not in printed
    assert "PrivateKey" not in printed
    assert "current" in printed
