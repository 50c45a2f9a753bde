"""What a page of yours imports: a JavaScript module that depends on nothing, and its types beside it.

They are served as they are written, under names that stay the same. So a browser keeps them for an hour, and then asks
whether they have changed.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

MODULE: Final = "ostiary.js"
TYPES: Final = "ostiary.d.ts"


@dataclass(frozen=True, slots=True)
class File:
    """One file, and the tag of what is in it (RFC 9110 section 8.8.3)."""

    body: bytes
    tag: str

    def is_held(self, if_none_match: str | None) -> bool:
        """Tell whether a client has it already. What a proxy has compressed on its way is the same to a reader."""
        return self.tag in [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]


@cache
def read(name: str) -> File:
    """Read a file, once."""
    body = (files(__name__) / name).read_bytes()
    return File(body, f'"{urlsafe_b64encode(sha256(body).digest()[:9]).decode()}"')
