"""A WebSocket that ends when its session does.

It was let in once and would stay for days; so whoever let it in looks again when something is heard of its session, and
when nothing is heard at all: then it ends with the lease.
"""

import asyncio
from contextlib import suppress

from ostiary.asgi.types import App, Message, Receive, Scope, Send
from ostiary.auth import Auth
from ostiary.core.access import Principal

SESSION_OVER = 4401
"""The code that a WebSocket is closed with when its session is over, or may do other things than when it opened."""


_OVER: Message = {"type": "websocket.disconnect", "code": SESSION_OVER, "reason": "the session is over"}


class Attended:
    """A WebSocket between a server and an application. It goes on until one of them is done, or the session over."""

    def __init__(self, receive: Receive, send: Send, *, auth: Auth, who: Principal) -> None:
        self._receive = receive
        self._send = send
        self._over = self._done = False
        self._incoming: asyncio.Future[Message] | None = None
        self._watching = asyncio.create_task(self._watch(auth, who))

    async def run(self, app: App, scope: Scope) -> None:
        """Let an application talk. When the session is over it hears that the client has gone."""
        try:
            await app(scope, self._hear, self._say)
        finally:
            if not self._over:
                self._done = True
                self._watching.cancel()
            await asyncio.wait((self._watching,))

    async def _watch(self, auth: Auth, who: Principal) -> None:
        await _until_over(auth, who)
        self._over = True
        if self._incoming is not None:
            # A server may hold back what is sent for as long as somebody waits for what comes: granian does.
            self._incoming.cancel()
            await asyncio.wait((self._incoming,))
        if not self._done:
            self._done = True
            with suppress(OSError):  # the client has gone by itself
                await self._send({"type": "websocket.close", "code": SESSION_OVER, "reason": _OVER["reason"]})

    async def _hear(self) -> Message:
        if not self._over:
            self._incoming = asyncio.ensure_future(self._receive())
            try:
                await asyncio.wait((self._incoming,))
            finally:
                self._incoming.cancel()
            if not self._over:
                return self._incoming.result()
        await asyncio.wait((self._watching,))  # whoever hears of the end returns, and then nobody would say why
        return dict(_OVER)

    async def _say(self, message: Message) -> None:
        closes = message["type"] == "websocket.close"
        if self._done and closes:
            return  # a framework that hears of the end says it once more
        if self._done:
            raise OSError("the WebSocket is closed")
        self._done = closes
        await self._send(message)


async def _until_over(auth: Auth, who: Principal) -> None:
    """Return when a session is over.

    A floor that arrives wakes it, and so do roles and keys. By itself it looks now and then in the store, for that a
    session has ended by its own time is known only there. When half the lease has gone by without another one, it asks
    for that itself, and where nobody can give it the end of the lease is the session's: who began to ask only then
    would let a session talk for as long as the question lasts.
    """
    elapsed = auth.clock.elapsed
    believed = auth.policy.believed.total_seconds()
    half = auth.policy.lease.total_seconds() / 2
    asked_at = elapsed()
    with auth.floors.watching(who.session_id) as stirred:
        while True:
            stirred.clear()
            now = elapsed()
            ask = now - asked_at >= believed
            if not await auth.guard.still(who, ask=ask):
                return
            if ask:
                asked_at = now
            fresh_until = auth.floors.fresh_until
            if elapsed() < fresh_until - half:
                await _within(stirred, min(fresh_until - half, asked_at + believed) - elapsed())
            elif not await _renewed(auth, fresh_until - elapsed()):
                await _within(stirred, fresh_until - elapsed())
                if elapsed() >= auth.floors.fresh_until:
                    return


async def _renewed(auth: Auth, seconds: float) -> bool:
    """Ask for another lease, and tell whether it came in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await auth.guard.renewed()
    return False


async def _within(stirred: asyncio.Event, seconds: float) -> None:
    """Wait until something is heard, so long at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stirred.wait()
