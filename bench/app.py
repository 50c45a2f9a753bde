"""One small Starlette application, twice: bare, and behind the door with its route protected."""

import os
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ostiary import Auth
from ostiary.asgi import Door, Requires


async def hello(_: Request) -> PlainTextResponse:
    """Say hello."""
    return PlainTextResponse("hello")


def bare() -> Any:  # noqa: ANN401 - an ASGI application
    """Return the application as it is."""
    return Starlette(routes=[Route("/hello", hello)])


def guarded() -> Any:  # noqa: ANN401 - an ASGI application
    """Return the application behind the door, for logged-in users only."""
    auth = Auth.embedded(os.environ["BENCH_STORE"], issuer=os.environ["BENCH_ISSUER"])
    return Door(Requires(bare()), auth)
