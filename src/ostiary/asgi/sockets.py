"""A WebSocket that ends when its session does.

It was let in once and would stay for days; so whoever let it in looks again, from memory, several times within a lease.
"""

import asyncio
from contextlib import suppress

from ostiary.asgi.types import App, Message, Receive, Scope, Send
from ostiary.auth import Auth
from ostiary.core.access import Principal

SESSION_OVER = 4401
"""The code that a WebSocket is closed with when its session is over, or may do other things than when it opened."""

_LOOKS_IN_A_LEASE = 8


async def attend(app: App, scope: Scope, receive: Receive, send: Send, *, auth: Auth, who: Principal) -> None:
    """Let an application talk until it is done or the session is over. Then it hears that the client has gone."""
    done = False

    async def watch() -> None:
        nonlocal done
        await _until_over(auth, who)
        if not done:
            done = True
            with suppress(OSError):  # the client has gone by itself
                await send({"type": "websocket.close", "code": SESSION_OVER, "reason": "the session is over"})

    watching = asyncio.create_task(watch())

    async def hear() -> Message:
        incoming = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((incoming, watching), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return {"type": "websocket.disconnect", "code": SESSION_OVER, "reason": "the session is over"}
            return incoming.result()
        finally:
            incoming.cancel()

    async def say(message: Message) -> None:
        nonlocal done
        closes = message["type"] == "websocket.close"
        if done and closes:
            return  # a framework that hears of the end says it once more
        if done:
            raise OSError("the WebSocket is closed")
        done = closes
        await send(message)

    try:
        await app(scope, hear, say)
    finally:
        done = True
        watching.cancel()
        await asyncio.wait((watching,))


async def _until_over(auth: Auth, who: Principal) -> None:
    """Return when a session is over. Whether it has ended by itself only the store knows: it is asked now and then."""
    every = auth.policy.lease.total_seconds() / _LOOKS_IN_A_LEASE
    believed = auth.policy.believed.total_seconds()
    asked_at = auth.clock.elapsed()
    ask = False
    while await auth.guard.still(who, ask=ask):
        await asyncio.sleep(every)
        ask = auth.clock.elapsed() - asked_at >= believed
        if ask:
            asked_at = auth.clock.elapsed()
