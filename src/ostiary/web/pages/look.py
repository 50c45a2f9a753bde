"""How the pages look: the templates, the style sheet, the script and the brand.

Every file is served under the hash of what is in it, so that a browser may keep it for ever.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ostiary.errors import Misconfigured
from ostiary.geoip import Places
from ostiary.languages import environment

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC: Final = "/auth/static/"
_ACCENT = re.compile(r"#[0-9a-fA-F]{6}")
_MEDIA: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
}
_LARGEST_LOGO: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    media: str
    body: bytes


@dataclass(frozen=True)
class Look:
    """What is the operator's own about the pages.

    Raises:
        Misconfigured: the accent is no colour, the logo no picture, or the file of places no such file.
    """

    brand: str = "Ostiary"
    accent: str = ""
    """As `#rrggbb`. The text on it is black or white, whichever is easier to read."""
    logo: Path | None = None
    templates: Path | None = None
    """A folder whose templates take the place of ours with the same name."""
    geoip: Path | None = None
    """A file of places (`.mmdb`), by which the list of devices says where each is."""

    def __post_init__(self) -> None:
        if self.accent and _ACCENT.fullmatch(self.accent) is None:
            raise Misconfigured(f"the accent {self.accent!r} must be a colour such as #7a4b12")
        if self.logo is not None and self.logo.suffix not in (".svg", ".png", ".webp"):
            raise Misconfigured(f"the logo {self.logo} must be a .svg, .png or .webp")
        _ = self.places
        if find_spec("jinja2") is None:
            raise Misconfigured("install ostiary[pages]: it brings what pages are made with")

    @cached_property
    def places(self) -> Places:
        """The places of that file."""
        return Places(self.geoip)

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each file as a route has one, by its plain name."""
        return {plain: STATIC + hashed for plain, hashed, _ in self._files}

    @cached_property
    def served(self) -> dict[str, File]:
        """Each file, by that name."""
        return {STATIC + hashed: file for _, hashed, file in self._files}

    @cached_property
    def environment(self) -> "Environment":
        """The templates, each compiled once."""
        # An extra, and only whoever shows a page waits for it.
        from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader  # noqa: PLC0415

        own = [FileSystemLoader(self.templates)] if self.templates is not None else []
        made = environment(ChoiceLoader([*own, PackageLoader("ostiary.web.pages")]))
        cast("Any", made.globals).update(brand=self.brand, places=self.places)
        return made

    @cached_property
    def _files(self) -> list[tuple[str, str, File]]:
        static = files("ostiary.web.pages") / "static"
        style = (static / "ostiary.css").read_bytes() + _accent(self.accent)
        found = [("ostiary.css", ".css", style), ("pages.js", ".js", (static / "pages.js").read_bytes())]
        mark = (static / "door.svg").read_bytes() if self.logo is None else self.logo.read_bytes()
        if len(mark) > _LARGEST_LOGO:
            raise Misconfigured(f"the logo {self.logo} must have at most {_LARGEST_LOGO} bytes")
        found.append(("logo", self.logo.suffix if self.logo is not None else ".svg", mark))
        return [(plain, _hashed(plain, suffix, body), File(_MEDIA[suffix], body)) for plain, suffix, body in found]


def _hashed(plain: str, suffix: str, body: bytes) -> str:
    digest = urlsafe_b64encode(sha256(body).digest()[:9]).decode()
    return f"{plain.removesuffix(suffix)}.{digest}{suffix}"


def _accent(colour: str) -> bytes:
    """Return the rule that brings in an accent, with the text on it black or white (WCAG 2.2, relative luminance)."""
    if not colour:
        return b""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    text = "#fff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000"
    return f":root:root{{--accent:{colour};--on-accent:{text}}}\n".encode()
