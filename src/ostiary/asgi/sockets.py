"""A WebSocket that ends when its session does.

It was let in once and would stay for days; so whoever let it in looks again when something is heard of its session, or
when the lease has run out and nothing can be heard.
"""

import asyncio
from contextlib import suppress

from ostiary.asgi.types import App, Message, Receive, Scope, Send
from ostiary.auth import Auth
from ostiary.core.access import Principal

SESSION_OVER = 4401
"""The code that a WebSocket is closed with when its session is over, or may do other things than when it opened."""


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
    """Return when a session is over.

    A floor that arrives wakes it, and so do roles and keys. By itself it looks when the lease would have run out, and
    now and then in the store, for that a session has ended by its own time is known only there.
    """
    elapsed = auth.clock.elapsed
    believed = auth.policy.believed.total_seconds()
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
            wake_at = min(auth.floors.fresh_until, asked_at + believed)
            with suppress(TimeoutError):
                async with asyncio.timeout(wake_at - elapsed()):
                    await stirred.wait()
