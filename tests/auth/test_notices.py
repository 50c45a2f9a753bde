"""What a user is told by letter of their own account, without having asked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.letter import About, Letter
from ostiary.core.session import Carrier, Device
from ostiary.core.user import Identifier, User
from ostiary.errors import Refused
from ostiary.testing import Mailbox
from tests.conftest import PASSWORD, STORES, House, make_house

ADA = "ada@example.com"
FIREFOX = Device(name="Firefox on Linux", user_agent="Mozilla/5.0 Firefox/130", ip="192.0.2.1")
NEWER_FIREFOX = replace(FIREFOX, user_agent="Mozilla/5.0 Firefox/131", ip="192.0.2.9")
RENAMED_FIREFOX = replace(FIREFOX, name="Ada's laptop")
PHONE = Device(name="Safari on iOS", user_agent="Mobile Safari", ip="198.51.100.7")
AFTER = timedelta(hours=2)


@dataclass
class Told:
    """A house, and the letters that its users got."""

    house: House
    box: Mailbox

    async def user(self, *, proved: bool = True, language: str = "de") -> str:
        """Make an account whose address is proved, or not. Returns its id."""
        auth = self.house.auth
        user = User(id="ada", name="Ada", created_at=auth.clock.now(), language=language)
        proved_at = auth.clock.now() if proved else None
        async with self.house.store.write() as tx:
            await tx.users.add(user)
            await tx.identifiers.add(
                Identifier(kind="email", value=ADA, typed=ADA, user_id=user.id, verified_at=proved_at)
            )
        await auth.accounts.set_password(user.id, new=PASSWORD, actor="cli")
        await self.letters()
        return user.id

    async def login(self, device: Device, token: str = "") -> str:
        """Log in from a device, and out again. Returns by what it is known from now on."""
        auth = self.house.auth
        proof = await auth.prove(ADA, PASSWORD)
        issued = await auth.login(proof, carrier=Carrier.COOKIE, device=device, device_token=token)
        await auth.revoke(issued.session.id, actor="ada")
        return issued.device_token

    async def letters(self) -> list[Letter]:
        """Send what there is to send, and return it."""
        post = self.house.auth._post
        assert post is not None
        while await post.step():
            pass
        letters, self.box.letters = self.box.letters, []
        return letters


@pytest.fixture(params=STORES)
async def told(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Told]:
    """A house on each store."""
    box = Mailbox()
    house = make_house(STORES[request.param](request, tmp_path), tmp_path, mailer=box)
    async with house.auth.running(sends=False):
        yield Told(house, box)


async def test_a_new_device(told: Told) -> None:
    """A login from a device that the user never used is told to them, in their language, as it named itself."""
    await told.user()
    await told.login(FIREFOX)
    told.house.clock.advance(AFTER)
    await told.login(PHONE)

    [letter] = await told.letters()
    assert (letter.about, letter.to, letter.language, letter.user_id) == (About.NEW_DEVICE, ADA, "de", "ada")
    assert letter.values == {"device": "Safari on iOS", "ip": "198.51.100.7", "site": "https://id.example"}


@pytest.mark.parametrize("device", [FIREFOX, NEWER_FIREFOX, RENAMED_FIREFOX], ids=["same", "newer", "renamed"])
async def test_a_known_device(told: Told, device: Device) -> None:
    """A device that was used before is no news, though its program is newer, its name another, or it was logged out."""
    await told.user()
    token = await told.login(FIREFOX)
    told.house.clock.advance(AFTER)
    await told.login(device, token)

    assert await told.letters() == []


@pytest.mark.parametrize("device", [FIREFOX, RENAMED_FIREFOX], ids=["same", "renamed"])
async def test_a_device_that_forgot(told: Told, device: Device) -> None:
    """A device that has lost its cookies is no news where it was used before, if it calls itself as it did."""
    await told.user()
    await told.login(FIREFOX)
    told.house.clock.advance(AFTER)
    await told.login(device)

    assert await told.letters() == []


async def test_a_stranger_with_the_same_browser(told: Told) -> None:
    """A stranger's browser calls itself as the user's does, or as they like: elsewhere, and not known, it is news."""
    await told.user()
    await told.login(FIREFOX)
    told.house.clock.advance(AFTER)
    await told.login(replace(FIREFOX, ip="203.0.113.66"))

    assert [letter.values["ip"] for letter in await told.letters()] == ["203.0.113.66"]


async def test_a_strangers_token(told: Told) -> None:
    """What makes a device known to one account makes it known to no other."""
    await told.user()
    auth = told.house.auth
    await told.house.user("eve@example.com")
    eves = await auth.login(await auth.prove("eve@example.com", PASSWORD), carrier=Carrier.COOKIE, device=PHONE)
    told.house.clock.advance(AFTER)
    await told.login(PHONE, eves.device_token)

    assert [letter.about for letter in await told.letters()] == [About.NEW_DEVICE]


async def test_the_first_of_all(told: Told) -> None:
    """Who has just registered is not told that they signed in; later, the first device is news as any other."""
    await told.user()
    await told.login(FIREFOX)
    assert await told.letters() == []


async def test_the_first_after_long(told: Told) -> None:
    """An account that was never used, and is entered long after it was made, hears of it."""
    await told.user()
    told.house.clock.advance(AFTER)
    await told.login(FIREFOX)

    assert [letter.about for letter in await told.letters()] == [About.NEW_DEVICE]


async def test_a_second_one_at_once(told: Told) -> None:
    """Beside a living session another device is news, even right after the registration."""
    await told.user()
    auth = told.house.auth
    await auth.login(await auth.prove(ADA, PASSWORD), carrier=Carrier.COOKIE, device=FIREFOX)
    await told.login(PHONE)

    assert [letter.about for letter in await told.letters()] == [About.NEW_DEVICE]


async def test_a_changed_password(told: Told) -> None:
    """Whoever changes a password, the user or an operator, the user is told."""
    user_id = await told.user()
    auth = told.house.auth
    await auth.accounts.change_password(
        await auth.prove_again(user_id, PASSWORD), new="another lantern in the fog", keep_session=None
    )
    await auth.accounts.set_password(user_id, new=PASSWORD, actor="cli")

    letters = await told.letters()
    assert [(letter.about, letter.to) for letter in letters] == [(About.PASSWORD_CHANGED, ADA)] * 2


async def test_a_copied_token(told: Told) -> None:
    """When a copied refresh token ends a session, its user is told which device that was."""
    await told.user()
    auth, clock = told.house.auth, told.house.clock
    first = await auth.login(await auth.prove(ADA, PASSWORD), carrier=Carrier.BEARER, device=PHONE)
    token = first.session_token
    for _ in range(3):
        clock.advance(timedelta(minutes=1))
        token = (await auth.refresh(token)).session_token
    clock.advance(timedelta(minutes=1))
    with pytest.raises(Refused):
        await auth.refresh(first.session_token)

    [letter] = await told.letters()
    assert (letter.about, letter.values["device"]) == (About.TOKEN_REUSED, "Safari on iOS")


async def test_an_address_that_is_not_proved(told: Told) -> None:
    """An address that nobody has proved is told nothing: it may be a stranger's, who was entered without asking."""
    user_id = await told.user(proved=False)
    told.house.clock.advance(AFTER)
    await told.login(FIREFOX)
    await told.login(PHONE)
    await told.house.auth.accounts.set_password(user_id, new="another lantern in the fog", actor="cli")

    assert await told.letters() == []


async def test_a_login_that_is_refused(told: Told) -> None:
    """A login that is refused, because the password changed meanwhile, is no login and is told to nobody."""
    user_id = await told.user()
    told.house.clock.advance(AFTER)
    auth = told.house.auth
    proof = await auth.prove(ADA, PASSWORD)
    await auth.accounts.set_password(user_id, new="another lantern in the fog", actor="cli")
    with pytest.raises(Refused):
        await auth.login(proof, carrier=Carrier.COOKIE, device=PHONE)

    assert [letter.about for letter in await told.letters()] == [About.PASSWORD_CHANGED]
