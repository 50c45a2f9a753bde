"""A service beside the one that logs people in: FastAPI, access tokens, no database.

ISSUER=https://id.example ORDERS_KEY=osv1… granian --interface asgi examples.orders_fastapi:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header

from ostiary.errors import OstiaryError
from ostiary.starlette import refuse
from ostiary.verify import Principal, Verifier

verifier = Verifier(os.environ["ISSUER"], audience="orders", key=os.environ["ORDERS_KEY"])


@asynccontextmanager
async def following(_: FastAPI) -> AsyncGenerator[None]:
    """Hear of logouts, keys and roles for as long as the service runs."""
    async with verifier:
        yield


def principal(authorization: Annotated[str | None, Header()] = None) -> Principal:
    """Say who is asking, from memory."""
    return verifier.verify_header(authorization)


app = FastAPI(lifespan=following)
app.add_exception_handler(OstiaryError, refuse)  # 401 with a challenge; 503 while nobody can say


@app.get("/orders")
async def orders(who: Annotated[Principal, Depends(principal)]) -> dict[str, str]:
    """Return what belongs to whoever asks."""
    return {"orders_of": who.user_id}
