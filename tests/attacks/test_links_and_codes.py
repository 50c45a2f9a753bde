"""Threats to links and codes: used for another purpose, used for another address, guessed, moved to another host.

CVE-2026-4325 (a key of one purpose ends one of another), CVE-2026-32700 (the link for A confirms B), CVE-2023-49097 and
CVE-2025-64101 (links to the host that the request named), CVE-2019-19844 (mail to a look-alike of the address).
"""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from ostiary.core.events import Kind
from ostiary.core.letter import About, Letter
from ostiary.core.session import Carrier
from ostiary.core.throttle import CODE_ADDRESS
from ostiary.web.endpoints import TABLE, Route
from tests.attacks.visits import BROWSER, NEW_PASSWORD, Street, code, well_formed
from tests.auth.mailing import letter, sent_all, token_of
from tests.conftest import ISSUER, PASSWORD

ADA = "ada@example.com"
REDEEMING = {
    About.RESET_PASSWORD: "/auth/password/reset",
    About.VERIFY_EMAIL: "/auth/email/verify",
    About.CHANGE_EMAIL: "/auth/email/confirm",
    About.INVITATION: "/auth/invitation/accept",
}
NEEDS = {"/auth/password/reset": {"new": NEW_PASSWORD}}
PURPOSES = pytest.mark.parametrize("about", REDEEMING)


async def ask(street: Street, about: About) -> Letter:
    """Have a letter of each kind sent to Ada, or to the address that shall be hers."""
    to = ADA
    match about:
        case About.RESET_PASSWORD:
            await street.send("POST", "/auth/password/forgot", json={"email": ADA})
        case About.VERIFY_EMAIL:
            await street.send("POST", "/auth/email/send", json={"email": ADA})
        case About.CHANGE_EMAIL:
            held, to = await street.login(Carrier.COOKIE), "ada@example.org"
            await street.send("POST", "/auth/email/change", held=held, json={"email": to, "password": PASSWORD})
        case _:
            to = "bob@example.com"
            await street.house.auth.flows.invite(to, actor="test")
    return await letter(street.house, about, to)


async def redeem(street: Street, path: str, **back: str) -> tuple[int, str]:
    """Send what came back to a route, with all that it needs. Returns the status, and the code of a refusal."""
    answer = await street.send("POST", path, json=back | NEEDS.get(path, {"password": PASSWORD}), headers=BROWSER)
    return code(answer) if answer.is_error else (answer.status_code, "")


@PURPOSES
async def test_another_purpose(street: Street, about: About) -> None:
    """What a letter holds is good at its own route and no other, and still is after it was tried elsewhere."""
    said = await ask(street, about)
    others = [path for kind, path in REDEEMING.items() if kind is not about]

    for path in others:
        assert await redeem(street, path, token=token_of(said)) == (422, "void")
        if "code" in said.values and path != REDEEMING[About.INVITATION]:
            assert await redeem(street, path, email=said.to, code=said.values["code"]) == (422, "void")
    assert (await redeem(street, REDEEMING[about], token=token_of(said)))[0] in (201, 204)


@PURPOSES
async def test_used_once(street: Street, about: About) -> None:
    """What was used once, by its link or by its code, is void by either."""
    said = await ask(street, about)
    path = REDEEMING[about]

    assert (await redeem(street, path, token=token_of(said)))[0] in (201, 204)
    assert await redeem(street, path, token=token_of(said)) == (422, "void")
    if "code" in said.values:
        assert await redeem(street, path, email=said.to, code=said.values["code"]) == (422, "void")


async def test_another_address(street: Street) -> None:
    """A code is good for the address that it was sent to; of two changes of address, one's link is not the other's."""
    one = await ask(street, About.CHANGE_EMAIL)
    held = await street.login(Carrier.COOKIE)
    body = {"email": "ada@example.net", "password": PASSWORD}
    await street.send("POST", "/auth/email/change", held=held, json=body)
    other = await letter(street.house, About.CHANGE_EMAIL, "ada@example.net")
    path = REDEEMING[About.CHANGE_EMAIL]

    assert await redeem(street, path, email=other.to, code=one.values["code"]) == (422, "void")
    assert await redeem(street, path, token=token_of(one)) == (204, "")
    account = await street.house.auth.accounts.find(one.to)
    assert account is not None
    assert [each.value for each in account.identifiers] == [one.to]
    assert await redeem(street, path, token=token_of(other)) == (422, "void")


async def test_two_changes_at_once(street: Street) -> None:
    """Of two changes of address that are confirmed at the same moment one is made, whole."""
    one = await ask(street, About.CHANGE_EMAIL)
    held = await street.login(Carrier.COOKIE)
    body = {"email": "ada@example.net", "password": PASSWORD}
    await street.send("POST", "/auth/email/change", held=held, json=body)
    other = await letter(street.house, About.CHANGE_EMAIL, "ada@example.net")
    path = REDEEMING[About.CHANGE_EMAIL]

    answers = await asyncio.gather(*(redeem(street, path, token=token_of(said)) for said in (one, other)))

    assert sorted(answers) == [(204, ""), (422, "void")]
    found = [await street.house.auth.accounts.find(said.to) for said in (one, other)]
    assert [account is not None for account in found] == [status == 204 for status, _ in answers]


async def test_guessed(street: Street) -> None:
    """Five wrong guesses end a code, even for who knows it then; its link is still good, and so is the next letter."""
    said = await ask(street, About.RESET_PASSWORD)
    path, right = REDEEMING[About.RESET_PASSWORD], said.values["code"]
    wrong = f"{(int(right) + 1) % 1_000_000:06}"

    answers = list[tuple[int, str]]()
    for _ in range(5):
        answers.append(await redeem(street, path, email=ADA, code=wrong))
        street.house.clock.advance(timedelta(seconds=30))

    assert answers == [(422, "void")] * 5
    assert await redeem(street, path, email=ADA, code=right) == (422, "void")
    assert street.house.recorder.kinds().count(Kind.CODE_FAILED) == 5
    street.house.clock.advance(timedelta(minutes=5))
    next_one = await ask(street, About.RESET_PASSWORD)
    assert await redeem(street, path, token=token_of(said)) == (204, "")
    assert await redeem(street, path, token=token_of(next_one)) == (422, "void")


async def test_guessed_at_once(street: Street) -> None:
    """However many guesses come at the same moment, five of them at most are looked at."""
    said = await ask(street, About.RESET_PASSWORD)
    right = int(said.values["code"])
    guesses = [f"{(right + n) % 1_000_000:06}" for n in range(1, 40)]

    path = REDEEMING[About.RESET_PASSWORD]
    await asyncio.gather(*(redeem(street, path, email=ADA, code=guess) for guess in guesses))

    assert 1 <= street.house.recorder.kinds().count(Kind.CODE_FAILED) <= 5


async def test_guessed_at_many(street: Street) -> None:
    """Who guesses one code each of many accounts, is slowed; a link from there is still good."""
    said = await ask(street, About.RESET_PASSWORD)
    path = REDEEMING[About.RESET_PASSWORD]
    guesses = [f"somebody{number}@example.com" for number in range(CODE_ADDRESS.free + 1)]

    answers = [(await redeem(street, path, email=guess, code="000000"))[0] for guess in guesses]
    same_subscriber = await redeem(street, path, email=ADA, code=said.values["code"])

    assert answers == [422] * CODE_ADDRESS.free + [429]
    assert same_subscriber == (429, "too_many_requests")
    assert await redeem(street, path, token=token_of(said)) == (204, "")


async def test_codes_that_are_right(street: Street) -> None:
    """However many people of one network type the codes in their letters, none waits: a right code is no guess."""
    people = [f"somebody{number}@example.com" for number in range(CODE_ADDRESS.free + 2)]
    for email in people:
        await street.house.user(email)
        await street.house.auth.flows.forgot(email, ip="")

    path = REDEEMING[About.RESET_PASSWORD]
    for email in people:
        said = await letter(street.house, About.RESET_PASSWORD, email)
        assert await redeem(street, path, email=email, code=said.values["code"]) == (204, "")


LIES = {
    "host": "evil.example",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "http",
    "x-forwarded-server": "evil.example",
    "x-original-host": "evil.example",
    "x-host": "evil.example",
    "forwarded": "host=evil.example;proto=http",
    "origin": "https://evil.example",
    "referer": "https://evil.example/",
}


@pytest.mark.parametrize("lie", LIES)
async def test_another_host(street: Street, lie: str) -> None:
    """Whatever host a request names, links lead to the configured issuer."""
    headers = {"sec-fetch-site": "same-origin", lie: LIES[lie]}
    await street.send("POST", "/auth/password/forgot", json={"email": ADA}, headers=headers)

    link = urlsplit((await letter(street.house, About.RESET_PASSWORD)).values["link"])
    assert f"{link.scheme}://{link.netloc}" == ISSUER
    assert link.path == "/auth/reset"


@pytest.mark.parametrize(
    "typed", ["ADA@EXAMPLE.COM", "\uff21\uff24\uff21@example.com", " ada@example.com ", "ada@EXAMPLE.com"]
)
async def test_a_look_alike(street: Street, typed: str) -> None:
    """A letter goes to the address that is stored, however the request spells it."""
    await street.send("POST", "/auth/password/forgot", json={"email": typed})

    assert (await letter(street.house, About.RESET_PASSWORD)).to == ADA


@pytest.mark.parametrize("typed", ["ada@ex\u0430mple.com", "\u0430da@example.com", "ada@example.com.evil.example"])
async def test_another_address_that_looks_alike(street: Street, typed: str) -> None:
    """An address that only looks like Ada's is another one, and nobody is written to."""
    await street.send("POST", "/auth/password/forgot", json={"email": typed})
    await sent_all(street.house)

    assert street.house.mail.letters == []


@pytest.mark.parametrize(
    "route", [route for route in TABLE if route.path in REDEEMING.values()], ids=lambda route: route.path
)
async def test_looked_at(street: Street, route: Route) -> None:
    """A mail scanner that follows every link changes nothing: no route or page of a letter does anything for a GET."""
    about = next(about for about, path in REDEEMING.items() if path == route.path)
    said = await ask(street, about)

    for method in ("GET", "HEAD", "OPTIONS"):
        answer = await street.send(method, route.path, params={"token": token_of(said)})
        assert answer.status_code in (204, 405)
        await street.send(method, said.values["link"].removeprefix(ISSUER))
    assert (await redeem(street, route.path, token=token_of(said)))[0] in (201, 204)


@pytest.mark.parametrize("path", [*REDEEMING.values(), "/auth/password/forgot", "/auth/email/send"])
async def test_another_site(street: Street, path: str) -> None:
    """A page of another site has no letters sent, and gets nothing done with Ada's cookie."""
    route = next(route for route in TABLE if route.path == path)
    held = await street.login(Carrier.COOKIE)
    assert route.takes is not None
    body = well_formed(route.takes)

    elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    answer = await street.send("POST", path, held=held, json=body, headers=elsewhere)

    assert code(answer) == (403, "cross_site")
