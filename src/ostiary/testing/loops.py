"""Does something with an `Auth` in the event loop that it runs in, from a test that waits for nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ostiary.auth import Auth
from ostiary.errors import Misconfigured

T = TypeVar("T")


def in_loop_of(auth: Auth, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what comes of a coroutine in the event loop of a running `Auth`. The client of a test runs it elsewhere.

    Raises:
        Misconfigured: it does not run, or it runs here, where waiting for it would be for ever.
    """
    loop = auth.upkeep.loop
    if loop is None or not loop.is_running():
        raise Misconfigured(
            "the application does not run, so there is nobody to make a session: "
            "enter its client (`with TestClient(app) as client:`), or use httpx.AsyncClient"
        )
    if loop is asyncio._get_running_loop():  # noqa: SLF001 - the one that does not raise
        raise Misconfigured("the application runs in the event loop of this test: use an asynchronous client")
    return asyncio.run_coroutine_threadsafe(work(), loop).result()
