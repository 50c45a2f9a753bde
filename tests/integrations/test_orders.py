"""The examples of services that only verify: who is let in, who is refused, and what is said when nobody knows."""

import asyncio
import json
import runpy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from werkzeug.test import TestResponse

from ostiary.verify import Verifier
from tests.core.vectors import CLAIMS
from tests.verify.asking import SOON, until
from tests.verify.issuer import KEY, Issuer, hang, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
Ask = Callable[[dict[str, str]], Coroutine[Any, Any, "httpx.Response | TestResponse"]]


@asynccontextmanager
async def fastapi() -> AsyncGenerator[tuple[Ask, Verifier]]:
    """Run the example for FastAPI."""
    module = runpy.run_path(str(EXAMPLES / "orders_fastapi.py"))
    app, verifier = module["app"], module["verifier"]
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://o") as client:
        await verifier.until_ready(SOON)
        yield lambda headers: client.get("/orders", headers=headers), verifier


@asynccontextmanager
async def flask() -> AsyncGenerator[tuple[Ask, Verifier]]:
    """Run the example for Flask, whose requests are answered in threads."""
    module = await asyncio.to_thread(runpy.run_path, str(EXAMPLES / "orders_flask.py"))
    client, verifier = module["app"].test_client(), module["verifier"]
    try:
        await asyncio.to_thread(verifier.wait_ready, SOON)
        yield lambda headers: asyncio.to_thread(client.get, "/orders", headers=headers), verifier
    finally:
        await asyncio.to_thread(verifier.stop)


@pytest.fixture
async def issuer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Issuer]:
    """An issuer that serves, and is named in the environment."""
    async with serving(Issuer()) as issuer:
        monkeypatch.setenv("ISSUER", issuer.url)
        monkeypatch.setenv("ORDERS_KEY", KEY)
        yield issuer


@pytest.mark.parametrize("example", [fastapi, flask])
async def test_orders(issuer: Issuer, example: Callable[[], Any]) -> None:
    """A token lets in; none, a bad or a dead one is a 401 with a challenge; what nobody knows is a 503."""
    bearer = {"authorization": f"Bearer {issuer.token()}"}
    async with example() as (ask, verifier):
        entered = await ask(bearer)
        anonymous = await ask({})
        forged = await ask({"authorization": "Bearer x.y.z"})
        issuer.revoke()
        await until(lambda: verifier._source.view.floors.of != {})
        dead = await ask(bearer)
        issuer.instead["/auth/feed/head"] = hang
        await until(lambda: not verifier.ready)
        unsure = await ask({"authorization": f"Bearer {issuer.token('other')}"})

    assert (entered.status_code, json.loads(entered.text)) == (200, {"orders_of": CLAIMS["sub"]})
    assert anonymous.status_code == forged.status_code == dead.status_code == 401
    assert anonymous.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    assert 'error="invalid_token"' in forged.headers["www-authenticate"]
    assert forged.text == dead.text
    assert (unsure.status_code, unsure.headers["retry-after"]) == (503, "1")
    assert unsure.headers["content-type"] == "application/problem+json"
