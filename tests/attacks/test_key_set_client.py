"""The client of a key set: no storm, no outage that empties it, no other address, no key that does not fit."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key

from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.site import Site
from ostiary.errors import Misconfigured, Unavailable
from ostiary.keys.jwks import KeySet, read_jwks
from ostiary.origin import Origin
from ostiary.system import SystemClock
from ostiary.testing import FakeClock
from ostiary.verify import Verifier
from tests.core.vectors import CLAIMS, compact, jose_key, signature_key, signed
from tests.verify.asking import SOON, outcome, until
from tests.verify.issuer import AUDIENCE, Answer, Issuer, drop, hang, say, serving

PATH = "/.well-known/jwks.json"
PAUSE = timedelta(seconds=10)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer that serves."""
    async with serving(Issuer()) as issuer:
        yield issuer


@pytest.fixture
async def clock() -> FakeClock:
    """A clock that shows the right time, and stands still."""
    return FakeClock(SystemClock().now())


@pytest.fixture
async def verifier(issuer: Issuer, clock: FakeClock) -> AsyncIterator[Verifier]:
    """A verifier that has the issuer's keys."""
    async with Verifier.offline(issuer.url, audience=AUDIENCE, clock=clock) as verifier:
        await verifier.until_ready(SOON)
        yield verifier


def unknown(number: int) -> str:
    """Return a token that names a key which nobody has."""
    return signed(compact(CLAIMS), header=f'{{"alg":"ES256","kid":"unknown-{number}","typ":"at+jwt"}}'.encode())


# ------------------------------------------------------------------------------------------------ storms and outages


async def test_unknown_keys_cause_no_storm(issuer: Issuer, verifier: Verifier, clock: FakeClock) -> None:
    """However many tokens name keys that nobody has: within the pause nothing is fetched, and after it once."""
    fetched = []
    for _ in range(3):
        assert {outcome(verifier, unknown(i)) for i in range(200)} == {Reason.UNKNOWN_KEY}
        asking = [asyncio.create_task(verifier.check(unknown(i), stale="ask")) for i in range(50)]
        await asyncio.wait(asking)
        await asyncio.sleep(0.05)
        fetched.append(issuer.asked[PATH])
        clock.advance(PAUSE)

    assert fetched == [1, 2, 3]


async def test_a_new_key_is_found(issuer: Issuer, verifier: Verifier, clock: FakeClock) -> None:
    """A token of a key that is new makes the set be read anew; who asks waits for that."""
    old, other = issuer.token(), signature_key("ed25519")
    issuer.key = other
    new, newer = issuer.token(), issuer.token()

    too_soon = outcome(verifier, new)
    with suppress(Exception):
        await verifier.check(new, stale="ask")
    asked_too_soon = issuer.asked[PATH]
    clock.advance(PAUSE)
    who = await verifier.check(newer, stale="ask")

    assert (too_soon, asked_too_soon) == (Reason.UNKNOWN_KEY, 1)
    assert who.stale == timedelta.max
    assert outcome(verifier, old) is Reason.UNKNOWN_KEY


async def test_a_missing_key_is_not_forgotten(issuer: Issuer) -> None:
    """A key that is missed within the pause is looked for once the pause is over, without being missed again."""
    origin = Origin(Site.of(issuer.url))
    keys = KeySet(origin, clock=SystemClock(), use=lambda _: None, pause=timedelta(seconds=2))
    running = asyncio.create_task(keys.run())
    await until(lambda: issuer.asked[PATH] == 1)
    began = time.monotonic()

    keys.want()
    await until(lambda: issuer.asked[PATH] == 2)

    assert time.monotonic() - began > 0.5
    running.cancel()
    await asyncio.wait([running])


def redirect_to(other: Issuer) -> Answer:
    """Send whoever asks to another service."""
    return lambda writer: say(writer, b"", "302 Found", f"location: {other.url}{PATH}\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[null]}',
        b'{"keys":[{"kty":"oct","kid":"x","alg":"HS256","k":"c2VjcmV0"}]}',
        b"[" * 100_000,
        b" " * 300_000 + json.dumps({"keys": [dict(signature_key("ed25519").jwk)]}).encode(),
        json.dumps({"keys": [dict(signature_key("es256").jwk)] * 2}).encode(),
    ],
    ids=lambda body: f"{len(body)} bytes: {body.strip()[:20].decode()}",
)
async def test_a_bad_set_changes_nothing(issuer: Issuer, verifier: Verifier, clock: FakeClock, body: bytes) -> None:
    """What cannot be used as a key set is not used: the last good one stays."""
    issuer.instead[PATH] = lambda writer: say(writer, body)
    clock.advance(PAUSE)

    with pytest.raises(Unavailable):
        await verifier.check(unknown(1), stale="ask")

    assert issuer.asked[PATH] == 2
    assert outcome(verifier, issuer.token()) == "in"


async def test_an_outage_serves_the_last_good_set(issuer: Issuer, verifier: Verifier, clock: FakeClock) -> None:
    """A service that is gone, says 500, or sends elsewhere leaves the keys as they are. When it is back, it is read."""
    async with serving(Issuer(key=signature_key("ed25519"))) as other:
        evil = other.token(iss=issuer.url)
        for answer in (
            drop,
            lambda writer: say(writer, issuer.jwks(), "500 Oops"),
            lambda writer: say(writer, issuer.jwks(), "203 Non-Authoritative Information"),
            lambda writer: say(writer, issuer.jwks(), headers="content-encoding: gzip\r\n"),
            redirect_to(other),
        ):
            issuer.instead[PATH] = answer
            clock.advance(PAUSE)
            with pytest.raises(Unavailable):
                await verifier.check(evil, stale="ask")
            assert outcome(verifier, issuer.token()) == "in"
            assert outcome(verifier, evil) is Reason.UNKNOWN_KEY

        assert other.asked == {}
    issuer.instead.clear()
    issuer.key = signature_key("ed25519")
    clock.advance(PAUSE)
    assert (await verifier.check(issuer.token(), stale="ask")).session_id == "a-session"


async def drip(writer: asyncio.StreamWriter) -> None:
    """Answer with one byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [hang, drip])
async def test_a_slow_service(issuer: Issuer, answer: Answer) -> None:
    """A fetch has one time-out for everything. One byte now and then does not put it off."""
    issuer.instead[PATH] = answer
    origin = Origin(Site.of(issuer.url))
    keys = KeySet(origin, clock=SystemClock(), use=lambda _: None, within=timedelta(seconds=0.3))
    origin.open()
    began = time.monotonic()

    with pytest.raises(Unavailable):
        await keys.fetch()

    assert time.monotonic() - began < 20
    await origin.close()


# ------------------------------------------------------------------------------------------------ other addresses


@pytest.mark.parametrize(
    "issuer",
    [
        "file:///etc/passwd",
        "file://localhost/etc",
        "ftp://id.example",
        "data:application/json,{}",
        "http://id.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "https://user:password@id.example",
        "https://id.example/",
        "https://id.example/path",
        "https://id.example?x",
        "//id.example",
        "id.example",
        "",
    ],
)
def test_no_other_scheme(issuer: str) -> None:
    """An issuer is an `https` origin, or an `http` one on this machine. Nothing else is ever opened."""
    with pytest.raises(Misconfigured):
        Verifier.offline(issuer, audience=AUDIENCE)
    with pytest.raises(Misconfigured):
        Verifier(issuer, audience=AUDIENCE, key="osv1.x")


async def test_a_token_leads_nowhere(issuer: Issuer, verifier: Verifier, clock: FakeClock) -> None:
    """A token that brings a key, or says where one is, makes nobody fetch it (CVE-2025-59420)."""
    async with serving(Issuer(key=signature_key("ed25519"))) as evil:
        for more in (
            {"jku": f"{evil.url}{PATH}"},
            {"x5u": f"{evil.url}/cert"},
            {"jwk": dict(evil.key.jwk)},
            {"kid": f"{evil.url}{PATH}"},
            {"kid": "../../../etc/passwd"},
        ):
            clock.advance(PAUSE)
            header = json.dumps({"alg": "ES256", "kid": issuer.key.id, "typ": "at+jwt", **more}).encode()
            token = signed(compact({**CLAIMS, "iss": issuer.url, "aud": AUDIENCE}), header=header)
            assert outcome(verifier, token) is Reason.UNKNOWN_KEY

        await until(lambda: issuer.asked[PATH] > 1)
        assert evil.asked == {}
        assert set(issuer.asked) == {PATH}


# ------------------------------------------------------------------------------------------------ keys that do not fit

EC: dict[str, Any] = dict(signature_key("es256").jwk)
RSA: dict[str, Any] = dict(signature_key("rs256").jwk)
ED: dict[str, Any] = dict(signature_key("ed25519").jwk)


def small_rsa() -> dict[str, Any]:
    """Return an RSA key of 1,024 bits that says it is for RS256."""
    numbers = generate_rsa_key(65537, 1024).public_key().public_numbers()  # noqa: S505 - which is the point
    return {**RSA, "n": encode_base64url(numbers.n.to_bytes(128, "big"))}


def other_curve() -> dict[str, Any]:
    """Return a key on P-384 that says it is on P-256."""
    numbers = generate_private_key(SECP384R1()).public_key().public_numbers()
    return {
        **EC,
        "x": encode_base64url(numbers.x.to_bytes(48, "big")),
        "y": encode_base64url(numbers.y.to_bytes(48, "big")),
    }


MISFITS: dict[str, dict[str, Any]] = {
    "no name": {k: v for k, v in EC.items() if k != "kid"},
    "an empty name": {**EC, "kid": ""},
    "a long name": {**EC, "kid": "x" * 1000},
    "a name that is none": {**EC, "kid": 1},
    "no algorithm": {k: v for k, v in EC.items() if k != "alg"},
    "none": {**EC, "alg": "none"},
    "HMAC": {**EC, "alg": "HS256"},
    "a secret": {"kty": "oct", "kid": "k", "alg": "HS256", "k": "c2VjcmV0", "use": "sig"},
    "a secret for ES256": {"kty": "oct", "kid": "k", "alg": "ES256", "k": "c2VjcmV0"},
    "RSA for ES256": {**RSA, "alg": "ES256"},
    "EC for RS256": {**EC, "alg": "RS256"},
    "EC for Ed25519": {**EC, "alg": "Ed25519"},
    "Ed25519 for ES256": {**ED, "alg": "ES256"},
    "another curve": {**EC, "crv": "P-384"},
    "another curve, truly": other_curve(),
    "for encryption": {**EC, "use": "enc"},
    "for signing only": {**EC, "key_ops": ["sign"]},
    "its private part": {**EC, "d": jose_key("es256").as_dict(private=True)["d"]},
    "off the curve": {**EC, "y": EC["x"]},
    "no point": {**EC, "x": "", "y": ""},
    "a number too large": {**EC, "x": encode_base64url(b"\xff" * 32)},
    "too many bytes": {**EC, "x": encode_base64url(b"\0" * 100_000 + b"\1")},
    "padding": {**EC, "x": EC["x"] + "="},
    "a short Ed25519 key": {**ED, "x": ED["x"][:-4]},
    "a small RSA key": small_rsa(),
    "a huge RSA key": {**RSA, "n": encode_base64url(b"\xff" * 100_000)},
    "an even exponent": {**RSA, "e": "BA"},
    "the exponent 1": {**RSA, "e": "AQ"},
    "an end that is none": {**EC, "exp": "never"},
    "an end beyond time": {**EC, "exp": 1e300},
}


@pytest.mark.parametrize("jwk", MISFITS.values(), ids=MISFITS)
def test_misfits(jwk: dict[str, Any]) -> None:
    """A key that does not fit is passed over in no time, and those beside it are read."""
    began = time.thread_time()

    keys = read_jwks({"keys": [jwk, {**ED, "kid": "good"}]})

    assert [key.id for key in keys] == ["good"]
    assert time.thread_time() - began < 0.5


def test_those_that_fit() -> None:
    """The keys that the misfits were made from are read, and are the very same."""
    keys = read_jwks({"keys": [EC, RSA, ED, {**EC, "kid": "ops", "key_ops": ["verify"]}]})

    assert [key.id for key in keys] == [EC["kid"], RSA["kid"], ED["kid"], "ops"]
    assert all(key.private is None for key in keys)
    assert [key.public for key in keys[:3]] == [signature_key(name).public for name in ("es256", "rs256", "ed25519")]
