"""Names that load when they are asked for, so that importing a package costs nothing.

TYPE_CHECKING = False  # for a type checker it is true; `typing` alone would cost more than all the rest

if TYPE_CHECKING:
    from ostiary.auth import Auth
else:
    __getattr__ = lazily({"Auth": "ostiary.auth"}, of=__name__)
"""

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazily(places: "Mapping[str, str]", *, of: str) -> "Callable[[str], object]":
    """Make the `__getattr__` (PEP 562) of a package: each name is looked up in the module that `places` says, once."""

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {of!r} has no attribute {name!r}")
        found = getattr(import_module(places[name]), name)
        setattr(sys.modules[of], name, found)
        return found

    return find
