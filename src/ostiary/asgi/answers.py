"""How a response is sent, whole or as it comes, and what a refusal of an application says."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from ostiary import languages
from ostiary.asgi.types import Receive, Scope, Send
from ostiary.errors import OstiaryError
from ostiary.languages import Language
from ostiary.web import problem
from ostiary.web.http import Response
from ostiary.web.standing import mount

_TAKEN_IN_WITHIN = 5.0
"""Seconds that a client may take for one chunk of a stream. Who is slower comes again and goes on where it was."""


def language(scope: Scope) -> Language:
    """Return the language that the client of a request asks for."""
    wished = [value for name, value in scope["headers"] if name == b"accept-language"]
    return languages.of(wished[0].decode("latin-1") if len(wished) == 1 else None)


def refused(error: OstiaryError, scope: Scope) -> Response:
    """Return what is answered where an application lets an error through."""
    return problem.of(error).response(mount(scope), language(scope))


async def respond(response: Response, scope: Scope, send: Send) -> None:
    """Send a response. To a WebSocket that is not open yet it is the answer to its handshake."""
    prefix = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http.response"
    headers = list(response.headers)
    if response.status not in (204, 304):  # they have no body, and 304 would speak of another one's length
        headers.append((b"content-length", str(len(response.body)).encode()))
    body = b"" if scope.get("method") == "HEAD" else response.body
    with suppress(OSError):  # the client has gone
        await send({"type": f"{prefix}.start", "status": response.status, "headers": headers})
        await send({"type": f"{prefix}.body", "body": body})


async def flow(response: Response, stream: AsyncGenerator[bytes], scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response that goes on until it ends, or until the client has gone or takes nothing in."""

    async def say(what: str, **more: object) -> None:
        async with asyncio.timeout(_TAKEN_IN_WITHIN):
            await send({"type": f"http.response.{what}", **more})

    async def sending() -> None:
        await say("start", status=response.status, headers=list(response.headers))
        if scope["method"] != "HEAD":
            async for chunk in stream:
                await say("body", body=chunk, more_body=True)
                await asyncio.sleep(0)  # a server that need not wait gives nobody else a turn
        await say("body")

    tasks = [asyncio.create_task(sending()), asyncio.create_task(_gone(receive))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        sent, _ = await asyncio.gather(*tasks, return_exceptions=True)
        await stream.aclose()
    if isinstance(sent, Exception) and not isinstance(sent, OSError):  # a time-out is an OSError, too
        raise sent


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
