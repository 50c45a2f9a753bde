"""What a person changes about their account: name, language, and whether there is one; and who is the first."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.events import Event, Kind
from ostiary.core.letter import About
from ostiary.core.site import Site
from ostiary.languages import LANGUAGES, Language
from ostiary.server.app import nowhere
from ostiary.stores.memory import MemoryStore
from ostiary.web.pages import Pages
from tests.auth.mailing import letter
from tests.conftest import ISSUER, PASSWORD, House, make_house

ADA = {"email": "ada@example.com", "password": PASSWORD}
LOCAL = "http://localhost:8000"
OF_NOBODY = {
    Kind.INVITED,
    Kind.ROLE_TABLE_CHANGED,
    Kind.KEY_ROTATED,
    Kind.KEY_RETIRED,
    Kind.VERIFIER_ADDED,
    Kind.VERIFIER_REMOVED,
    Kind.USER_DELETED,
}
"""What is on record of no account that anybody can look at."""


def browser(house: House, client: str = "127.0.0.1") -> httpx.AsyncClient:
    """Return a browser before the stand-alone service."""
    door = Door(nowhere(Pages(house.auth, service=True)), house.auth, service=True, pages=True)
    issuer = house.auth.site.issuer
    headers = {"sec-fetch-site": "same-origin", "origin": issuer, "accept": "text/html,*/*;q=0.8"}
    transport = httpx.ASGITransport(door, client=(client, 1))
    return httpx.AsyncClient(transport=transport, base_url=issuer, headers=headers)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A started house with one user."""
    made = make_house(MemoryStore(), tmp_path, site=Site.of(ISSUER))
    async with made.auth.running():
        await made.user()
        yield made


@pytest.fixture
async def ada(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that Ada is signed in at."""
    async with browser(house) as made:
        await made.post("/auth/sign-in", data=ADA)
        yield made


async def test_another_language(house: House, ada: httpx.AsyncClient) -> None:
    """Pages and letters are in the language that the account chose, whatever the browser asks for; or the browser's."""
    ada.headers["accept-language"] = "de"
    before = await ada.get("/auth/account")
    chosen = await ada.post("/auth/account/profile", data={"name": "Ada", "language": "fr"})
    after = await ada.get("/auth/account")
    wrong = await ada.post("/auth/account", data={"password": "", "new": ""})
    await ada.post("/auth/account/email", data={"do": "", "email": "new@example.com", "password": PASSWORD})
    written = await letter(house, About.CHANGE_EMAIL, to="new@example.com")
    await ada.post("/auth/account/profile", data={"name": "Ada", "language": ""})
    at_last = await ada.get("/auth/account")

    assert (chosen.status_code, chosen.headers["location"]) == (303, "/auth/account?done=saved")
    assert [page.headers["content-language"] for page in (before, after, wrong, at_last)] == ["de", "fr", "fr", "de"]
    assert written.language == "fr"


async def test_letters_of_a_client_are_in_the_accounts_language(house: House, ada: httpx.AsyncClient) -> None:
    """The letter to a new address is in the account's language for a client that asks for another, too."""
    await ada.patch("/auth/account", json={"language": "ja"})
    change = {"email": "new@example.com", "password": PASSWORD}
    answer = await ada.post("/auth/email/change", json=change, headers={"accept": "*/*", "accept-language": "de"})

    assert answer.status_code == 202
    assert (await letter(house, About.CHANGE_EMAIL, to="new@example.com")).language == "ja"


async def test_another_name(house: House, ada: httpx.AsyncClient) -> None:
    """A person changes their name; a language that nobody speaks is refused, and what was typed stays."""
    await ada.post("/auth/account/profile", data={"name": "Ada <King>", "language": ""})
    refused = await ada.post("/auth/account/profile", data={"name": "Lovelace", "language": "xx"})
    account = await house.auth.accounts.find("ada@example.com")

    assert refused.status_code == 422
    assert 'value="Lovelace"' in refused.text
    assert 'id="language-wrong"' in refused.text
    assert account is not None
    assert account.user.name == "Ada <King>"


async def test_delete(house: House, ada: httpx.AsyncClient) -> None:
    """Who shows their password again deletes their account; with a wrong one, or none, it stays."""
    wrong = [
        await ada.post("/auth/account/delete", data={"password": typed}) for typed in ("", "a lantern in the desert")
    ]
    there = await house.auth.accounts.find("ada@example.com")
    gone = await ada.post("/auth/account/delete", data={"password": PASSWORD})
    after = await ada.get("/auth/account")
    said = await ada.get(gone.headers["location"])

    assert [answer.status_code for answer in wrong] == [422, 401]
    assert there is not None
    assert (gone.status_code, after.status_code) == (303, 303)
    assert "Your account is deleted." in said.text
    assert await house.auth.accounts.find("ada@example.com") is None


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
async def test_activity_has_words(house: House, ada: httpx.AsyncClient, language: Language) -> None:
    """Whatever a person may see of what happened is said in words of their language."""
    account = await house.auth.accounts.find("ada@example.com")
    assert account is not None
    kinds = set(Kind) - OF_NOBODY
    async with house.store.write() as tx:
        now = house.clock.now()
        await tx.events.add(*(Event(kind=kind, at=now, user_id=account.user.id) for kind in kinds))

    page = await ada.get("/auth/activity", headers={"accept-language": language.tag})

    assert page.text.count("<li>") >= len(kinds)
    assert [kind for kind in kinds if f">{kind.value}<" in page.text] == []


@pytest.mark.parametrize("path", ["/nowhere", "/auth/nowhere", "/auth/static/x.css"])
async def test_an_unknown_address(house: House, path: str) -> None:
    """Where nothing is, who reads pages gets one, in their language, and a client of the API a problem."""
    async with browser(house) as client:
        page = await client.get(path, headers={"accept-language": "de"})
        data = await client.get(path, headers={"accept": "application/json"})

    assert (page.status_code, data.status_code) == (404, 404)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Hier ist nichts." in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert data.json()["code"] == "not_found"


# ------------------------------------------------------------------------------------------------ the first of all


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[House]:
    """A house on this machine, with nobody in it."""
    made = make_house(MemoryStore(), tmp_path, site=Site.of(LOCAL))
    async with made.auth.running():
        yield made


async def test_the_first_administrator(fresh: House) -> None:
    """Who opens the link from the terminal makes their account and is in, with the role; the index page says how."""
    link = await fresh.auth.beginning.link()
    assert link is not None
    at = urlsplit(link)
    async with browser(fresh) as first:
        index = await first.get("/")
        shown = await first.get(f"{at.path}?{at.query}")
        token = at.query.removeprefix("token=")
        wrong = await first.post(at.path, data={**ADA, "token": token, "name": "", "password": "ada"})
        entered = await first.post(at.path, data={**ADA, "token": token, "name": "Ada"})
        account = await first.get("/auth/account?done=administrator")
        again = await first.get(f"{at.path}?{at.query}")
        index_after = await first.get("/")
    found = await fresh.auth.accounts.find("ada@example.com")

    assert "There is no administrator yet." in index.text
    assert "There is no administrator yet." not in index_after.text
    assert (shown.status_code, wrong.status_code) == (200, 422)
    assert (entered.status_code, entered.headers["location"]) == (303, "/auth/account?done=administrator")
    assert "You are the administrator." in account.text
    assert again.status_code == 404
    assert found is not None
    assert found.user.roles == ("admin",)


async def test_a_visitor_from_elsewhere(fresh: House) -> None:
    """From another machine the link is nothing, and the index page says nothing of it."""
    link = await fresh.auth.beginning.link()
    assert link is not None
    at = urlsplit(link)
    async with browser(fresh, "192.0.2.7") as client:
        index = await client.get("/")
        shown = await client.get(f"{at.path}?{at.query}")
        sent = await client.post(at.path, data={**ADA, "token": at.query.removeprefix("token="), "name": ""})

    assert "administrator" not in index.text
    assert (shown.status_code, sent.status_code) == (404, 404)
    assert await fresh.auth.accounts.find("ada@example.com") is None
