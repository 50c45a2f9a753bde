"""Secrets that are derived from the master key: what every process of a service knows, and nobody else."""

import hmac
import os
from pathlib import Path

import pytest

from ostiary.core.base64url import encode_base64url
from ostiary.errors import Misconfigured
from ostiary.keys.master import MasterKey
from ostiary.keys.vault import SealedVault
from ostiary.system import SystemEntropy
from ostiary.testing import CountedEntropy

ONE, TWO = bytes(range(32)), bytes(range(32, 64))


def master(**versions: bytes) -> MasterKey:
    """Return a master key of versions `v1`, `v2` and so on."""
    return MasterKey({int(name[1:]): secret for name, secret in versions.items()}, entropy=CountedEntropy())


def test_as_the_standard_says() -> None:
    """A secret is HKDF-SHA-256 of the master key, without salt, for `ostiary:derive:` and a purpose (RFC 5869)."""
    extracted = hmac.digest(bytes(32), ONE, "sha256")
    expanded = hmac.digest(extracted, b"ostiary:derive:stream\x01", "sha256")

    assert master(v1=ONE).derive("stream") == (expanded,)


def test_one_purpose_one_secret() -> None:
    """Secrets of two purposes, and of two master keys, have nothing in common, nor with the master key itself."""
    secrets = {
        *master(v1=ONE).derive("stream"),
        *master(v1=ONE).derive("challenges"),
        *master(v1=TWO).derive("stream"),
        ONE,
        TWO,
    }

    assert len(secrets) == 5


def test_every_version() -> None:
    """The newest version comes first; the older ones follow, so that what they authenticated is accepted."""
    [one], [two] = master(v1=ONE).derive("stream"), master(v1=TWO).derive("stream")

    assert master(v1=ONE, v2=TWO).derive("stream") == (two, one)
    assert master(v10=TWO, v9=ONE).derive("stream") == (two, one)


def test_of_a_vault(tmp_path: Path) -> None:
    """Two processes with one key file have the same secrets, and without the file there are none."""
    vaults = [SealedVault(tmp_path / "master.key", entropy=SystemEntropy()) for _ in range(2)]
    with pytest.raises(Misconfigured, match="is missing"):
        vaults[0].derive("stream")
    vaults[0].create()

    assert vaults[0].derive("stream") == vaults[1].derive("stream")
    assert [len(secret) for secret in vaults[0].derive("stream")] == [32]


def test_a_version_that_came_later(tmp_path: Path) -> None:
    """A vault that starts with both versions in its file knows what one that knew the first has authenticated."""
    file = tmp_path / "master.key"
    vault = SealedVault(file, entropy=SystemEntropy())
    vault.create()
    [old] = vault.derive("stream")
    with file.open("a") as lines:
        lines.write(f"2 {encode_base64url(os.urandom(32))}\n")
    new, kept = SealedVault(file, entropy=SystemEntropy()).derive("stream")

    assert kept == old
    assert new != old
