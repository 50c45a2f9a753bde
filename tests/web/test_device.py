"""What a client says of itself, made fit to be read."""

import pytest

from ostiary.core.network import address, neighbourhood
from ostiary.core.session import Device
from ostiary.web.device import LONGEST_NAME, LONGEST_USER_AGENT, describe

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Mobile Safari on iOS"),
        ("curl/8.5.0", "curl"),
        ("my-own-tool/3 (with more)", "my-own-tool"),
        ("", ""),
    ],
)
def test_recognised(user_agent: str, name: str) -> None:
    """A device is called what a person would call it."""
    assert describe(user_agent, client="203.0.113.7") == Device(name=name, user_agent=user_agent, ip="203.0.113.7")


def test_named() -> None:
    """The name that the client gives wins, on one line and bounded."""
    assert describe(FIREFOX, client="", named=" Ada's\n\tphone ").name == "Ada's phone"
    assert describe(FIREFOX, client="", named="a" * 1000).name == "a" * LONGEST_NAME
    assert describe(FIREFOX, client="", named="\x1b\u202e\n").name == "Firefox on Linux"


@pytest.mark.parametrize(
    "hostile", ["\x1b[31m", "a" * 10_000, "\x00\r\nSet-Cookie: a", "\u202e", "(" * 5000, "\xff" * 300]
)
def test_hostile(hostile: str) -> None:
    """Whatever it sends, what is kept is short and can be printed."""
    device = describe(hostile, client="203.0.113.7")

    assert len(device.user_agent) <= LONGEST_USER_AGENT
    assert len(device.name) <= LONGEST_NAME
    assert (device.name + device.user_agent).isprintable()


@pytest.mark.parametrize(
    ("client", "canonical", "together"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("/run/ostiary.sock", "", ""),
        ("", "", ""),
    ],
)
def test_addresses(client: str, canonical: str, together: str) -> None:
    """An address has one form, and one subscriber is one neighbour."""
    assert (address(client), neighbourhood(client)) == (canonical, together)
