"""Writes a small database of places in MaxMind's format: a binary tree of networks, then the records."""

import struct
from collections.abc import Mapping
from ipaddress import ip_network

MARK = b"\xab\xcd\xefMaxMind.com"
TEXT, UINT16, UINT32, MAP, UINT64, LIST = 2, 5, 6, 7, 9, 11
KINDS = {"node_count": UINT32, "build_epoch": UINT64}
"""Of the numbers that are no `UINT16`."""


def database(places: Mapping[str, object]) -> bytes:
    """Return a database with a record for each IPv4 network."""
    tree: list[list[int | str | None]] = [[None, None]]
    for network in places:
        net, node = ip_network(network), 0
        bits = [int(net.network_address) >> (31 - depth) & 1 for depth in range(net.prefixlen)]
        for bit in bits[:-1]:
            below = tree[node][bit]
            if not isinstance(below, int):
                tree.append([None, None])
                below = tree[node][bit] = len(tree) - 1
            node = below
        tree[node][bits[-1]] = network
    data, at = b"", dict[str, int]()
    for network, place in places.items():
        at[network] = len(data)
        data += _encode(place)
    count = len(tree)

    def side(value: int | str | None) -> bytes:
        number = count if value is None else value if isinstance(value, int) else count + 16 + at[value]
        return number.to_bytes(3, "big")

    nodes = b"".join(side(value) for node in tree for value in node)
    about = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "database_type": "Test",
        "description": {"en": "Test"},
        "ip_version": 4,
        "languages": ["en"],
        "node_count": count,
        "record_size": 24,
    }
    return nodes + bytes(16) + data + MARK + _encode(about)


def _encode(value: object, kind: int = UINT16) -> bytes:
    match value:
        case str():
            text = value.encode()
            return _head(TEXT, len(text)) + text
        case int():
            raw = struct.pack(">I", value).lstrip(b"\0")
            return _head(kind, len(raw)) + raw
        case dict():
            return _head(MAP, len(value)) + b"".join(
                _encode(name) + _encode(item, KINDS.get(name, UINT16)) for name, item in value.items()
            )
        case list():
            return _head(LIST, len(value)) + b"".join(map(_encode, value))
        case _:
            raise TypeError(value)


def _head(kind: int, size: int) -> bytes:
    assert size < 285
    small, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | small]) + more if kind < 8 else bytes([small, kind - 7]) + more
