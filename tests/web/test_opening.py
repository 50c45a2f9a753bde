"""The names of what is open: what each opens, and which are none."""

import pytest

from ostiary.errors import Misconfigured
from ostiary.web.opening import Opened, opened

OPENED = Opened(["/", "/about", "/posts/{id}", "/public/*", "/a.b"])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/about",
        "/posts/7",
        "/public/a",
        "/public/a/",
        "/public/a/b.css",
        "/public/\u00e9t\u00e9",
        "/public/..a",
        "/a.b",
    ],
)
def test_open(path: str) -> None:
    """What is named is open, and so is what a star stands for."""
    assert path in OPENED


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "/about/",
        "/ABOUT",
        "/abou",
        "/posts",
        "/posts/",
        "/posts/7/",
        "/posts/7/8",
        "/posts/..",
        "/public",
        "/public/",
        "/public//a",
        "/public/.",
        "/public/../a",
        "/public/a/..",
        "/public/a/../../b",
        "/public/%2e%2e/a",
        "/public/a\\..\\b",
        "/public/...",
        "/public/a;/..",
        "/public/\uff0e\uff0e/a",
        "/public/\u2025/a",
        "/public/a\x00",
        "/public/a\n",
        "/about\n",
        "/public/a b",
        "/publicity",
        "/axb",
        "public/a",
        "//public/a",
        "/public/a//",
    ],
)
def test_not_open(path: str) -> None:
    """Another path is not, and nothing that could be read in another way is under anything."""
    assert path not in OPENED


@pytest.mark.parametrize(
    "name",
    [
        "",
        "about",
        "*",
        "/*",
        "/a/*/b",
        "/a*",
        "//",
        "/a//b",
        "/../a",
        "/a/.",
        "/a b",
        "/a%20b",
        "/a?b",
        "/x{id}",
        "/{a/b}",
        "https://id.example/",
        "/public/**",
    ],
)
def test_no_name(name: str) -> None:
    """What is no path, or is everything, is refused when it is written."""
    with pytest.raises(Misconfigured, match="`open` has"):
        Opened([name])


def test_a_list_that_changes_nothing() -> None:
    """Where everything is open, to name something is a mistake."""
    assert opened("open", []) is None
    with pytest.raises(Misconfigured, match="everything is open"):
        opened("open", ["/"])


def test_which_routes() -> None:
    """The routes that a name opens are found in the words of each framework, and those that it opens in part, too."""
    routes = ["/", "/about", "/posts/{id:int}", "/<path:rest>", "/{tenant}/x", "/me", "/public/{path:path}", "/posts"]

    assert OPENED.among([*routes, "/a.b"]) == sorted([*(set(routes) - {"/me", "/posts"}), "/a.b"])
    assert Opened(["/public/*"]).among(["/public/a", "/public", "/private/a"]) == ["/public/a"]


def test_a_name_of_no_route() -> None:
    """A name that opens nothing is an error: what was renamed would be closed, or what is misspelt."""
    with pytest.raises(Misconfigured, match="/abuot, /publik"):
        Opened(["/", "/abuot", "/publik/*"]).among(["/", "/about", "/public/{name}", "/about/x"])
