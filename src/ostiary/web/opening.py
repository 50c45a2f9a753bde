r"""Which paths of a guarded application are open to everybody.

| named          | opens                                                        |
|----------------|--------------------------------------------------------------|
| `/about`       | this path; `/about/` is another one                          |
| `/posts/{id}`  | the paths with one part in that place                        |
| `/public/*`    | everything under it, but neither `/public` nor `/public/`    |

A path that somebody behind us may read in another way (`//`, `/../`, `/%2e/`, `\`) is open by nothing: it is guarded.
Neither the method nor what comes after the path means anything here.
"""

import re
from collections.abc import Collection, Iterable
from typing import Literal

from ostiary.errors import Misconfigured

Default = Literal["open", "protected"]
"""What becomes of a route that nobody has named."""

_PART = r"(?!\.+(?:/|$))[\w.~!$&'()+,=:@-]+"
"""One part of a path, but for one of dots alone. Letters and digits may be of any script."""
_PARAMETER = re.compile(r"\{[^{}/]+\}")


class Opened:
    """The paths that are open.

    Raises:
        Misconfigured: a name is no path.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        self._exact = frozenset(self.names)
        self._pattern = re.compile("|".join(_pattern(name) for name in self.names) or r"(?!)")

    def __contains__(self, path: str) -> bool:
        return path in self._exact or self._pattern.fullmatch(path) is not None

    def among(self, routes: Iterable[str]) -> list[str]:
        """Return those of an application's routes that are open to somebody.

        Raises:
            Misconfigured: a name is of none. What was renamed is not open any more, and somebody must hear of it.
        """
        known = tuple(routes)
        reached = {name: [route for route in known if _meet(name, route)] for name in self.names}
        unknown = [name for name, found in reached.items() if not found]
        if unknown:
            raise Misconfigured(f"`open` names what is no route of this application: {', '.join(sorted(unknown))}")
        return sorted({route for found in reached.values() for route in found})


def opened(default: Default, names: Collection[str]) -> Opened | None:
    """Return what is open, or `None` when nothing is guarded.

    Raises:
        Misconfigured: nothing is guarded, and names are given nevertheless; or one is no path.
    """
    if default == "protected":
        return Opened(names)
    if names:
        raise Misconfigured('with default="open" everything is open: name nothing')
    return None


def said(routes: Collection[str]) -> str:
    """Say which routes are open, for the log."""
    return f"open to everybody: {', '.join(routes) or 'nothing'}"


def _pattern(name: str) -> str:
    start, star, rest = name.partition("/*")
    if star and (rest or not start):
        raise Misconfigured(f'`open` has {name!r}: a star stands for all that is under a path, such as "/public/*"')
    parts = [
        _PART if _PARAMETER.fullmatch(part) else re.escape(part)
        for part in start.split("/")
        if _PARAMETER.fullmatch(part) or re.fullmatch(f"(?:{_PART})?", part)
    ]
    if len(parts) != name.removesuffix("/*").count("/") + 1 or not name.startswith("/") or "//" in name:
        raise Misconfigured(f'`open` has {name!r}: it must be a path such as "/about", or "/public/*"')
    return "/".join(parts) + (f"(?:/{_PART})+/?" if star else "")


def _meet(name: str, route: str) -> bool:
    """Tell whether some path is open by a name and led to by a route, in the words of any framework."""
    left, right = name.split("/"), route.split("/")
    for one, other in zip(left, right, strict=False):
        if one == "*" or _is_rest(one) or _is_rest(other):
            return True
        if one != other and not {"{", "<"} & {*one, *other}:
            return False
    return len(left) == len(right)


def _is_rest(part: str) -> bool:
    return part.startswith("<path:") or part.endswith(":path}")
