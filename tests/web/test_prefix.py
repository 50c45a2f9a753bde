"""The routes under another prefix than `/auth`: nothing that is sent says otherwise."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.mount import Mount
from ostiary.stores.memory import MemoryStore
from ostiary.web.endpoints import TABLE
from ostiary.web.pages.table import PAGES
from tests.conftest import ISSUER, PASSWORD, make_house
from tests.web.conftest import BROWSER, echo

ADA = {"email": "ada@example.com", "password": PASSWORD}
OURS = Mount("/api/people")
ELSEWHERE = re.compile(r"(?<![\w/])/auth(?![\w-])")
"""The prefix that nothing is under here."""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before a door whose routes and pages are somewhere else."""
    house = make_house(MemoryStore(), tmp_path)
    async with house.auth.running():
        await house.user()
        door = Door(echo, house.auth, prefix=OURS.prefix, service=True, pages=True)
        transport = httpx.ASGITransport(door)
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=BROWSER) as client:
            yield client


async def test_every_route(client: httpx.AsyncClient) -> None:
    """Each route of the table answers under the prefix, and under the old one the application does."""
    there, behind = {}, {}
    for route in TABLE:
        path = route.path.replace("{id}", "x")
        there[route.path] = (await client.options(OURS.at(path))).status_code
        if path.startswith("/auth"):
            behind[route.path] = (await client.options(path)).status_code

    assert set(there.values()) <= {204, 405}  # a page shares its path with a route, and takes no OPTIONS
    assert set(behind.values()) == {418}


async def test_every_page(client: httpx.AsyncClient) -> None:
    """No page, no way on and no refusal leads to the old prefix, signed in or not."""
    answers = [await client.get(OURS.at(page.path)) for page in PAGES]
    answers += [await client.post(OURS.at(page.path), data={"x": "y"}) for page in PAGES if page.take is not None]
    entered = await client.post(OURS.at("/auth/sign-in"), data=ADA)
    answers += [entered] + [await client.get(OURS.at(page.path)) for page in PAGES]
    shown = (await client.get(OURS.at("/auth/devices"))).text
    token = re.findall('name="csrf" value="([^"]+)"', shown)[0]
    ended = {"csrf": token, "do": "end-others"}
    answers += [await client.post(OURS.at("/auth/devices"), data=ended)]
    answers += [await client.post(OURS.at("/auth/sign-out"), data={"csrf": token})]

    assert entered.headers["location"] == "/api/people/account"
    assert "Path=/;" in entered.headers["set-cookie"] + ";"
    assert not [answer.url.path for answer in answers if ELSEWHERE.search(answer.text)]
    assert not [at for answer in answers if ELSEWHERE.search(at := answer.headers.get("location", ""))]


async def test_every_file(client: httpx.AsyncClient) -> None:
    """What a page is made of stands under the prefix, too."""
    page = (await client.get(OURS.at("/auth/sign-in"))).text
    files = re.findall(r'(?:href|src)="([^"]+\.(?:css|js|svg))"', page)

    assert len(files) >= 3
    assert {(await client.get(file)).status_code for file in files} == {200}
    assert all(file.startswith("/api/people/static/") for file in files)


async def test_document(client: httpx.AsyncClient) -> None:
    """The OpenAPI document names the paths as they are served; the key set stays where everybody looks for it."""
    document = await client.get("/openapi.json")

    assert not ELSEWHERE.search(document.text)
    assert {"/api/people/login", "/.well-known/jwks.json"} <= set(document.json()["paths"])


async def test_a_way_on_is_no_route(client: httpx.AsyncClient) -> None:
    """A path of the application that begins as ours once did is left as it is."""
    answer = await client.post(OURS.at("/auth/sign-in"), data=ADA | {"next": "/auth/history"})

    assert answer.headers["location"] == "/auth/history"


@pytest.mark.parametrize(
    "prefix", ["", "/", "auth", "/auth/", "//auth", "/../auth", "/a b", "/a?b", "/.well-known", "/é"]
)
def test_no_prefix(prefix: str) -> None:
    """What is no plain path is refused when it is written."""
    with pytest.raises(ValueError, match="must be a path such as /auth"):
        Mount(prefix)
