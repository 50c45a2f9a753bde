"""base64url without padding (RFC 7515 section 2)."""

from base64 import urlsafe_b64encode
from binascii import a2b_base64

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"===", b"==", b"=")


def encode_base64url(raw: bytes) -> str:
    """Encode without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Decode a text without padding. Whoever needs one text for one value encodes again and compares.

    Raises:
        ValueError: it is not ASCII, or its length is not one that an encoder makes.
    """
    return a2b_base64(text.encode("ascii").translate(_TO_STANDARD) + _PADDING[len(text) % 4])
