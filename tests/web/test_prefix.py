"""The routes under another prefix than `/auth`: nothing that is sent says otherwise."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.access import Principal
from ostiary.core.letter import About
from ostiary.core.mount import Mount
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.stores.memory import MemoryStore
from ostiary.web.endpoints import TABLE
from ostiary.web.pages.table import PAGES
from tests.auth.mailing import letter
from tests.conftest import ISSUER, PASSWORD, House, make_house
from tests.web.conftest import BROWSER, echo

ADA = {"email": "ada@example.com", "password": PASSWORD}
OURS = Mount("/api/people")
ELSEWHERE = re.compile(r"(?<![\w/])/auth(?![\w-])")
"""The prefix that nothing is under here."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose routes and pages are somewhere else, and one user."""
    house = make_house(MemoryStore(), tmp_path, site=Site.of(ISSUER, prefix=OURS.prefix))
    async with house.auth.running():
        await house.user()
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before its door."""
    transport = httpx.ASGITransport(Door(echo, house.auth, service=True, pages=True))
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


async def test_every_letter(house: House, client: httpx.AsyncClient) -> None:
    """Each link in a letter leads to a page that is there; so does that of an invitation where it is shown."""
    auth = house.auth
    account = await auth.accounts.find("ada@example.com")
    assert account is not None
    who = await house.check(await house.login(Carrier.BEARER))
    assert isinstance(who, Principal)
    await auth.flows.send_verification("ada@example.com")
    await auth.flows.forgot("ada@example.com")
    await auth.flows.change_email(who, await auth.prove("ada@example.com", PASSWORD), new="ada@other.example")
    shown = await auth.flows.invite("bob@example.com", actor=account.user.id)
    asked = (
        (About.VERIFY_EMAIL, "ada@example.com", "/auth/verify"),
        (About.RESET_PASSWORD, "ada@example.com", "/auth/reset"),
        (About.CHANGE_EMAIL, "ada@other.example", "/auth/confirm-email"),
        (About.INVITATION, "bob@example.com", "/auth/invitation"),
    )

    links = {page: (await letter(house, about, to)).values["link"] for about, to, page in asked}
    answers = [await client.get(link) for link in links.values()]

    assert all(link.startswith(f"{ISSUER}{OURS.at(page)}?token=") for page, link in links.items())
    assert links["/auth/invitation"] == shown
    assert [answer.status_code for answer in answers] == [200] * len(asked)
    assert not [answer.url for answer in answers if ELSEWHERE.search(answer.text)]


async def test_every_step(house: House, client: httpx.AsyncClient) -> None:
    """What an answer names as next is where it says, be the answer a refusal or not."""
    refused = await client.get(OURS.at("/auth/session"))
    letter_sent = await client.post(OURS.at("/auth/password/forgot"), json={"email": "ada@example.com"})
    void = await client.post(OURS.at("/auth/password/reset"), json={"token": "x" * 43, "new": "another lantern"})

    steps = [step["route"] for answer in (refused, letter_sent, void) for step in answer.json()["next"]]

    assert steps == [OURS.at(name) for name in ("/auth/login", "/auth/password/reset", "/auth/password/forgot")]
    assert [(await client.options(step)).status_code for step in steps] == [204] * 3


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
