"""The pages of letters, as a browser without a script goes through them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.letter import About, Letter
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.stores.memory import MemoryStore
from tests.auth.mailing import letter
from tests.conftest import ISSUER, PASSWORD, House, make_house
from tests.web.conftest import BROWSER, echo

ADA = "ada@example.com"
NEW = "another lantern, far away"
FIELD = re.compile(r'<input[^>]*? name="([^"]+)"(?:[^>]*? value="([^"]*)")?')


@dataclass
class Browser:
    """Somebody who reads pages, fills in their forms, and reads their mail."""

    house: House
    client: httpx.AsyncClient

    async def open(self, to: str | Letter) -> httpx.Response:
        """Open a page, or the link of a letter."""
        return await self.client.get(to if isinstance(to, str) else to.values["link"].removeprefix(ISSUER))

    async def send(self, page: httpx.Response, **typed: str) -> httpx.Response:
        """Fill in the first form of a page, and press its button."""
        form = page.text.split("<form")[-1 if "do" in typed else page.text.count('action="/auth/sign-out"') + 1]
        fields = {name: value or "" for name, value in FIELD.findall(form)} | typed
        return await self.client.post(page.url.path, data=fields)

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        """Go where a form leads."""
        assert answer.status_code == 303, answer.text
        return await self.client.get(answer.headers["location"])

    async def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        return await self.client.post("/auth/sign-in", data={"email": ADA, "password": password})

    async def is_proved(self) -> bool:
        account = await self.house.auth.accounts.find(ADA)
        return account is not None and account.email is not None and account.email.verified_at is not None


@pytest.fixture
async def browser(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser that has been nowhere. A test may say how people register."""
    registration = getattr(request, "param", Registration.OPEN)
    house = make_house(MemoryStore(), tmp_path, policy=replace(CHEAPEST, registration=registration))
    async with house.auth.running():
        transport = httpx.ASGITransport(Door(echo, house.auth, pages=True, service=True))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=BROWSER) as client:
            yield Browser(house, client)


VERIFIED = pytest.mark.parametrize("browser", [Registration.VERIFIED], indirect=True, ids=["verified"])
CLOSED = pytest.mark.parametrize("browser", [Registration.CLOSED], indirect=True, ids=["closed"])


async def test_forgot(browser: Browser) -> None:
    """From the sign-in page to another password by the link of a letter, and in with it."""
    await browser.house.user()
    door = await browser.open("/auth/sign-in")
    assert 'href="/auth/forgot"' in door.text

    told = await browser.follow(await browser.send(await browser.open("/auth/forgot"), email=ADA))
    said = await letter(browser.house, About.RESET_PASSWORD)
    page = await browser.open(said)
    done = await browser.follow(await browser.send(page, new=NEW))

    assert "a letter is on its way" in told.text
    assert f'value="{ADA}"' in told.text
    assert "You have a new password" in done.text
    assert (await browser.sign_in()).status_code == 401
    assert (await browser.sign_in(NEW)).status_code == 303


async def test_forgot_by_code(browser: Browser) -> None:
    """The page that comes after asking takes the code, with the spaces that a person puts into it."""
    await browser.house.user()
    told = await browser.follow(await browser.send(await browser.open("/auth/forgot"), email=ADA))
    code = (await letter(browser.house, About.RESET_PASSWORD)).values["code"]

    done = await browser.send(told, code=f"{code[:3]} {code[3:]}", new=NEW)

    assert (done.status_code, done.headers["location"]) == (303, "/auth/sign-in?done=password-reset")


async def test_nobody_forgot(browser: Browser) -> None:
    """Who is not known is answered with the same page."""
    await browser.house.user()
    pages = [
        await browser.send(await browser.open("/auth/forgot"), email=email) for email in (ADA, "nobody@example.com")
    ]

    assert {page.status_code for page in pages} == {303}
    shown = [(await browser.follow(page)).text for page in pages]
    assert shown[0].replace(ADA, "x") == shown[1].replace("nobody@example.com", "x")


async def test_what_is_wrong(browser: Browser) -> None:
    """A weak password is said on the page, which still has what the link held; so is a link that is void."""
    await browser.house.user()
    await browser.house.auth.flows.forgot(ADA)
    page = await browser.open(await letter(browser.house, About.RESET_PASSWORD))

    weak = await browser.send(page, new="password")
    used = await browser.send(weak, new=NEW)
    void = await browser.send(page, new=NEW)

    assert (weak.status_code, used.status_code, void.status_code) == (422, 303, 422)
    assert "no longer good" in void.text
    assert PASSWORD not in weak.text


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"email": "", "code": "123456"}, "Write your e-mail address"),
        ({"email": ADA, "code": ""}, "Write the code"),
        ({"email": ADA, "code": "12345"}, "six digits"),
        ({"email": ADA, "code": "١٢٣٤٥٦"}, "six digits"),
        ({"email": ADA, "code": "123456"}, "no longer good"),
    ],
)
async def test_a_code_that_is_none(browser: Browser, typed: dict[str, str], why: str) -> None:
    """What is no code is said to be none before it counts as a try."""
    answer = await browser.client.post("/auth/reset", data=typed | {"new": NEW})

    assert answer.status_code == 422
    assert why in answer.text


@VERIFIED
async def test_signing_up(browser: Browser) -> None:
    """Where an address must be proved, signing up leads to a letter; its link and the password lead in."""
    page = await browser.open("/auth/sign-up")
    told = await browser.follow(await browser.send(page, email=ADA, password=PASSWORD, name="Ada"))
    assert "set-cookie" not in told.headers
    said = await letter(browser.house, About.VERIFY_EMAIL)

    page = await browser.open(said)
    wrong = await browser.send(page, password=NEW)
    home = await browser.follow(await browser.send(page, password=PASSWORD))

    assert wrong.status_code == 401
    assert "Hello, Ada" in home.text
    assert "is confirmed" in home.text


@VERIFIED
async def test_signing_in_before(browser: Browser) -> None:
    """Who signs in before the address is proved is led to where it is, and from there has a letter sent again."""
    await browser.house.user()
    refused = await browser.sign_in()
    way = re.findall(r'href="(/auth/verify[^"]*)"', refused.text)

    assert (refused.status_code, way) == (403, ["/auth/verify?email=ada%40example.com"])
    page = await browser.open(way[0])
    told = await browser.follow(await browser.client.post("/auth/verify", data={"email": ADA, "do": "send"}))
    assert f'value="{ADA}"' in page.text
    code = (await letter(browser.house, About.VERIFY_EMAIL)).values["code"]
    assert (await browser.send(told, code=code, password=PASSWORD)).status_code == 303
    assert await browser.is_proved()


async def test_confirming(browser: Browser) -> None:
    """Who is in confirms the address with a button, and sees it on the account page."""
    await browser.house.user()
    await browser.sign_in()
    asked = await browser.open("/auth/account/email")
    assert "not confirmed yet" in asked.text
    await browser.client.post("/auth/account/email", data={"do": "send"})
    page = await browser.open(await letter(browser.house, About.VERIFY_EMAIL))

    home = await browser.follow(await browser.send(page))

    assert 'type="password"' not in page.text
    assert "is confirmed" in home.text
    assert "not confirmed" not in (await browser.open("/auth/account/email")).text


async def test_another_address(browser: Browser) -> None:
    """Another address is asked for with the password and confirmed by the letter to it; then the account has it."""
    await browser.house.user()
    await browser.sign_in()
    page = await browser.open("/auth/account/email")
    wrong = await browser.client.post("/auth/account/email", data={"email": "ada@example.org", "password": NEW})
    await browser.client.post("/auth/account/email", data={"email": "ada@example.org", "password": PASSWORD})
    page = await browser.open(await letter(browser.house, About.CHANGE_EMAIL, "ada@example.org"))

    home = await browser.follow(await browser.send(page))

    assert wrong.status_code == 401
    assert "ada@example.org" in home.text
    assert "is in use" in home.text


@CLOSED
async def test_invited(browser: Browser) -> None:
    """Where accounts are by invitation nobody is led to sign up, and an invitation leads in."""
    door, closed = await browser.open("/auth/sign-in"), await browser.open("/auth/sign-up")
    assert "/auth/sign-up" not in door.text
    assert closed.status_code == 403
    await browser.house.auth.flows.invite(ADA, name="Ada", actor="test")
    page = await browser.open(await letter(browser.house, About.INVITATION))

    home = await browser.follow(await browser.send(page, password=PASSWORD))

    assert "Hello, Ada" in home.text
    assert (await browser.open("/auth/invitation")).status_code == 422


@pytest.mark.parametrize("about", [About.RESET_PASSWORD, About.VERIFY_EMAIL, About.INVITATION])
async def test_a_scanner(browser: Browser, about: About) -> None:
    """Looking at the page of a letter, again and again, changes nothing, and no other site is told of its address."""
    await browser.house.user()
    flows, to = browser.house.auth.flows, ADA
    match about:
        case About.RESET_PASSWORD:
            await flows.forgot(ADA)
        case About.VERIFY_EMAIL:
            await flows.send_verification(ADA)
        case _:
            to = "bob@example.com"
            await flows.invite(to, actor="test")
    said = await letter(browser.house, about, to)
    before = browser.house.recorder.kinds()

    page = await browser.open(said)
    for _ in range(3):
        page = await browser.open(said)
        assert page.status_code == 200
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert "set-cookie" not in page.headers
        assert not set(re.findall(r"https?://[^\"' ]+", page.text)) - {"http://www.w3.org/2000/svg"}

    assert browser.house.recorder.kinds() == before
    typed = {"new": NEW} if about is About.RESET_PASSWORD else {"password": PASSWORD}
    assert (await browser.send(page, **typed)).status_code == 303


async def test_hostile_queries(browser: Browser) -> None:
    """What a link brings stands in the page as text and nothing else."""
    hostile = '"><script>alert(1)</script>'
    for path in ("/auth/reset", "/auth/verify", "/auth/confirm-email", "/auth/invitation"):
        for name in ("token", "email", "done"):
            page = await browser.client.get(path, params={name: hostile, "token": hostile})

            assert "<script>alert" not in page.text


async def test_without_mail(tmp_path: Path) -> None:
    """Where no mail is sent no page leads to what needs it, and the page itself says why."""
    house = make_house(MemoryStore(), tmp_path, has_mail=False)
    async with house.auth.running():
        transport = httpx.ASGITransport(Door(echo, house.auth, pages=True, service=True))
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=BROWSER) as client:
            door, page = await client.get("/auth/sign-in"), await client.get("/auth/forgot")

    assert "/auth/forgot" not in door.text
    assert page.status_code == 403
    assert "sends no mail" in page.text


@pytest.mark.parametrize("is_shown", [False, True])
async def test_a_browser_that_says_nothing(browser: Browser, *, is_shown: bool) -> None:
    """Where a browser does not say where a form stood, its session counts only with the form's token."""
    await browser.house.user()
    await browser.sign_in()
    await browser.house.auth.flows.send_verification(ADA)
    page = await browser.open(await letter(browser.house, About.VERIFY_EMAIL))
    for header in BROWSER:
        del browser.client.headers[header]

    answer = await browser.send(page, **({} if is_shown else {"csrf": ""}))

    assert (answer.status_code, await browser.is_proved()) == ((303, True) if is_shown else (403, False))


async def test_signed_in_as_somebody_else(browser: Browser) -> None:
    """Who opens the letter of one account and is signed in to another is asked for the password of the one."""
    await browser.house.user()
    await browser.house.user("bob@example.com")
    await browser.client.post("/auth/sign-in", data={"email": "bob@example.com", "password": PASSWORD})
    await browser.house.auth.flows.send_verification(ADA)
    page = await browser.open(await letter(browser.house, About.VERIFY_EMAIL))

    asked = await browser.send(page)
    wrong = await browser.send(asked, password="not this lantern")
    done = await browser.send(wrong, password=PASSWORD)

    assert ['name="password"' in shown.text for shown in (page, asked, wrong)] == [False, True, True]
    assert [asked.status_code, wrong.status_code, done.status_code] == [403, 401, 303]
    assert await browser.is_proved()
    who = await browser.client.get("/auth/session")
    assert who.json()["user"]["email"] == ADA
