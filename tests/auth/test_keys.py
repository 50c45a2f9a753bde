"""Keys: made once, rotated without a refusal, retired at once."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.keys import Purpose
from ostiary.core.session import Carrier
from ostiary.errors import Invalid, Misconfigured, Refused, Unavailable
from tests.conftest import House, make_house, sqlite_store


async def test_first_start(tmp_path: Path) -> None:
    """Many processes that start at once on an empty folder make one set of keys, readable by their owner only."""
    houses = [make_house(sqlite_store(tmp_path), tmp_path) for _ in range(5)]

    await asyncio.gather(*(house.auth.start() for house in houses))
    keys = await houses[0].auth.keys.all()
    await asyncio.gather(*(house.auth.stop() for house in houses))

    assert sorted(key.purpose for key in keys) == sorted(Purpose)
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("*.new")] == []


async def test_a_purpose_that_is_new(tmp_path: Path) -> None:
    """A store from before a purpose was known gets a key for it at the next start, and keeps the others."""
    house = make_house(sqlite_store(tmp_path), tmp_path)
    async with house.auth.running():
        before = {key.id for key in await house.auth.keys.all()}
    with closing(sqlite3.connect(tmp_path / "ostiary.db")) as database, database:
        database.execute("DELETE FROM keys WHERE purpose = 'device'")

    async with house.auth.running():
        keys = await house.auth.keys.all()

    assert sorted(key.purpose for key in keys) == sorted(Purpose)
    assert len(before & {key.id for key in keys}) == len(Purpose) - 1


async def test_rotation_refuses_nobody(house: House) -> None:
    """A new key is published before it signs; what the old one signed is good until it dies by itself."""
    await house.user()
    before = await house.login(Carrier.BEARER)
    old = house.auth.keyring.signer(now=house.clock.now())

    new = await house.auth.keys.rotate(Purpose.ACCESS, actor="test")
    await house.auth.upkeep._follower.round()
    published = {key["kid"] for key in house.auth.keyring.jwks(now=house.clock.now())["keys"]}
    still_signing = house.auth.keyring.signer(now=house.clock.now())
    assert isinstance(await house.check(before), Principal)
    house.clock.advance(house.auth.policy.key_lead)
    await house.auth.upkeep._follower.round()
    signed_by_new = await house.login(Carrier.BEARER)
    assert isinstance(await house.check(before), Principal)
    assert isinstance(await house.check(signed_by_new), Principal)
    house.clock.advance(house.auth.policy.access_life + house.auth.policy.leeway)

    assert published == {old.id, new.id}
    assert still_signing.id == old.id
    assert house.auth.keyring.signer(now=house.clock.now()).id == new.id
    assert [key["kid"] for key in house.auth.keyring.jwks(now=house.clock.now())["keys"]] == [new.id]


@pytest.mark.parametrize(("purpose", "carrier"), [(Purpose.ACCESS, Carrier.BEARER), (Purpose.SESSION, Carrier.COOKIE)])
async def test_retired_at_once(house: House, purpose: Purpose, carrier: Carrier) -> None:
    """What a retired key signed is refused at the next check, and logging in goes on with a new key."""
    await house.user()
    issued = await house.login(carrier)
    await house.check(issued)
    key = next(record for record in await house.auth.keys.all() if record.purpose is purpose)

    await house.auth.keys.retire(key.id, actor="test")
    await house.auth.upkeep._follower.round()

    assert await house.check(issued) in (Denied(Reason.UNKNOWN_KEY), Denied(Reason.BAD_SIGNATURE))
    assert isinstance(await house.check(await house.login(carrier)), Principal)
    with pytest.raises(Invalid):
        await house.auth.keys.retire(key.id, actor="test")


async def test_session_tokens_survive_a_rotation(house: House) -> None:
    """A refresh token and a cookie made before a rotation of the session key are good after it."""
    await house.user()
    cookie, bearer = await house.login(Carrier.COOKIE), await house.login(Carrier.BEARER)

    await house.auth.keys.rotate(Purpose.SESSION, actor="test", lead=timedelta(0))
    await house.auth.keys.rotate(Purpose.CSRF, actor="test", lead=timedelta(0))
    await house.auth.upkeep._follower.round()

    assert isinstance(await house.check(cookie), Principal)
    assert isinstance(await house.check(await house.auth.refresh(bearer.session_token)), Principal)


@pytest.mark.parametrize("carrier", Carrier)
async def test_a_clock_behind_the_first_key(tmp_path: Path, carrier: Carrier) -> None:
    """A process whose clock is behind the making of the keys signs nothing and changes nothing: it cannot say now."""
    right, late = (make_house(sqlite_store(tmp_path), tmp_path) for _ in range(2))
    late.clock.jump(timedelta(hours=-1))
    async with right.auth.running(), late.auth.running():
        user = (await right.user()).user
        issued = await right.login(Carrier.BEARER)
        with pytest.raises(Unavailable, match="clock"):
            await late.login(carrier)
        with pytest.raises(Unavailable, match="clock"):
            await late.auth.refresh(issued.session_token)
        sessions = await right.auth.sessions(user.id)
        again = await right.auth.refresh(issued.session_token)

    assert sessions == [issued.session]
    assert again.session.issued == issued.session.issued + 1


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda key: key.unlink(), "is missing"),
        (lambda key: key.chmod(0o644), "chmod 600"),
        (lambda key: key.write_text("nonsense"), "not a key file"),
        (lambda key: key.write_bytes(b"\xff\x00"), "it is not text"),
        (lambda key: key.write_text("1 " + "A" * 43 + "\n"), "not the key file of this store"),
        (lambda key: key.write_text("2 " + "A" * 43 + "\n"), "not in the key file"),
    ],
)
async def test_wrong_key_file(tmp_path: Path, spoil: object, says: str) -> None:
    """A key file that is missing, open to others, broken or another's is one clear line, and nothing is made anew."""
    house = make_house(sqlite_store(tmp_path), tmp_path)
    async with house.auth.running():
        await house.user()
    assert callable(spoil)
    spoil(tmp_path / "master.key")

    again = make_house(sqlite_store(tmp_path), tmp_path)
    with pytest.raises(Misconfigured, match=says) as refused:
        await again.auth.start()
    await again.store.close()
    again.auth._password.close()

    assert "\n" not in str(refused.value)


async def test_sealed(house: House) -> None:
    """A key at rest opens for its own purpose and its own row only (GHSA-r9w3-57w2-gch2)."""
    one, other = (await house.auth.keys.all())[:2]
    master = house.auth._vault._master  # type: ignore[attr-defined]

    assert master.open(one.sealed, purpose=one.purpose, row=one.id)
    for purpose, row, sealed in [
        (other.purpose, one.id, one.sealed),
        (one.purpose, other.id, one.sealed),
        (one.purpose, one.id, other.sealed),
        (one.purpose, one.id, one.sealed[:-1]),
        (one.purpose, one.id, b""),
        (one.purpose, one.id, bytes([one.sealed[0] ^ 1]) + one.sealed[1:]),
    ]:
        with pytest.raises(Misconfigured):
            master.open(sealed, purpose=purpose, row=row)


async def test_an_unknown_refresh_token(house: House) -> None:
    """A well-made refresh token of another house is refused without asking the store."""
    await house.user()
    issued = await house.login(Carrier.BEARER)
    forged = issued.session_token[:-1] + ("A" if issued.session_token[-1] != "A" else "Q")
    await house.store.close()

    with pytest.raises(Refused, match="bad_signature"):
        await house.auth.refresh(forged)


async def test_two_rotations_in_a_row(house: House) -> None:
    """A rotation that overtakes an earlier one cuts no token's life short: what is signed lives as long as it says."""
    await house.user()
    policy = house.auth.policy

    await house.auth.keys.rotate(Purpose.ACCESS, actor="test")
    last = await house.auth.keys.rotate(Purpose.ACCESS, actor="test", lead=policy.lease)
    for _ in range(12):
        house.clock.advance(timedelta(minutes=1))
        await house.auth.upkeep._follower.round()
        issued = await house.login(Carrier.BEARER)
        house.clock.advance(policy.access_life - timedelta(seconds=1))
        await house.auth.upkeep._follower.round()
        assert isinstance(await house.check(issued), Principal)

    assert house.auth.keyring.signer(now=house.clock.now()).id == last.id


async def test_a_new_version_of_the_master_key(house: House) -> None:
    """A version that another process puts into the key file is read when a key needs it."""
    await house.user()
    path = house.folder / "master.key"
    path.write_text(f"{path.read_text()}2 {'A' * 43}\n")
    other = make_house(house.store, house.folder, clock=house.clock)

    await other.auth.keys.rotate(Purpose.ACCESS, actor="test")
    await house.auth.upkeep._follower.round()

    assert isinstance(await house.check(await house.login(Carrier.BEARER)), Principal)
