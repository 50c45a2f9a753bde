"""base64url without padding (RFC 7515 section 2), strictly: one text for one value."""

from base64 import urlsafe_b64encode
from binascii import a2b_base64

# The characters of the other base64, and its padding, become one that is in neither.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/***")
_PADDING = (b"", b"", b"==", b"=")
_NO_SPARE_BITS = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")


def encode_base64url(raw: bytes) -> str:
    """Encode without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_base64url(text: str | bytes) -> bytes:
    """Decode what `encode_base64url` has made.

    Raises:
        ValueError: no encoder makes this: another character, padding, a length or last bits that cannot be.
    """
    data = text if isinstance(text, bytes) else text.encode("ascii")
    tail = len(data) % 4
    if tail and data[-1] not in _NO_SPARE_BITS[tail]:
        raise ValueError("the last character has spare bits")
    return a2b_base64(data.translate(_TO_STANDARD) + _PADDING[tail], strict_mode=True)
