"""The flows of letters, on every store: what is asked for, what comes back, and what it does once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary import Auth
from ostiary.core.decision import Denied, Reason
from ostiary.core.events import Kind
from ostiary.core.letter import About
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.core.ticket import Code, Link
from ostiary.errors import Invalid, Misconfigured, Refused, Taken, WeakPassword
from ostiary.keys.vault import SealedVault
from ostiary.methods.password import Password
from ostiary.ports import Store
from ostiary.stores.memory import MemoryStore
from ostiary.stores.redis import RedisBeside
from ostiary.system import SystemClock, SystemEntropy
from ostiary.testing import CountedEntropy, FakeClock
from tests.auth.mailing import code_of, letter, link_of
from tests.conftest import ISSUER, PASSWORD, STORES, House, make_house
from tests.servers.redis import Redis

ADA = "ada@example.com"
NEW = "another lantern, far away"
MANY = 20


@pytest.fixture(params=[*STORES, "redis"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A started `Auth`, once on each store, and once with its tickets in Redis."""
    clock = FakeClock()
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        redis.flush()
        store: Store = RedisBeside(MemoryStore(), redis.url(), clock=clock, secrets=lambda: [b"k" * 32])
    else:
        store = STORES[request.param](request, tmp_path)
    house = make_house(store, tmp_path, clock=clock)
    async with house.auth.running():
        yield house


@pytest.fixture(params=STORES)
async def verified(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A house where an address must be proved first, once on each store."""
    policy = replace(CHEAPEST, registration=Registration.VERIFIED)
    house = make_house(STORES[request.param](request, tmp_path), tmp_path, policy=policy)
    async with house.auth.running():
        yield house


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[House]:
    """A house for those who are invited."""
    house = make_house(MemoryStore(), tmp_path, policy=replace(CHEAPEST, registration=Registration.CLOSED))
    async with house.auth.running():
        yield house


async def refused(attempt: Awaitable[object]) -> Reason:
    """Return why something is refused."""
    with pytest.raises(Refused) as caught:
        await attempt
    return caught.value.reason


async def is_proved(house: House, address: str = ADA) -> bool:
    """Tell whether an address has been proved by an account."""
    account = await house.auth.accounts.find(address)
    return account is not None and account.email is not None and account.email.verified_at is not None


# ------------------------------------------------------------------------------------------------ registration


async def test_open_registration(house: House) -> None:
    """Where registration is open an account is there at once, and a letter to the address says how it is proved."""
    flows = house.auth.flows
    account = await flows.register(email="Ada@Example.com", password=PASSWORD, language="de")

    assert account is not None
    who = await house.check(await house.login(Carrier.COOKIE))
    assert not isinstance(who, Denied)
    said = await letter(house, About.VERIFY_EMAIL)
    assert (said.to, said.language, said.user_id) == (ADA, "de", account.user.id)
    assert said.values["link"].startswith(f"{ISSUER}/auth/verify?token=")
    assert said.values["life"] == "900"
    assert not await is_proved(house)
    proved = await flows.verify_email(link_of(said), who=who)
    assert proved.email is not None
    assert proved.email.typed == "Ada@Example.com"
    assert await is_proved(house)
    assert Kind.EMAIL_VERIFIED in house.recorder.kinds()


async def test_verified_registration(verified: House) -> None:
    """Where an address must be proved there is no account before, and then one with the password that was chosen."""
    flows = verified.auth.flows
    assert await flows.register(email="Ada@Example.com", password=PASSWORD, name="Ada", language="fr") is None

    said = await letter(verified, About.VERIFY_EMAIL)
    assert await verified.auth.accounts.find(ADA) is None
    assert (said.language, said.values.get("name")) == ("fr", None)
    assert await refused(flows.verify_email(code_of(said))) is Reason.PASSWORD_NEEDED
    assert await refused(flows.verify_email(code_of(said), password=NEW)) is Reason.BAD_CREDENTIALS
    account = await flows.verify_email(code_of(said), password=PASSWORD)
    assert (account.user.name, account.user.language, account.user.roles) == ("Ada", "fr", ())
    assert await is_proved(verified)
    await verified.login(Carrier.COOKIE)
    assert await refused(flows.verify_email(link_of(said), password=PASSWORD)) is Reason.VOID


async def test_registered_twice(verified: House) -> None:
    """Who registers a known address is answered as anybody is; its owner is told, and nothing can be redeemed."""
    flows = verified.auth.flows
    await flows.register(email=ADA, password=PASSWORD)
    await flows.verify_email(link_of(await letter(verified, About.VERIFY_EMAIL)), password=PASSWORD)

    assert await flows.register(email=ADA, password=NEW) is None

    said = await letter(verified, About.ACCOUNT_EXISTS)
    assert not {"link", "code"} & set(said.values)
    await verified.login(Carrier.COOKIE)


async def test_two_newcomers(verified: House) -> None:
    """Of two who register one address, the one who proves it has the account; the other's letter is void then."""
    flows = verified.auth.flows
    await flows.register(email=ADA, password=NEW)
    first = await letter(verified, About.VERIFY_EMAIL)
    await flows.register(email=ADA, password=PASSWORD)
    second = await letter(verified, About.VERIFY_EMAIL)

    await flows.verify_email(link_of(second), password=PASSWORD)

    assert await refused(flows.verify_email(link_of(first), password=NEW)) is Reason.VOID
    await verified.login(Carrier.COOKIE)


async def test_login_before_the_proof(verified: House) -> None:
    """Who has not proved the address is not let in with the right password, and is once they have."""
    await verified.user()

    assert await refused(verified.login(Carrier.COOKIE)) is Reason.EMAIL_NOT_VERIFIED
    await verified.auth.flows.send_verification(ADA)
    said = await letter(verified, About.VERIFY_EMAIL)
    await verified.auth.flows.verify_email(link_of(said), password=PASSWORD)
    await verified.login(Carrier.COOKIE)


async def test_closed_registration(closed: House) -> None:
    """Where accounts are by invitation nobody registers, and who was invited has an account with their roles."""
    flows = closed.auth.flows
    assert await refused(flows.register(email=ADA, password=PASSWORD)) is Reason.REGISTRATION_CLOSED

    await flows.invite(ADA, roles=["editor"], actor="test")
    said = await letter(closed, About.INVITATION)
    account = await flows.accept_invitation(link_of(said), password=PASSWORD, name="Ada")

    assert (account.user.name, account.user.roles) == ("Ada", ("editor",))
    assert "code" not in said.values
    assert await is_proved(closed)
    await closed.login(Carrier.COOKIE)


async def test_invitation(house: House) -> None:
    """An invitation is good for a week, survives a weak password, and is used once; a known address is not invited."""
    flows = house.auth.flows
    link = await flows.invite(ADA, name="Ada", actor="test")
    house.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    secret = Link(link.partition("token=")[2])

    with pytest.raises(WeakPassword):
        await flows.accept_invitation(secret, password="password")
    account = await flows.accept_invitation(secret, password=PASSWORD)

    assert account.user.name == "Ada"
    assert await refused(flows.accept_invitation(secret, password=PASSWORD)) is Reason.VOID
    with pytest.raises(Taken):
        await flows.invite(ADA, actor="test")


# ------------------------------------------------------------------------------------------------ a lost password


@pytest.mark.parametrize("way", [link_of, code_of], ids=["link", "code"])
async def test_reset(house: House, way: Callable[..., Link | Code]) -> None:
    """By link or by code another password is set: the old one and all sessions end, and the address is proved."""
    await house.user()
    before = await house.login(Carrier.COOKIE)
    await house.auth.flows.forgot("ADA@example.com")
    back = way(await letter(house, About.RESET_PASSWORD))

    await house.auth.flows.reset(back, new=NEW)

    assert isinstance(await house.check(before), Denied)
    assert await refused(house.login(Carrier.COOKIE)) is Reason.BAD_CREDENTIALS
    await house.login(Carrier.COOKIE, password=NEW)
    assert await is_proved(house)
    assert (await letter(house, About.PASSWORD_CHANGED)).to == ADA
    assert await refused(house.auth.flows.reset(back, new=PASSWORD)) is Reason.VOID


async def test_reset_that_keeps_sessions(house: House) -> None:
    """Sessions are kept if that is asked for, but not those from before the address was proved."""
    await house.user()
    kept = list[bool]()
    for _ in range(2):
        before = await house.login(Carrier.COOKIE)
        await house.auth.flows.forgot(ADA)
        said = await letter(house, About.RESET_PASSWORD)
        await house.auth.flows.reset(link_of(said), new=PASSWORD, keep_sessions=True)
        kept.append(not isinstance(await house.check(before), Denied))

    assert kept == [False, True]


async def test_a_weak_password(house: House) -> None:
    """A password that will not do is refused, and the link and the code are still good."""
    await house.user()
    await house.auth.flows.forgot(ADA)
    said = await letter(house, About.RESET_PASSWORD)

    with pytest.raises(WeakPassword):
        await house.auth.flows.reset(link_of(said), new="password")

    await house.auth.flows.reset(code_of(said), new=NEW)


async def test_a_link_lives_15_minutes(house: House) -> None:
    """After a quarter of an hour neither the link nor the code does anything."""
    await house.user()
    await house.auth.flows.forgot(ADA)
    said = await letter(house, About.RESET_PASSWORD)
    house.clock.advance(timedelta(minutes=15))

    for back in (link_of(said), code_of(said)):
        assert await refused(house.auth.flows.reset(back, new=NEW)) is Reason.VOID


Change = Callable[[House, str], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "another password": lambda house, ada: house.auth.accounts.set_password(ada, new=NEW, actor="test"),
    "disabled": lambda house, ada: house.auth.accounts.disable(ada, actor="test"),
    "deleted": lambda house, ada: house.auth.accounts.delete(ada, actor="test"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_another_state(house: House, change: str) -> None:
    """A letter is good for the state it was written for: after any change of it, nothing in it is."""
    ada = (await house.user()).user.id
    who = await house.check(await house.login(Carrier.COOKIE))
    assert not isinstance(who, Denied)
    flows = house.auth.flows
    await flows.forgot(ADA)
    await flows.send_verification(ADA)
    await flows.change_email(who, await house.auth.prove_again(ada, PASSWORD), new="ada@example.org")
    reset, verify = await letter(house, About.RESET_PASSWORD), await letter(house, About.VERIFY_EMAIL)
    move = await letter(house, About.CHANGE_EMAIL, "ada@example.org")

    await CHANGES[change](house, ada)

    for way in (link_of, code_of):
        assert await refused(flows.reset(way(reset), new=NEW + "!")) is Reason.VOID
        assert await refused(flows.verify_email(way(verify), who=who)) is Reason.VOID
        assert await refused(flows.confirm_email(way(move), who=who)) is Reason.VOID


# ------------------------------------------------------------------------------------------------ another address


async def test_change_of_address(house: House) -> None:
    """Another address is the account's own once it is proved, and then the old one is told, and is free."""
    ada = (await house.user()).user.id
    who = await house.check(await house.login(Carrier.COOKIE))
    assert not isinstance(who, Denied)
    flows = house.auth.flows
    await flows.send_verification(ADA)
    await flows.verify_email(link_of(await letter(house, About.VERIFY_EMAIL)), who=who)

    await flows.change_email(who, await house.auth.prove_again(ada, PASSWORD), new="Ada@Example.org")
    assert await house.auth.accounts.find("ada@example.org") is None
    said = await letter(house, About.CHANGE_EMAIL, "ada@example.org")
    account = await flows.confirm_email(link_of(said), who=who)

    assert account.email is not None
    assert account.email.typed == "Ada@Example.org"
    assert await is_proved(house, "ada@example.org")
    assert (await letter(house, About.EMAIL_CHANGED)).to == ADA
    await house.login(Carrier.COOKIE, "ada@example.org")
    assert (await house.user()).user.id != ada


async def test_change_to_a_known_address(house: House) -> None:
    """To ask for the address of another account looks the same and leads nowhere; its owner is told."""
    ada = (await house.user()).user.id
    await house.user("eve@example.com")
    who = await house.check(await house.login(Carrier.COOKIE))
    assert not isinstance(who, Denied)

    await house.auth.flows.change_email(who, await house.auth.prove_again(ada, PASSWORD), new="eve@example.com")

    said = await letter(house, About.ACCOUNT_EXISTS, "eve@example.com")
    assert not {"link", "code"} & set(said.values)


async def test_change_with_an_old_proof(house: House) -> None:
    """To ask for another address takes a proof of just now, and one's own."""
    ada = (await house.user()).user.id
    await house.user("eve@example.com")
    who = await house.check(await house.login(Carrier.COOKIE))
    assert not isinstance(who, Denied)
    old = await house.auth.prove_again(ada, PASSWORD)
    house.clock.advance(timedelta(minutes=6))
    others = await house.auth.prove("eve@example.com", PASSWORD)

    change = house.auth.flows.change_email
    assert await refused(change(who, old, new="ada@example.org")) is Reason.NOT_FRESH
    assert await refused(change(who, others, new="ada@example.org")) is Reason.WRONG_USER


# ------------------------------------------------------------------------------------------------ once


async def test_used_at_once(house: House) -> None:
    """Of many parallel uses of one letter, by link and by code, exactly one succeeds."""
    await house.user()
    await house.auth.flows.forgot(ADA)
    said = await letter(house, About.RESET_PASSWORD)
    passwords = [f"another lantern number {n}" for n in range(MANY)]

    uses = [
        house.auth.flows.reset(code_of(said) if n == 0 else link_of(said), new=password)
        for n, password in enumerate(passwords)
    ]
    answers = await asyncio.gather(*uses, return_exceptions=True)

    won = [n for n, answer in enumerate(answers) if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert {answer.reason for answer in answers if isinstance(answer, Refused)} == {Reason.VOID}
    await house.login(Carrier.COOKIE, password=passwords[won[0]])


async def test_one_account_of_many_tries(verified: House) -> None:
    """Of many parallel proofs of one new address, one makes the account."""
    await verified.auth.flows.register(email=ADA, password=PASSWORD)
    said = await letter(verified, About.VERIFY_EMAIL)

    proofs = [verified.auth.flows.verify_email(link_of(said), password=PASSWORD) for _ in range(4)]
    answers = await asyncio.gather(*proofs, return_exceptions=True)

    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert verified.recorder.kinds().count(Kind.REGISTERED) == 1


async def test_asked_at_once(house: House) -> None:
    """Letters that are asked for at the same moment do not fail, whether there is such an account or not."""
    await house.user()
    for address in (ADA, "nobody@example.com"):
        await asyncio.gather(*(house.auth.flows.forgot(address) for _ in range(3)))

    await house.auth.flows.reset(link_of(await letter(house, About.RESET_PASSWORD)), new=NEW)


# ------------------------------------------------------------------------------------------------ without mail


async def test_without_mail(tmp_path: Path) -> None:
    """Where no mail is sent, what needs a letter says so; an invitation's link can be handed over all the same."""
    auth = make_auth(tmp_path, Registration.OPEN)
    async with auth.running():
        flows = auth.flows
        account = await flows.register(email=ADA, password=PASSWORD)
        assert account is not None
        assert await refused(flows.forgot(ADA)) is Reason.MAIL_NOT_CONFIGURED
        assert await refused(flows.send_verification(ADA)) is Reason.MAIL_NOT_CONFIGURED
        link = await flows.invite("bob@example.com", actor="test")
        await flows.accept_invitation(Link(link.partition("token=")[2]), password=PASSWORD)


def test_verified_without_mail(tmp_path: Path) -> None:
    """Where addresses must be proved and no mail is sent, nothing starts: nobody could ever come in."""
    with pytest.raises(Misconfigured, match="mail"):
        make_auth(tmp_path, Registration.VERIFIED)


def make_auth(folder: Path, registration: Registration) -> Auth:
    """Return an `Auth` that sends no mail."""
    return Auth(
        store=MemoryStore(),
        vault=SealedVault(folder / "master.key", entropy=SystemEntropy()),
        password=Password(CHEAPEST.password),
        site=Site.of(ISSUER),
        clock=SystemClock(),
        entropy=CountedEntropy(),
        policy=replace(CHEAPEST, registration=registration),
    )


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c"])
async def test_no_address(house: House, address: str) -> None:
    """What is no address is said to be none, by whatever asks for a letter."""
    flows = house.auth.flows

    for ask in (flows.forgot(address), flows.send_verification(address), flows.invite(address, actor="test")):
        with pytest.raises(Invalid):
            await ask
