"""An event loop in a thread of its own, for programs that have none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

from ostiary.errors import Unavailable


class Background:
    """Runs one coroutine until it is stopped. The thread does not keep the program from ending."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        self._run = run
        self._began = threading.Event()
        self._running: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop, while it runs."""
        self._thread = threading.Thread(target=asyncio.run, args=(self._live(),), name=name, daemon=True)
        self._thread.start()
        self._began.wait()

    def stop(self) -> None:
        """Stop, and wait until everything is let go of."""
        if self.loop is not None and self._running is not None:
            self.loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join()

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._running = asyncio.create_task(self._run())
        self._began.set()
        try:
            await asyncio.wait([self._running])
        finally:
            self.loop = None


def wait_in(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None], *, within: float) -> None:
    """Wait for what is done in another thread's event loop.

    Raises:
        Unavailable: that loop was stopped meanwhile, or did not come to it in time.
    """
    try:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(within)
    except (RuntimeError, CancelledError, TimeoutError):
        coroutine.close()
        raise Unavailable("the verifier does not answer, or was stopped") from None
