"""Logging in, holding a session by either carrier, and losing it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.access import Principal
from ostiary.core.assurance import fresh
from ostiary.core.decision import Denied, Reason
from ostiary.core.events import Kind
from ostiary.core.session import Carrier
from ostiary.errors import Invalid, Overloaded, Refused, Taken, Throttled
from tests.conftest import PASSWORD, House, make_house, sqlite_store

BOTH = pytest.mark.parametrize("carrier", list(Carrier))


@BOTH
async def test_a_login_is_carried(house: House, carrier: Carrier) -> None:
    """A login by either carrier is the same principal to a handler, and the audit log knows of it."""
    account = await house.user(roles=["editor"])

    issued = await house.login(carrier)
    who = await house.check(issued)

    assert isinstance(who, Principal)
    assert (who.user_id, who.session_id, who.carrier) == (account.user.id, issued.session.id, carrier)
    assert (who.amr, who.acr, who.roles, who.revision) == (("pwd",), "aal1", ("editor",), 1)
    assert house.recorder.kinds() == [Kind.REGISTERED, Kind.LOGGED_IN]
    assert [event.kind for event in await house.auth.accounts.activity(account.user.id)] == [
        Kind.LOGGED_IN,
        Kind.REGISTERED,
    ]


async def test_what_each_carrier_receives(house: House) -> None:
    """A browser is given a cookie and never a token; a bearer is given tokens and no CSRF token."""
    await house.user()

    cookie = await house.login(Carrier.COOKIE)
    bearer = await house.login(Carrier.BEARER)

    assert cookie.session_token.startswith("os1c.")
    assert cookie.access_token is None
    assert cookie.csrf_token
    assert bearer.session_token.startswith("os1r.")
    assert bearer.access_token is not None
    assert not bearer.csrf_token
    for secret in (cookie.session_token, cookie.csrf_token, bearer.session_token, bearer.access_token):
        assert secret not in f"{cookie!r} {bearer!r}"


@BOTH
async def test_logout_is_at_once(house: House, carrier: Carrier) -> None:
    """When a logout has returned, neither carrier of the session is good, and another session is untouched."""
    await house.user()
    issued, other = await house.login(carrier), await house.login(carrier)
    who = await house.check(issued)
    assert isinstance(who, Principal)

    await house.auth.logout(who)

    assert await house.check(issued) == Denied(Reason.REVOKED)
    assert isinstance(await house.check(other), Principal)
    if carrier is Carrier.BEARER:
        with pytest.raises(Refused, match="revoked"):
            await house.auth.refresh(issued.session_token)


async def test_a_cookie_gives_an_access_token(house: House) -> None:
    """A cookie's session mints a short access token, which dies with the session."""
    await house.user()
    cookie = await house.login(Carrier.COOKIE)
    who = await house.check(cookie)
    assert isinstance(who, Principal)

    minted = await house.auth.mint(who)
    by_token = await house.check(minted)
    await house.auth.logout(who)

    assert isinstance(by_token, Principal)
    assert (by_token.session_id, by_token.carrier) == (cookie.session.id, Carrier.BEARER)
    assert await house.check(minted) == Denied(Reason.REVOKED)


@BOTH
async def test_sessions_end_by_themselves(house: House, carrier: Carrier) -> None:
    """A session without activity ends after the idle life; an active one at the end of its whole life."""
    await house.user()
    idle, active = await house.login(carrier), await house.login(carrier)
    policy = house.auth.policy

    for _ in range(int(policy.session_life / policy.idle_life * 2)):
        house.clock.advance(policy.idle_life / 2 - timedelta(seconds=1))
        if carrier is Carrier.BEARER:
            active = await house.auth.refresh(active.session_token)
        await house.auth.upkeep._follower.round()
        assert isinstance(await house.check(active), Principal)
        await house.auth.upkeep.write_seen()

    assert [session.id for session in await house.auth.sessions(active.session.user_id)] == [active.session.id]
    house.clock.advance(policy.session_life)
    await house.auth.upkeep._follower.round()
    assert await house.check(active) == Denied(Reason.EXPIRED)
    assert await house.check(idle) in (Denied(Reason.EXPIRED), Denied(Reason.IDLE))


async def test_wrong_password(house: House) -> None:
    """A wrong password, an unknown address and no address at all are refused alike, and are on record."""
    await house.user()

    for address in ("ada@example.com", "nobody@example.com", "no address"):
        with pytest.raises(Refused) as refused:
            await house.auth.prove(address, "not the password")
        assert refused.value.reason is Reason.BAD_CREDENTIALS
    assert house.recorder.kinds() == [Kind.REGISTERED, *3 * [Kind.LOGIN_FAILED]]


async def test_guessing_is_slowed(house: House) -> None:
    """After a few wrong guesses one must wait, with the right password too. It ends; a success forgives nothing."""
    await house.user()
    for _ in range(5):
        with pytest.raises(Refused):
            await house.auth.prove("ada@example.com", "wrong")

    with pytest.raises(Throttled) as throttled:
        await house.auth.prove("ADA@example.com", PASSWORD)
    house.clock.advance(timedelta(seconds=throttled.value.retry_after))
    await house.login(Carrier.COOKIE)

    with pytest.raises(Throttled):
        await house.auth.prove("ada@example.com", PASSWORD)


async def test_registering_twice(house: House) -> None:
    """An address belongs to one account, however it is written."""
    await house.user("ada@example.com")

    with pytest.raises(Taken):
        await house.user(" ADA@EXAMPLE.com ")
    with pytest.raises(Invalid):
        await house.user("ada at example.com")


@BOTH
async def test_step_up(house: House, carrier: Carrier) -> None:
    """A step-up renews the proof; what was minted before, and the old cookie, are dead. Another's proof is refused."""
    await house.user()
    await house.user("eve@example.com")
    issued = await house.login(carrier)
    who = await house.check(issued)
    assert isinstance(who, Principal)
    house.clock.advance(timedelta(minutes=5))
    await house.auth.upkeep._follower.round()

    with pytest.raises(Refused, match="wrong_user"):
        await house.auth.step_up(who, await house.auth.prove("eve@example.com", PASSWORD))
    proof = await house.auth.prove_again(issued.session.user_id, PASSWORD)
    raised = await house.auth.step_up(who, proof)

    after = await house.check(raised)
    assert isinstance(after, Principal)
    assert (after.session_id, after.auth_time) == (issued.session.id, house.clock.now())
    assert (raised.session_token != issued.session_token) == (carrier is Carrier.COOKIE)
    assert isinstance(await house.check(issued), Denied)


@BOTH
async def test_roles_at_once(house: House, carrier: Carrier) -> None:
    """A changed role is in force at the next check, and nobody is logged out: a cookie asks, a token is refreshed."""
    account = await house.user(roles=["reader"])
    await house.auth.accounts.define_roles({"reader": ["read"], "writer": ["read", "write"]}, actor="test")
    await house.auth.upkeep._follower.round()
    issued = await house.login(carrier)
    before = await house.check(issued)

    await house.auth.accounts.set_roles(account.user.id, ["writer"], actor="test")
    after = await house.check(issued)
    if carrier is Carrier.BEARER:
        assert after == Denied(Reason.SUPERSEDED)
        after = await house.check(await house.auth.refresh(issued.session_token))

    assert isinstance(before, Principal)
    assert isinstance(after, Principal)
    assert before.permissions == {"read"}
    assert after.permissions == {"read", "write"}


async def test_a_proof_is_not_kept(house: House) -> None:
    """A proof given before the password changed, or before the user was disabled, lets nobody in."""
    account = await house.user()
    old = await house.auth.prove("ada@example.com", PASSWORD)
    await house.auth.accounts.set_password(account.user.id, new="another lantern, far away", actor="test")
    newer = await house.auth.prove("ada@example.com", "another lantern, far away")
    await house.auth.accounts.disable(account.user.id, actor="test")

    with pytest.raises(Refused, match="bad_credentials"):
        await house.auth.login(old, carrier=Carrier.COOKIE)
    with pytest.raises(Refused, match="user_disabled"):
        await house.auth.login(newer, carrier=Carrier.COOKIE)
    with pytest.raises(Refused, match="bad_credentials"):
        await house.auth.login(replace(newer, credential_id="made up"), carrier=Carrier.COOKIE)


async def test_changing_the_password(house: House) -> None:
    """A changed password ends every other session; the old one is no good any more, and a proof is used once."""
    await house.user()
    here, there = await house.login(Carrier.COOKIE), await house.login(Carrier.BEARER)
    proof = await house.auth.prove_again(here.session.user_id, PASSWORD)

    await house.auth.accounts.change_password(proof, new="another lantern, far away", keep_session=here.session.id)

    assert isinstance(await house.check(here), Principal)
    assert await house.check(there) == Denied(Reason.REVOKED)
    with pytest.raises(Refused, match="bad_credentials"):
        await house.login(Carrier.COOKIE)
    with pytest.raises(Refused, match="bad_credentials"):
        await house.auth.accounts.change_password(proof, new="a third lantern, at sea", keep_session=None)
    await house.login(Carrier.COOKIE, password="another lantern, far away")


async def test_the_most_sessions(house: House) -> None:
    """One login more than a user may have sessions ends the oldest, by either carrier, and no other."""
    await house.user()
    most = house.auth.policy.most_sessions
    first = await house.login(Carrier.COOKIE)
    house.clock.advance(timedelta(seconds=1))
    second = await house.login(Carrier.BEARER)
    proof = await house.auth.prove("ada@example.com", PASSWORD)

    for _ in range(most - 1):
        house.clock.advance(timedelta(seconds=1))
        await house.auth.login(proof, carrier=Carrier.BEARER)

    assert await house.check(first) == Denied(Reason.REVOKED)
    assert isinstance(await house.check(second), Principal)
    assert len(await house.auth.sessions(first.session.user_id)) == most


async def test_a_traded_token_mints_nothing(house: House) -> None:
    """Only who shows the cookie itself is given an access token: no bearer, and no token that the cookie gave away."""
    await house.user()
    cookie, bearer = await house.login(Carrier.COOKIE), await house.login(Carrier.BEARER)
    who = await house.check(cookie)
    assert isinstance(who, Principal)
    traded = await house.check(await house.auth.mint(who))
    other = await house.check(bearer)

    for caller in (traded, other):
        assert isinstance(caller, Principal)
        with pytest.raises(Refused, match="wrong_carrier"):
            await house.auth.mint(caller)


async def test_a_try_that_was_not_made(house: House) -> None:
    """A login that was turned away because too much was waiting is no guess, and costs none."""
    await house.user()
    method = house.auth._password
    house.auth._password = Busy()  # type: ignore[assignment] # it proves nobody

    for _ in range(20):
        with pytest.raises(Overloaded):
            await house.auth.prove("ada@example.com", PASSWORD, ip="203.0.113.7")
    house.auth._password = method

    await house.login(Carrier.COOKIE)


class Busy:
    """A password method with a full queue."""

    async def prove(self, *_: object, **__: object) -> None:
        raise Overloaded(3)

    def close(self) -> None:
        """Nothing is open."""


async def test_a_token_never_outlives_its_session(house: House) -> None:
    """Near the end of a session its access token is short, and says so."""
    await house.user()
    issued = await house.login(Carrier.BEARER)
    left = timedelta(minutes=3)
    while house.clock.now() < issued.session.expires_at - left:
        step = min(house.auth.policy.idle_life / 2, issued.session.expires_at - left - house.clock.now())
        house.clock.advance(step)
        await house.auth.upkeep._follower.round()
        issued = await house.auth.refresh(issued.session_token)

    assert issued.expires_in == left.total_seconds()
    house.clock.advance(left)
    await house.auth.upkeep._follower.round()
    assert await house.check(issued) == Denied(Reason.EXPIRED)


@BOTH
async def test_a_clock_that_was_ahead(tmp_path: Path, carrier: Carrier) -> None:
    """Who logged in where the clock was a day ahead is in everywhere once it is right again, and fresh for nobody."""
    right, ahead = (make_house(sqlite_store(tmp_path), tmp_path) for _ in range(2))
    ahead.clock.jump(timedelta(days=1))
    async with right.auth.running(), ahead.auth.running():
        await right.user()
        issued = await ahead.login(carrier)
        again = await right.auth.refresh(issued.session_token) if carrier is Carrier.BEARER else issued
        who = await right.check(again)

    assert isinstance(who, Principal)
    assert fresh(who.auth_time, now=right.clock.now(), within=timedelta(days=10_000)) == Denied(Reason.NOT_FRESH)
