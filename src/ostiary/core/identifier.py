"""What a user types to be found, canonicalised once.

One canonical form for every address: NFKC, no surrounding space, case folded, the domain in its ASCII form
(RFC 3490). Two addresses that a person cannot tell apart in case or width are one.
"""

import re
import unicodedata

_LONGEST = 320
_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\\\]%!]+")
"""No quotes, and no way to another host, as some mail servers read `eve%evil.example` and `evil.example!eve`."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def email(typed: str) -> str | None:
    """Return the canonical form of an e-mail address, or `None` when it is not one.

    Guarantee: `email(email(x)) == email(x)`; the result has no control character, at most 254 characters, and a domain
    with at least two labels or `localhost`.
    """
    if len(typed) > 512:
        return None
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed.strip()).casefold())
    if len(folded) > _LONGEST:
        return None  # before anything that costs more the longer it is: NFKC makes eighteen letters out of one
    local, at, domain = folded.rpartition("@")
    host = _host(domain)
    if not at or host is None or not _LOCAL.fullmatch(local) or len(local) > 64 or ".." in local:
        return None
    if local.startswith(".") or local.endswith(".") or not local.isprintable():
        return None
    if "=?" in local:
        return None  # an encoded word (RFC 2047): a mail program reads it as other characters, and line ends among them
    canonical = f"{local}@{host}"
    return canonical if len(canonical) <= 254 else None


def _host(domain: str) -> str | None:
    try:
        host = domain.lower() if domain.isascii() else domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return host if len(labels) > 1 or host == "localhost" else None
