"""How a commit is waited for: whoever has asked for one leaves only when it is decided."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def decided(work: Awaitable[Result]) -> Result:
    """Wait until something is done or has failed. Who is cancelled meanwhile hears of that only then."""
    doing = asyncio.ensure_future(work)
    cancelled = None
    while not doing.done():
        try:
            await asyncio.wait([doing])
        except asyncio.CancelledError as error:
            cancelled = error
    failed = doing.exception()
    if cancelled is not None:
        raise cancelled
    if failed is not None:
        raise failed
    return doing.result()
