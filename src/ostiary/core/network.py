"""Network addresses in one canonical form."""

from ipaddress import IPv6Address, ip_address


def address(client: str) -> str:
    """Return an address in its canonical form. What is none, such as a socket's name, is the empty string."""
    try:
        ip = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


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
