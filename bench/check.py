"""What a check costs: cached, against one SHA-256 and one dictionary look-up; first, against the bare signature."""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import cycle
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from bench.figure import Figure, ratio_of_times
from ostiary import Auth, Carrier, Issued, Principal
from ostiary.core.base64url import decode_base64url
from ostiary.core.policy import CHEAPEST

ISSUER = "https://id.example"
PASSWORD = "a lantern in the harbour"
FIRST_CHECKS = 500
POLICY = replace(CHEAPEST, lease=timedelta(minutes=1))  # nobody lets the event loop renew it while we measure

# What a browser and what a service send besides. A guard must find its header among them.
BROWSER = [
    (b"host", b"id.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"sec-fetch-site", b"same-origin"),
]
SERVICE = [(b"host", b"id.example"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip"), (b"user-agent", b"python")]


def figures() -> Iterator[Figure]:
    """Measure, one figure after the other."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        auth = Auth.embedded(Path(folder) / "bench.db", issuer=ISSUER, policy=POLICY)
        runner.run(auth.start())
        cookie, bearer, tokens = runner.run(_logins(auth))
        yield _cached(auth, runner, "cached check, cookie", cookie)
        yield _cached(auth, runner, "cached check, access token", bearer)
        yield _first(auth, tokens)
        runner.run(auth.stop())


async def _logins(auth: Auth) -> tuple[Issued, Issued, list[str]]:
    await auth.accounts.register(email="ada@example.com", password=PASSWORD, roles=["reader", "writer", "admin"])
    proof = await auth.prove("ada@example.com", PASSWORD)
    issued = await auth.login(proof, carrier=Carrier.COOKIE)
    who = await auth.authenticate(_headers(auth, issued), "GET")
    assert isinstance(who, Principal)
    tokens = [(await auth.mint(who)).access_token for _ in range(FIRST_CHECKS)]
    return issued, await auth.login(proof, carrier=Carrier.BEARER), tokens


def _headers(auth: Auth, issued: Issued) -> list[tuple[bytes, bytes]]:
    if issued.access_token is not None:
        return [*SERVICE, (b"authorization", f"Bearer {issued.access_token}".encode())]
    return [*BROWSER, (b"cookie", f"theme=dark; {auth.site.cookie_name}={issued.session_token}".encode())]


def _cached(auth: Auth, runner: asyncio.Runner, name: str, issued: Issued) -> Figure:
    headers = _headers(auth, issued)
    assert isinstance(runner.run(auth.authenticate(headers, "GET")), Principal)
    carrier = (issued.access_token or issued.session_token).encode()
    known = {sha256(carrier).digest(): object()}

    def ours() -> object:
        return auth.guard.check(headers, "GET")

    def floor() -> object:
        return known.get(sha256(carrier).digest())

    figure = ratio_of_times(name, ours, floor, calls=20_000, at_most=5)
    assert isinstance(ours(), Principal), "the guard did not answer from memory"
    return figure


def _first(auth: Auth, tokens: list[str]) -> Figure:
    key = auth.keyring.signer(now=auth.clock.now()).public
    assert isinstance(key, EllipticCurvePublicKey)
    algorithm = ECDSA(SHA256())
    requests = [[*SERVICE, (b"authorization", f"Bearer {token}".encode())] for token in tokens]
    signed = cycle([_signature(token) for token in tokens])

    def never_seen() -> Iterator[list[tuple[bytes, bytes]]]:
        while True:
            auth.guard._verified.clear()  # noqa: SLF001 - so that each check is a first one
            yield from requests

    strangers = never_seen()

    def ours() -> object:
        return auth.guard.check(next(strangers), "GET")

    def floor() -> object:
        signature, text = next(signed)
        return key.verify(signature, text, algorithm)

    figure = ratio_of_times(
        "first check of an access token / ES256 verify", ours, floor, calls=FIRST_CHECKS, at_most=1.25
    )
    assert isinstance(ours(), Principal), "the guard did not answer from memory"
    return figure


def _signature(token: str) -> tuple[bytes, bytes]:
    text, _, signature = token.rpartition(".")
    raw = decode_base64url(signature)
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")), text.encode()
