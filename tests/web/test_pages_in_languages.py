"""The pages speak the language of who reads them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.languages import LANGUAGES, Language
from ostiary.stores.memory import MemoryStore
from ostiary.web.pages import Look
from tests.conftest import ISSUER, PASSWORD, make_house
from tests.geoip.mmdb import database
from tests.web.conftest import BROWSER, echo

ADA = {"email": "ada@example.com", "password": PASSWORD}
PLACES: dict[str, object] = {"192.0.2.0/24": {"city": {"names": {"en": "Munich", "de": "München"}}}}


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before a house with one user, and a file of places."""
    file = tmp_path / "places.mmdb"
    file.write_bytes(database(PLACES))
    house = make_house(MemoryStore(), tmp_path)
    async with house.auth.running():
        await house.user()
        door = httpx.ASGITransport(Door(echo, house.auth, pages=Look(geoip=file)), client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=door, base_url=ISSUER, headers=BROWSER) as made:
            yield made


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
async def test_every_page(browser: httpx.AsyncClient, language: Language) -> None:
    """Every page says in which language it is, and is in it; so is what was wrong with a form."""
    browser.headers["accept-language"] = f"{language.tag}, en;q=0.5"
    wrong = await browser.post("/auth/sign-in", data={**ADA, "password": ""})
    await browser.post("/auth/sign-in", data=ADA)
    inside = [await browser.get(path) for path in ("/auth/account", "/auth/devices", "/auth/activity")]

    assert language.text("Write your password.") in wrong.text
    for page in (wrong, *inside):
        assert page.headers["content-language"] == language.tag
        assert f'<html lang="{language.tag}">' in page.text
    for page in inside:
        assert page.status_code == 200
        assert language.text("Sign out") in page.text


async def test_where_a_device_is(browser: httpx.AsyncClient) -> None:
    """The list of devices says where each is and when it was last seen, in the reader's words."""
    browser.headers["accept-language"] = "de"
    await browser.post("/auth/sign-in", data=ADA)

    page = await browser.get("/auth/devices")

    assert "192.0.2.7 · München · " in page.text
    assert "zuletzt gesehen: gerade eben" in page.text
