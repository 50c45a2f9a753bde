"""What the tests of mail start from: an authority of our own, and servers with its certificate or without."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.mail.mailserver import MailServer


@dataclass
class Authority:
    """Who signs certificates."""

    name: x509.Name
    key: EllipticCurvePrivateKey
    file: Path

    def context(self, host: str) -> ssl.SSLContext:
        """Return what a server of this name, on this machine, speaks TLS with."""
        key = generate_private_key(SECP256R1())
        names = [x509.DNSName(host), *([x509.IPAddress(ip_address("127.0.0.1"))] if host == "localhost" else [])]
        certificate = (
            _builder(_name(host), self.name, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, SHA256())
        )
        file = self.file.with_name(f"{host}.pem")
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context


def authority(folder: Path, name: str) -> Authority:
    """Make one."""
    key = generate_private_key(SECP256R1())
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    certificate = _builder(_name(name), _name(name), key).add_extension(constraints, critical=True).sign(key, SHA256())
    file = folder / f"{name}.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(_name(name), key, file)


def _name(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that clients are told of."""
    return authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server that speaks in the clear, as one on this machine may."""
    with MailServer() as server:
        yield server
