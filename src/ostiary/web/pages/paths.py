"""Where a page may lead on to: a path of our own, and nowhere else.

A browser reads an address more generously than any parser: a backslash is a slash to it, and tabs and line ends are
nothing. So what is let through is named, not what is refused.
"""

import re

_OWN = re.compile(r"/(?:[A-Za-z0-9_~.-][A-Za-z0-9_~./-]*)?(?:\?[A-Za-z0-9_~.%=&+-]*)?")
_LONGEST = 512


def own(path: str | None, *, otherwise: str) -> str:
    """Return a path that stays on our origin, as it came; otherwise the other one."""
    if path is None or len(path) > _LONGEST or "//" in path or _OWN.fullmatch(path) is None:
        return otherwise
    return path
