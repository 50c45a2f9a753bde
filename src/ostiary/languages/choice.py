"""Which language somebody is spoken to in.

| asked in order                        | taken is                                                          |
|---------------------------------------|-------------------------------------------------------------------|
| the account's own choice              | that, if we speak it                                              |
| `Accept-Language` (RFC 9110 12.5.4)   | the first we speak, by weight; of one weight, as they stand there |
| nothing else                          | English                                                           |

A range finds a language as in RFC 4647 section 3.4: `de-CH` finds `de`. `zh` alone, and every `zh-…`, finds the Chinese
that we have. A weight of zero is no wish; what cannot be read is passed over.
"""

import re
from typing import Final

from ostiary.languages.language import ENGLISH, LANGUAGES, Language

LONGEST: Final = 1000
"""Characters of the header that are looked at. No browser sends as many."""

_RANGE: Final = re.compile(
    r"[ \t]*(?P<tag>\*|[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,7})[ \t]*"
    r"(?:;[ \t]*q=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?",
    re.ASCII | re.IGNORECASE,
)
_BY_TAG: Final = {language.tag.lower(): language for language in LANGUAGES} | {"zh": LANGUAGES[-1], "*": ENGLISH}


def of(header: str | None, account: str = "") -> Language:
    """Choose for who sent this `Accept-Language`, and whose account names this language. Both may be anything."""
    chosen = _BY_TAG.get(account.lower().replace("_", "-"))
    if chosen is not None and account != "*":
        return chosen
    return _wished(header) if header else ENGLISH


def _wished(header: str) -> Language:
    best, heaviest = ENGLISH, 0.0
    for part in header[:LONGEST].split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        weight = float(found["weight"] or 1)
        if weight > heaviest:  # so of one weight the first stays
            language = _look_up(found["tag"].lower())
            if language is not None:
                best, heaviest = language, weight
    return best


def _look_up(tag: str) -> Language | None:
    while tag:
        if tag in _BY_TAG:
            return _BY_TAG[tag]
        tag = tag.rpartition("-")[0]
    return None
