"""How the tests ask a verifier, and wait for what it will say."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from ostiary.core.decision import Reason
from ostiary.verify import Refused, Stale, Unavailable, Verifier

SOON = timedelta(seconds=20)


async def until(is_so: Callable[[], bool], *, within: float = 20) -> float:
    """Wait until something is so, and return how many seconds it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within
        await asyncio.sleep(0.001)
    return time.monotonic() - began


def outcome(verifier: Verifier, token: str, stale: Stale = "refuse") -> Reason | str:
    """Return what becomes of a token: the reason of its refusal, `unavailable`, or `in`."""
    try:
        verifier.verify(token, stale=stale)
    except Refused as refused:
        return refused.reason
    except Unavailable:
        return "unavailable"
    return "in"
