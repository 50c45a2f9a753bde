"""Threat: an account is deleted by who only found it open, or lives on after it was (CVE-2026-9798).

A session is not enough to delete an account: it takes a proof of just now, by its own user. Then nothing of it is good
any more, its address is free, and what is on record names nobody.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.core.access import Principal
from ostiary.core.assurance import RECENT
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.session import Carrier
from ostiary.errors import Refused
from tests.attacks.visits import Held, Street, code, open_street
from tests.conftest import PASSWORD, STORES, headers_of

SECOND = timedelta(seconds=1)


@pytest.fixture(params=STORES)
async def street(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which Ada lives, on each store."""
    async with open_street(tmp_path, STORES[request.param](request, tmp_path)) as street:
        yield street


async def delete(street: Street, held: Held, password: str = PASSWORD) -> tuple[int, str]:
    """Ask for the end of an account. Returns what was answered."""
    answer = await street.send("DELETE", "/auth/account", held=held, json={"password": password})
    return (answer.status_code, "") if answer.is_success else code(answer)


async def principal(street: Street) -> Principal:
    """Log Ada in, and return who she is to a guard."""
    auth = street.house.auth
    issued = await street.house.login(Carrier.BEARER)
    who = await auth.authenticate(headers_of(auth, issued), "POST")
    assert isinstance(who, Principal)
    return who


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_found_open(street: Street, carrier: Carrier) -> None:
    """Who holds a session but not the password deletes nothing, and guessing is slowed as at a login."""
    held = await street.login(carrier)

    answers = [await delete(street, held, "a lantern in the dark") for _ in range(6)]

    assert answers == [(401, "bad_credentials")] * 5 + [(429, "too_many_requests")]
    assert (await street.ask(held)).is_success


@pytest.mark.parametrize("carrier", list(Carrier))
async def test_gone(street: Street, carrier: Carrier) -> None:
    """A deleted account is out everywhere at once; who registers its address anew sees nothing of it."""
    held, other = await street.login(carrier), await street.login(Carrier.BEARER)

    assert await delete(street, held) == (204, "")

    assert [code(await street.ask(each)) for each in (held, other)] == [(401, "invalid_token")] * 2
    assert code(await street.refresh(other)) == (401, "invalid_grant")
    assert await delete(street, held) == (401, "invalid_token")
    again = (await street.house.user()).user.id
    assert again != held.user_id
    assert [event.kind for event in await street.house.auth.accounts.activity(again)] == [Kind.REGISTERED]


async def test_the_record(street: Street) -> None:
    """What happened stays on record, and says of nobody from where they came."""
    held = await street.login(Carrier.COOKIE)
    accounts = street.house.auth.accounts
    assert street.address in {event.ip for event in await accounts.activity(held.user_id)}

    assert await delete(street, held) == (204, "")

    events = await accounts.activity(held.user_id)
    assert {event.kind for event in events} >= {Kind.REGISTERED, Kind.LOGGED_IN, Kind.REVOKED, Kind.USER_DELETED}
    assert {event.ip for event in events} == {""}


async def test_an_old_proof(street: Street) -> None:
    """A proof is good for five minutes and no longer: one that was kept deletes nothing."""
    auth, who = street.house.auth, await principal(street)
    proof = await auth.prove_again(who.user_id, PASSWORD)

    with pytest.raises(Refused) as refused:
        await auth.accounts.delete_own(who, replace(proof, at=proof.at - RECENT - SECOND))

    assert refused.value.reason is Reason.NOT_FRESH
    await auth.accounts.delete_own(who, replace(proof, at=proof.at - RECENT))
    assert await auth.accounts.get(who.user_id) is None


async def test_a_proof_of_somebody_else(street: Street) -> None:
    """Bob's own proof deletes neither Ada's account nor Bob's by Ada's session."""
    auth, who = street.house.auth, await principal(street)
    bob = (await street.house.user("bob@example.com")).user.id
    proof = await auth.prove("bob@example.com", PASSWORD)

    for shown in (proof, replace(proof, user_id=who.user_id)):
        with pytest.raises(Refused):
            await auth.accounts.delete_own(who, shown)

    assert [await auth.accounts.get(user_id) is None for user_id in (who.user_id, bob)] == [False, False]


async def test_a_proof_that_was_overtaken(street: Street) -> None:
    """A proof by a password that was changed meanwhile, or of a user who was disabled, deletes nothing."""
    auth, who = street.house.auth, await principal(street)
    proof = await auth.prove_again(who.user_id, PASSWORD)
    await auth.accounts.set_password(who.user_id, new="another lantern, far away", actor="test")

    with pytest.raises(Refused):
        await auth.accounts.delete_own(who, proof)

    assert await auth.accounts.get(who.user_id) is not None


async def test_renamed(street: Street) -> None:
    """A user changes their own name, and nothing else: not the address, the roles or the sessions."""
    held = await street.login(Carrier.COOKIE)

    renamed = await street.send("PATCH", "/auth/account", held=held, json={"name": "  Ada   Lovelace "})
    hostile = await street.send("PATCH", "/auth/account", held=held, json={"name": "Ada", "roles": ["admin"]})

    assert renamed.json()["name"] == "Ada Lovelace"
    assert code(hostile) == (422, "invalid")
    account = (await street.ask(held)).json()["user"]
    assert (account["name"], account["email"], account["roles"]) == ("Ada Lovelace", "ada@example.com", [])


async def test_activity(street: Street) -> None:
    """A user sees what happened to their own account, the newest first, and nothing of anybody else's."""
    await street.house.user("bob@example.com")
    bob = await street.login(Carrier.COOKIE, "bob@example.com")
    ada = await street.login(Carrier.COOKIE)

    events = (await street.send("GET", "/auth/activity", held=ada)).json()["events"]

    assert [(event["kind"], event["own"]) for event in events] == [("logged_in", True), ("registered", True)]
    assert events[0]["session"] == ada.session_id != bob.session_id
    assert events[0]["ip"] == street.address
