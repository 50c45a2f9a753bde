"""Network addresses in one canonical form, and whose address a request came from.

`X-Forwarded-For` is believed as far as its writers are trusted. It is read from the right, beginning with the peer:

| the address                                                       | then                              |
|-------------------------------------------------------------------|-----------------------------------|
| is in no trusted network                                          | it is the client's                |
| is a trusted proxy's, and an address stands to the left of it     | look at that one                  |
| is a trusted proxy's, and nothing, or no address, stands there    | it is the client's                |

So with no trusted proxy the header means nothing, and what a client writes into it is never read: the first proxy of
ours has put the client's address to the right of that. `Forwarded` (RFC 7239) means nothing at all.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def address(client: str) -> str:
    """Return an address in its canonical form. What is none, such as a socket's name, is the empty string."""
    try:
        ip = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


def network(text: str) -> Network:
    """Read an address, or a network such as `10.0.0.0/8`.

    Raises:
        ValueError: it is neither, or is everything: then any client could say that it is another.
    """
    try:
        found = ip_network(text)
    except ValueError:
        raise ValueError(
            f"the trusted proxy {text!r} must be an address or a network such as 10.0.0.0/8, zeros after its prefix"
        ) from None
    if found.prefixlen == 0:
        raise ValueError(f"the trusted proxy {text!r} is everybody, so every client could claim any address")
    return found


def client(peer: str, forwarded: Sequence[str], *, trusted: Sequence[Network]) -> str:
    """Return the address that a request came from. `forwarded` are its headers `X-Forwarded-For`, in order."""
    hops = [hop for header in forwarded for hop in header.split(",")]
    here = address(peer)
    while hops and _is_in(here, trusted):
        before = _hop(hops.pop())
        if not before:
            break
        here = before
    return here


def _is_in(canonical: str, trusted: Sequence[Network]) -> bool:
    return bool(canonical) and any(ip_address(canonical) in network for network in trusted)


def _hop(text: str) -> str:
    """Read one address of the header. Some proxies add the port."""
    hop = text.strip()
    if hop.startswith("["):
        return address(hop[1:].partition("]")[0])
    return address(hop.partition(":")[0] if hop.count(":") == 1 else hop)


def neighbourhood(client: str) -> str:
    """Return what is throttled together: an IPv4 address, or the /64 that one subscriber of IPv6 has to themself."""
    canonical = address(client)
    if ":" not in canonical:
        return canonical
    return f"{IPv6Address(int(IPv6Address(canonical)) >> 64 << 64)}/64"


def is_loopback(host: str) -> bool:
    """Tell whether a host, by its name (RFC 6761 section 6.3) or address, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
