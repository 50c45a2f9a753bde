"""A verifier's key goes to its issuer, over TLS that is verified, and into no text (LESSONS: what leaks)."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ostiary.errors import Misconfigured
from ostiary.verify import Unavailable, Verifier
from tests.verify.asking import SOON, until
from tests.verify.issuer import AUDIENCE, KEY, Issuer, drop, say, serving

SECRET = "its-secret"
ROUTES = ("/auth/feed", "/auth/feed/head", "/auth/feed/snapshot")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer that serves."""
    async with serving(Issuer()) as issuer:
        yield issuer


async def test_it_is_in_no_text(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever happens, the key stands in no log, not even in those of the client, and in no `repr` or exception."""
    caplog.set_level(logging.DEBUG)
    verifier = Verifier(issuer.url, audience=AUDIENCE, key=KEY)
    texts = [repr(verifier), str(verifier)]
    async with verifier:
        await verifier.until_ready(SOON)
        for answer in (drop, lambda writer: say(writer, b"", "401 Unauthorized"), lambda writer: say(writer, b"{}")):
            for path in ROUTES:
                issuer.instead[path] = answer
            issuer.tell(b"event: reset\n\n")
            await until(lambda: not verifier.ready)
            with pytest.raises(Unavailable) as refused:
                await verifier.check(issuer.token(), stale="ask")
            texts += [str(refused.value), repr(refused.value), repr(refused.value.__context__)]
            issuer.instead.clear()
            await until(lambda: verifier.ready)
    texts.append(caplog.text)

    assert issuer.authorizations == {f"Bearer {KEY}"}
    assert "cannot follow the feed" in caplog.text
    assert [text for text in texts if SECRET in text] == []


@pytest.mark.parametrize(
    "key", [f"{SECRET}", f"osv1.{SECRET}\r\nx: y", f"osv1.{SECRET}é", f" osv1.{SECRET}", "osv1", ""]
)
def test_a_key_that_is_none(key: str) -> None:
    """What cannot be a key is refused before it is sent, and the refusal does not repeat it."""
    with pytest.raises(Misconfigured) as refused:
        Verifier("https://id.example", audience=AUDIENCE, key=key)

    assert SECRET not in str(refused.value)


async def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    """A redirect of any route takes the key nowhere."""
    async with serving(Issuer()) as other:
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            for path in ROUTES:
                location = f"location: {other.url}{path}\r\n"
                issuer.instead[path] = lambda writer, s=status, to=location: say(writer, b"", s, to)  # type: ignore[misc]
            async with Verifier(issuer.url, audience=AUDIENCE, key=KEY) as verifier:
                with pytest.raises(Unavailable):
                    await verifier.until_ready(SOON / 50)

        assert other.asked == {}


async def test_a_proxy_does_not_see_it(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is not given what goes in the clear."""
    async with serving(Issuer()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with Verifier(issuer.url, audience=AUDIENCE, key=KEY) as verifier:
            await verifier.until_ready(SOON)

        assert proxy.asked == {}


async def test_tls_is_verified(tmp_path: Path) -> None:
    """A service whose certificate nobody vouches for is told nothing: not one byte of a request."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    pem = tmp_path / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    tried, heard = 0, b""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(1000)
        writer.close()

    class Counting(ssl.SSLObject):
        def do_handshake(self) -> None:
            nonlocal tried
            tried += 1
            super().do_handshake()

    context.sslobject_class = Counting
    server = await asyncio.start_server(hear, "localhost", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, Verifier(f"https://localhost:{port}", audience=AUDIENCE, key=KEY) as verifier:
        with pytest.raises(Unavailable, match="ConnectError"):
            await verifier.until_ready(SOON / 10)

    assert tried > 0
    assert heard == b""
