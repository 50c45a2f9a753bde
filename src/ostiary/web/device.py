"""What a client says of itself, for the person who reads the list of their devices. Never evidence."""

import re
import unicodedata

from ostiary.core.network import address
from ostiary.core.session import Device

LONGEST_NAME = 64
LONGEST_USER_AGENT = 256


def describe(user_agent: str, *, client: str, named: str = "") -> Device:
    """Return the device as it is remembered with its session. A name the client gives wins over one that is guessed."""
    agent = printable(user_agent, LONGEST_USER_AGENT)
    return Device(name=printable(named, LONGEST_NAME) or recognise(agent), user_agent=agent, ip=address(client))


def recognise(user_agent: str) -> str:
    """Return a name that a person recognises, such as "Firefox on Linux". Empty when nothing is known."""
    if not user_agent:
        return ""
    # Its patterns take a tenth of a second to load, which only whoever logs somebody in has to wait for.
    import ua_parser  # noqa: PLC0415

    found = ua_parser.parse(user_agent)
    program = found.user_agent.family if found.user_agent is not None else re.split("[/ ]", user_agent, maxsplit=1)[0]
    system = found.os.family if found.os is not None else ""
    return f"{program} on {system}"[:LONGEST_NAME] if system else program[:LONGEST_NAME]


def printable(text: str, longest: int) -> str:
    """Return a text on one line, without anything that a terminal or a page could stumble over."""
    kept = "".join(" " if c.isspace() else c for c in text[: 4 * longest] if c.isprintable() or c.isspace())
    return unicodedata.normalize("NFC", " ".join(kept.split()))[:longest].strip()
