"""Threat: who registers first with another's address has a foot in the door when its owner arrives (CVE-2026-53516).

Eve makes an account with Ada's address, or asks for it as her own. Whatever Ada does then, with the letters that she
gets: nothing that Eve has is good, and she has proved nothing for Eve.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from ostiary.core.letter import About
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.core.session import Carrier
from ostiary.stores.memory import MemoryStore
from tests.attacks.visits import BROWSER, NEW_PASSWORD, Held, Street, code, street_of, taken
from tests.auth.mailing import letter, token_of
from tests.conftest import PASSWORD, House, make_house

ADA = "ada@example.com"
EVES = "eve waits behind the door"


@dataclass
class Scene:
    """A street on which Eve has Ada's address, and a session with it where she could get one."""

    street: Street
    eve: Held | None

    @property
    def house(self) -> House:
        return self.street.house

    async def post(self, path: str, held: Held | None = None, **body: str) -> httpx.Response:
        """Send a body, as a browser does."""
        return await self.street.send("POST", path, held=held, json=body, headers=BROWSER)

    async def login(self, password: str) -> httpx.Response:
        return await self.post("/auth/login", email=ADA, password=password, carrier="bearer")

    async def is_proved(self) -> bool:
        account = await self.house.auth.accounts.find(ADA)
        return account is not None and account.email is not None and account.email.verified_at is not None


@pytest.fixture(params=[Registration.OPEN, Registration.VERIFIED])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """Eve was there first. Where registration is `verified`, that was before it was."""
    house = make_house(MemoryStore(), tmp_path, policy=replace(CHEAPEST, registration=request.param))
    async with house.auth.running():
        scene = Scene(street_of(house), None)
        await house.auth.accounts.register(email=ADA, password=EVES, name="Eve")
        if request.param is Registration.OPEN:
            scene.eve = taken(await scene.login(EVES))
        yield scene


async def by_reset(scene: Scene) -> None:
    """Ada says that she forgot her password."""
    await scene.post("/auth/password/forgot", email=ADA)
    said = await letter(scene.house, About.RESET_PASSWORD)
    answer = await scene.post("/auth/password/reset", token=token_of(said), new=PASSWORD)
    assert answer.status_code == 204


async def by_invitation(scene: Scene) -> None:
    """Ada is invited."""
    await scene.house.auth.flows.invite(ADA, roles=["editor"], actor="test")
    said = await letter(scene.house, About.INVITATION)
    answer = await scene.post("/auth/invitation/accept", token=token_of(said), password=PASSWORD, name="Ada")
    assert answer.status_code == 201


async def by_registering(scene: Scene) -> None:
    """Ada registers, and proves her address; where registration is open, the address is taken and she resets."""
    answer = await scene.post("/auth/register", email=ADA, password=PASSWORD, name="Ada")
    if answer.status_code == 409:
        await by_reset(scene)
        return
    said = await letter(scene.house, About.VERIFY_EMAIL)
    answer = await scene.post("/auth/email/verify", token=token_of(said), password=PASSWORD)
    assert answer.status_code == 204


Way = Callable[[Scene], Awaitable[None]]


@pytest.mark.parametrize("way", [by_reset, by_invitation, by_registering], ids=lambda way: way.__name__)
async def test_nothing_of_eve_is_left(scene: Scene, way: Way) -> None:
    """However Ada arrives: Eve's session is over, her password opens nothing, and Ada's own does."""
    await scene.post("/auth/email/send", email=ADA)
    eves = await letter(scene.house, About.VERIFY_EMAIL)

    await way(scene)

    if scene.eve is not None:
        assert (await scene.street.ask(scene.eve)).status_code == 401
        assert code(await scene.street.refresh(scene.eve)) == (401, "invalid_grant")
    assert code(await scene.login(EVES)) == (401, "bad_credentials")
    assert (await scene.login(PASSWORD)).status_code == 200
    assert await scene.is_proved()
    again = await scene.post("/auth/email/verify", token=token_of(eves), password=EVES)
    assert code(again) == (422, "void")


async def test_ada_proves_nothing_for_eve(scene: Scene) -> None:
    """Ada opens the letter that Eve had sent to her, and even presses the button: Eve's account has proved nothing."""
    await scene.post("/auth/email/send", email=ADA)
    said = await letter(scene.house, About.VERIFY_EMAIL)
    await scene.house.user("bob@example.com")

    answers = [await scene.post("/auth/email/verify", token=token_of(said))]
    if scene.eve is not None:
        bob = await scene.street.login(Carrier.COOKIE, "bob@example.com")
        answers.append(await scene.post("/auth/email/verify", bob, token=token_of(said)))

    assert {code(answer) for answer in answers} == {(403, "password_needed")}
    assert not await scene.is_proved()


async def test_eve_registers_behind_ada(scene: Scene) -> None:
    """A letter that Eve's own registration sent to Ada makes no account with Eve's password."""
    await by_reset(scene)
    answer = await scene.post("/auth/register", email=ADA, password=EVES, name="Eve")

    assert answer.status_code in (202, 409)
    if answer.status_code == 202:
        assert not {"link", "code"} & set((await letter(scene.house, About.ACCOUNT_EXISTS)).values)
    assert code(await scene.login(EVES)) == (401, "bad_credentials")


@pytest.mark.parametrize("scene", [Registration.OPEN], indirect=True)
async def test_eve_asks_for_adas_address(scene: Scene) -> None:
    """Eve asks for Ada's other address as her own: Ada's click on the letter moves nothing, nor does Bob's session."""
    await scene.post("/auth/email/change", scene.eve, email="ada@example.org", password=EVES)
    said = await letter(scene.house, About.CHANGE_EMAIL, "ada@example.org")
    await scene.house.user("bob@example.com")
    bob = await scene.street.login(Carrier.COOKIE, "bob@example.com")

    answers = [await scene.post("/auth/email/confirm", held, token=token_of(said)) for held in (None, bob)]

    assert {code(answer) for answer in answers} == {(403, "password_needed")}
    assert await scene.house.auth.accounts.find("ada@example.org") is None


async def test_a_strangers_name(scene: Scene) -> None:
    """A letter to an address that nobody has proved does not say what a stranger typed as a name."""
    await scene.post("/auth/password/forgot", email=ADA)
    await scene.post("/auth/email/send", email=ADA)

    for about in (About.RESET_PASSWORD, About.VERIFY_EMAIL):
        assert "name" not in (await letter(scene.house, about)).values


async def test_registered_by_eve_and_by_ada(tmp_path: Path) -> None:
    """Where both have registered and neither has an account yet, Eve's letter in Ada's hand makes none for Eve."""
    house = make_house(MemoryStore(), tmp_path, policy=replace(CHEAPEST, registration=Registration.VERIFIED))
    async with house.auth.running():
        scene = Scene(street_of(house), None)
        await scene.post("/auth/register", email=ADA, password=EVES)
        eves = await letter(house, About.VERIFY_EMAIL)
        await scene.post("/auth/register", email=ADA, password=NEW_PASSWORD)

        wrong = await scene.post("/auth/email/verify", token=token_of(eves), password=NEW_PASSWORD)
        bare = await scene.post("/auth/email/verify", token=token_of(eves))
        account = await house.auth.accounts.find(ADA)

    assert (code(wrong), code(bare)) == ((401, "bad_credentials"), (403, "password_needed"))
    assert account is None
