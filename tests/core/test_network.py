"""Whose address a request came from: each row of the table, and what a client can write into it."""

import pytest

from ostiary.core.network import client, network

PROXIES = [network("10.0.0.0/8"), network("2001:db8:ff::/48"), network("192.0.2.1")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1,10.0.0.2 , 192.0.2.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1:50123"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:50123"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["2001:0DB8::0001"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ff::9", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:fe::9", ["198.51.100.1"], "2001:db8:fe::9"),
        ("10.0.0.1", ["1.1.1.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, "], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["x" * 60_000], "10.0.0.1"),
        ("", ["198.51.100.1"], ""),
        ("a socket", ["198.51.100.1"], ""),
    ],
)
def test_whose_address(peer: str, forwarded: list[str], expected: str) -> None:
    """The client is the first from the right that is no proxy of ours, however much stands to the left of it."""
    assert client(peer, forwarded, trusted=PROXIES) == expected


@pytest.mark.parametrize("peer", ["203.0.113.7", "127.0.0.1", "10.0.0.1", "::1"])
def test_nobody_is_trusted(peer: str) -> None:
    """With no proxy the header means nothing, whoever sends it."""
    assert client(peer, ["198.51.100.1"], trusted=[]) == peer


@pytest.mark.parametrize(
    "text", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "localhost", "", "*", "10.0.0.0/33", "10.0.0.0/8 "]
)
def test_no_network(text: str) -> None:
    """What is no network is refused, and so is everybody."""
    with pytest.raises(ValueError, match="the trusted proxy"):
        network(text)
