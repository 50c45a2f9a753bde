"""What a page costs."""

import time

import httpx

from ostiary.asgi import Door
from tests.conftest import ISSUER
from tests.web.conftest import Place, echo


async def test_sign_in_page(place: Place) -> None:
    """The sign-in page takes some milliseconds of CPU."""
    door = Door(echo, place.auth, pages=True)
    costs: list[float] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url=ISSUER) as client:
        for _ in range(20):
            before = time.process_time()
            answer = await client.get("/auth/sign-in")
            costs.append(time.process_time() - before)
            assert answer.status_code == 200

    assert min(costs) < 0.02
