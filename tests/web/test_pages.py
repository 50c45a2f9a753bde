"""What the pages answer, and what they refuse."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.errors import Misconfigured
from ostiary.stores.memory import MemoryStore
from ostiary.web.pages import Look, paths
from tests.conftest import ISSUER, PASSWORD, House, make_house
from tests.web.conftest import BROWSER, echo

ADA = {"email": "ada@example.com", "password": PASSWORD}
EVIL = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
INSIDE = ("/auth/account", "/auth/devices", "/auth/activity")
FORMS = ("/auth/sign-in", "/auth/sign-up", "/auth/sign-out", "/auth/account", "/auth/devices")
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "/a//evil.example",
    "http:evil.example",
    "https:/evil.example",
    "/@evil.example:x",
    "evil.example",
    "",
    "/%0d%0aset-cookie:x",
    "/\u00e9",
    "/a#b",
    "/;@evil.example",
    "/a\r\nx: y",
    "?next=/",
    "/.\\evil.example",
    "/\u2215evil.example",
    "/" + "a" * 600,
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A started house with one user."""
    made = make_house(MemoryStore(), tmp_path)
    async with made.auth.running():
        await made.user()
        yield made


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before it has been anywhere."""
    transport = httpx.ASGITransport(Door(echo, house.auth, pages=True, service=True))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=BROWSER) as made:
        yield made


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_next_leads_elsewhere(client: httpx.AsyncClient, target: str) -> None:
    """Whatever a link says, a login leads to a page of ours."""
    shown = await client.get("/auth/sign-in", params={"next": target})
    answer = await client.post("/auth/sign-in", data=ADA | {"next": target})

    assert 'name="next" value="/auth/account"' in shown.text
    assert (answer.status_code, answer.headers.get("location", "/auth/account")) in (
        (303, "/auth/account"),
        (422, "/auth/account"),  # what is longer than any path is refused as it is
    )


async def test_next_leads_on(client: httpx.AsyncClient) -> None:
    """A login leads to the page of ours that was asked for."""
    answer = await client.post("/auth/sign-in", data=ADA | {"next": "/orders/7?sort=new"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/orders/7?sort=new")
    assert paths.own("/", otherwise="/x") == "/"


@pytest.mark.parametrize("path", FORMS)
async def test_form_of_another_site(client: httpx.AsyncClient, path: str) -> None:
    """A form on another site does nothing here, be its sender's browser signed in or not."""
    signed_out = await client.post(path, data=ADA if path.startswith("/auth/sign-in") else {"csrf": ""}, headers=EVIL)
    await client.post("/auth/sign-in", data=ADA)
    signed_in = await client.post(path, data=ADA if path.startswith("/auth/sign-in") else {"csrf": ""}, headers=EVIL)
    account = await client.get("/auth/account")

    assert signed_out.status_code in (303, 403)
    assert "set-cookie" not in signed_out.headers
    assert (signed_in.status_code, "set-cookie" in signed_in.headers) == (403, False)
    assert account.status_code == 200


async def test_token_of_a_form(house: House, client: httpx.AsyncClient) -> None:
    """A browser that says nothing of where a form stood shows the session's token, and another's token is refused."""
    await client.post("/auth/sign-in", data=ADA)
    token = re.findall('name="csrf" value="([^"]+)"', (await client.get("/auth/account")).text)[0]
    silent = httpx.AsyncClient(transport=client._transport, base_url=ISSUER, cookies=client.cookies)
    wrong = await silent.post("/auth/sign-out", data={"csrf": token[:-1] + ("A" if token[-1] != "A" else "B")})
    missing = await silent.post("/auth/sign-out", data={"csrf": ""})
    right = await silent.post("/auth/sign-out", data={"csrf": token})

    assert [wrong.status_code, missing.status_code, right.status_code] == [403, 403, 303]
    assert (await client.get("/auth/account")).status_code == 303


@pytest.mark.parametrize("path", INSIDE)
async def test_nobody_is_in(client: httpx.AsyncClient, path: str) -> None:
    """Who is not signed in is sent to the door, and from there back to the page; what was inside is never kept."""
    outside = await client.get(path)
    await client.post("/auth/sign-in", data=ADA)
    inside = await client.get(path)

    assert (outside.status_code, outside.headers["location"]) == (303, f"/auth/sign-in?next={path}")
    assert (inside.status_code, inside.headers["cache-control"]) == (200, "no-store")


async def test_what_is_wrong(client: httpx.AsyncClient) -> None:
    """What is wrong stands beside its field, what was typed stays, and no password comes back."""
    typed = {"email": "<ada>", "password": "hunter2-hunter2", "name": '"><b>'}
    answer = await client.post("/auth/sign-up", data=typed)

    assert answer.status_code == 422
    assert 'id="email-wrong">This is not an e-mail address' in answer.text
    assert 'value="&lt;ada&gt;"' in answer.text
    assert "hunter2" not in answer.text
    assert "<b>" not in answer.text


async def test_files(client: httpx.AsyncClient) -> None:
    """A page names each of its files by what is in it, and a browser may keep them for ever; nothing is inline."""
    page = await client.get("/auth/sign-in")
    names = re.findall('(?:src|href)="(/auth/static/[^"]+)"', page.text)
    answers = [await client.get(name) for name in names]

    assert len(names) >= 3
    assert {(a.status_code, a.headers["cache-control"]) for a in answers} == {
        (200, "public, max-age=31536000, immutable")
    }
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<style| style=|<script(?![^>]* src=)| on[a-z]+=", page.text)
    assert (await client.get("/auth/static/ostiary.css")).status_code == 418  # no page, no file: the application's


async def test_brand(house: House, tmp_path: Path) -> None:
    """The operator's name, colour and templates take the place of ours, and the text on the colour can be read."""
    (tmp_path / "index.html").write_text("<p>{{ brand }}</p>")
    look = Look(brand="Tea & Co", accent="#ffee00", templates=tmp_path)
    door = Door(echo, house.auth, service=True, pages=look)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url=ISSUER) as client:
        index = await client.get("/")
        style = await client.get(look.names["ostiary.css"])

    assert index.text == "<p>Tea &amp; Co</p>"
    assert "--accent:#ffee00;--on-accent:#000" in style.text
    with pytest.raises(Misconfigured):
        Look(accent="red;}")


async def test_without_pages(house: House) -> None:
    """A door without pages has none."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Door(echo, house.auth)), base_url=ISSUER) as client:
        answer = await client.get("/auth/sign-in")

    assert answer.status_code == 418
