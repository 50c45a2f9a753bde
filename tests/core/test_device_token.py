"""The device token: known to who logged in on the device, and worth nothing otherwise."""

from datetime import timedelta

from ostiary.core.base64url import encode_base64url
from ostiary.core.keys import Keyring, MacKey, Purpose
from ostiary.core.token import make_device_token, read_device_token
from tests.core.vectors import NOW


def ring(secret: bytes, *, purpose: Purpose = Purpose.DEVICE) -> Keyring:
    """Return a keyring of one key."""
    key = MacKey(id="k", purpose=purpose, signs_from=NOW - timedelta(days=1), verifies_until=None, secret=secret * 32)
    return Keyring(macs=[key], signatures=[])


KEYRING = ring(b"k")


def known(value: str, account: str, *, keyring: Keyring = KEYRING) -> str:
    """Return by which nonce a device is known to an account."""
    return read_device_token(value, account=account, keyring=keyring, now=NOW)


def device_of(*accounts: str) -> str:
    """Return the token of a device on which these accounts have logged in, in order. Each nonce is a number."""
    token = ""
    for number, account in enumerate(accounts):
        token = make_device_token(account, nonce=nonce(number), before=token, keyring=KEYRING, now=NOW)
    return token


def nonce(number: int) -> str:
    """Return sixteen bytes that are a number."""
    return encode_base64url(number.to_bytes(16, "big"))


def test_a_device_is_known_to_who_logged_in() -> None:
    """A device token names each account's nonce to who knows the account, and no account to who does not."""
    token = device_of("ada@example.com", "eve@example.com", "ada@example.com")

    assert known(token, "ada@example.com") == nonce(2)
    assert known(token, "eve@example.com") == nonce(1)
    assert known(token, "mallory@example.com") == ""
    assert "ada" not in token
    assert token.count(".") == 4  # each account once


def test_a_device_forgets_the_oldest() -> None:
    """A device is known to five accounts at most, so that its token stays small."""
    accounts = [f"{number}@example.com" for number in range(7)]

    token = device_of(*accounts)

    assert [bool(known(token, account)) for account in accounts] == [False, False, True, True, True, True, True]
    assert len(token) == 234


def test_parts_of_device_tokens() -> None:
    """No part of another token makes a device known: each MAC is of its own nonce, account and purpose."""
    ada, eve = device_of("ada@example.com").split("."), device_of("x", "eve@example.com").split(".")

    assert known(f"osd1.{eve[1]}.{ada[2]}", "ada@example.com") == ""
    assert known(f"osd1.{ada[1]}.{eve[2]}", "ada@example.com") == ""
    assert known(device_of("ada@example.com"), "ada@example.com", keyring=ring(b"o")) == ""
    assert known(device_of("ada@example.com"), "ada@example.com", keyring=ring(b"k", purpose=Purpose.CSRF)) == ""
    for at, letter in enumerate(device_of("ada@example.com")):
        flipped = device_of("ada@example.com")
        flipped = flipped[:at] + ("A" if letter != "A" else "B") + flipped[at + 1 :]
        assert known(flipped, "ada@example.com") == ""
