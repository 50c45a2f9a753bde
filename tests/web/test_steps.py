"""What an answer says can be done next: a client is a loop over answers, and never a guess."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ostiary.asgi import Door
from ostiary.core.letter import About
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.stores.memory import MemoryStore
from ostiary.web.endpoints import TABLE
from ostiary.web.problem import OTHERS
from ostiary.web.problem import TABLE as REFUSALS
from ostiary.web.steps import STEPS, Step
from tests.auth.mailing import letter
from tests.conftest import ISSUER, PASSWORD, House, make_house
from tests.web.conftest import BROWSER, echo

ADA = "ada@example.com"
NEW = "another lantern, far away"


@pytest.fixture
async def verified(tmp_path: Path) -> AsyncIterator[House]:
    """A house where an address must be proved first."""
    house = make_house(MemoryStore(), tmp_path, policy=replace(CHEAPEST, registration=Registration.VERIFIED))
    async with house.auth.running():
        yield house


@pytest.fixture
async def client(verified: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that house."""
    transport = httpx.ASGITransport(Door(echo, verified.auth))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=BROWSER) as made:
        yield made


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.step)
def test_a_step_leads_somewhere(step: Step) -> None:
    """Every step names a route that there is, and members that its body has."""
    (route,) = [route for route in TABLE if (route.method, route.path) == ("POST", step.route)]

    assert route.takes is not None
    assert {*step.needs} <= {*route.takes.__struct_fields__}


def test_every_step_is_known() -> None:
    """What a refusal or a route names as a next step is among all steps, and steps have names of their own."""
    named = {step for row in (*REFUSALS.values(), *OTHERS) for step in row.next}
    named |= {step for route in TABLE for step in route.again}

    assert named <= {*STEPS}
    assert len({step.step for step in STEPS}) == len(STEPS)


async def walk(client: httpx.AsyncClient, answer: httpx.Response, known: Mapping[str, str]) -> httpx.Response:
    """Take the first step that an answer names, with what is known."""
    step = answer.json()["next"][0]
    return await client.post(step["route"], json={name: known[name] for name in step["needs"]})


async def test_a_client_is_a_loop(verified: House, client: httpx.AsyncClient) -> None:
    """From a registration into the account by nothing but the steps that answers name, and the letter."""
    known = {"email": ADA, "password": PASSWORD, "carrier": "bearer"}
    answer = await client.post("/auth/register", json=known)
    assert answer.status_code == 202

    known["code"] = (await letter(verified, About.VERIFY_EMAIL)).values["code"]
    proved = await walk(client, answer, known)
    entered = await client.post("/auth/login", json={name: known[name] for name in ("email", "password", "carrier")})

    assert (proved.status_code, entered.status_code) == (204, 200)
    assert entered.json()["user"]["email_verified"] is True


async def test_a_refused_login(verified: House, client: httpx.AsyncClient) -> None:
    """A login that is refused because the address is not proved names the ways to prove it."""
    await verified.user()

    answer = await client.post("/auth/login", json={"email": ADA, "password": PASSWORD, "carrier": "bearer"})

    assert (answer.status_code, answer.json()["code"]) == (403, "email_not_verified")
    assert [step["step"] for step in answer.json()["next"]] == ["verify_email", "send_verification"]


@pytest.mark.parametrize(
    ("path", "body", "step"),
    [
        ("/auth/password/reset", {"new": NEW}, "forgot_password"),
        ("/auth/email/verify", {"password": PASSWORD}, "send_verification"),
        ("/auth/email/confirm", {"password": PASSWORD}, "change_email"),
        ("/auth/invitation/accept", {"password": PASSWORD}, None),
    ],
)
async def test_what_is_void(client: httpx.AsyncClient, path: str, body: dict[str, str], step: str | None) -> None:
    """A void link names where another letter is asked for, if whoever holds it can ask."""
    answer = await client.post(path, json=body | {"token": "x" * 43})

    assert (answer.status_code, answer.json()["code"]) == (422, "void")
    assert [each["step"] for each in answer.json().get("next", [])] == ([] if step is None else [step])


@pytest.mark.parametrize(
    "back",
    [{}, {"token": "x", "email": ADA}, {"token": "x", "code": "123456"}, {"email": ADA}, {"code": "123456"}],
    ids=str,
)
async def test_neither_link_nor_code(client: httpx.AsyncClient, back: dict[str, str]) -> None:
    """What comes back is a link's token, or an address and a code: anything between is refused, and said."""
    answer = await client.post("/auth/password/reset", json=back | {"new": NEW})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "token"


async def test_language_and_name(verified: House, client: httpx.AsyncClient) -> None:
    """A user chooses a language that is spoken here, or none; each change is on record."""
    known = {"email": ADA, "password": PASSWORD, "carrier": "bearer"}
    await client.post("/auth/register", json=known, headers={"accept-language": "pt-BR"})
    code = (await letter(verified, About.VERIFY_EMAIL)).values["code"]
    await client.post("/auth/email/verify", json={"email": ADA, "code": code, "password": PASSWORD})
    entered = (await client.post("/auth/login", json=known)).json()
    headers = {"authorization": f"Bearer {entered['access_token']}"}

    answers = [
        await client.patch("/auth/account", json=body, headers=headers)
        for body in ({"language": "ja"}, {"name": "Ada", "language": ""}, {"language": "tlh"}, {})
    ]

    assert entered["user"]["language"] == "pt"
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422]
    assert [(answer.json()["name"], answer.json()["language"]) for answer in answers[:2]] == [("", "ja"), ("Ada", "")]
