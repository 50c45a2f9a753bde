"""The module that a page imports, and its types: how they are served."""

import gzip
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.site import Site
from ostiary.stores.memory import MemoryStore
from ostiary.web import browser
from tests.conftest import make_house
from tests.web.conftest import Place, echo

MODULE, TYPES = "/auth/static/ostiary.js", "/auth/static/ostiary.d.ts"


@pytest.mark.parametrize(
    ("path", "name", "media"),
    [(MODULE, browser.MODULE, "text/javascript"), (TYPES, browser.TYPES, "text/plain")],
)
async def test_file(place: Place, path: str, name: str, media: str) -> None:
    """Each file is served to everybody as it is written, and is kept for an hour."""
    async with place.client() as client:
        answer = await client.get(path)

    assert answer.status_code == 200
    assert answer.content == browser.read(name).body
    assert answer.headers["content-type"] == f"{media}; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"


async def test_what_is_held_is_not_sent_again(place: Place) -> None:
    """After that, who shows the tag of what it has is told that it is still so; another tag gets the file."""
    async with place.client() as client:
        first = await client.get(MODULE)
        tag = first.headers["etag"]
        shown = [tag, f"W/{tag}", f'"other", {tag}']
        again = [await client.get(MODULE, headers={"if-none-match": one}) for one in shown]
        others = [await client.get(MODULE, headers={"if-none-match": one}) for one in ('"other"', tag[1:-1])]
        types = await client.get(TYPES, headers={"if-none-match": tag})

    assert [(answer.status_code, answer.content, answer.headers["etag"]) for answer in again] == [(304, b"", tag)] * 3
    assert not [answer for answer in again if "content-length" in answer.headers or "content-type" in answer.headers]
    assert {answer.content for answer in others} == {first.content}
    assert types.status_code == 200


async def test_who_may_import_it(tmp_path: Path) -> None:
    """A page of a trusted origin may import it; a page of any other may not."""
    app, other = "https://app.example", "https://other.example"
    house = make_house(MemoryStore(), tmp_path, site=Site.of("https://id.example", trusted=[app]))
    async with house.auth.running():
        door = Door(echo, house.auth)
        transport = httpx.ASGITransport(door)
        async with httpx.AsyncClient(transport=transport, base_url="https://id.example") as client:
            mine = await client.get(MODULE, headers={"origin": app, "sec-fetch-site": "cross-site"})
            theirs = await client.get(MODULE, headers={"origin": other, "sec-fetch-site": "cross-site"})

    assert mine.headers["access-control-allow-origin"] == app
    assert "access-control-allow-origin" not in theirs.headers
    assert "Origin" in mine.headers["vary"]
    assert "Origin" in theirs.headers["vary"]


def test_size() -> None:
    """It is read as it is written, without a minifier, and stays small on its way."""
    assert len(gzip.compress(browser.read(browser.MODULE).body)) <= 6_000
