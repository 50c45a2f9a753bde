"""Threat: our letters as a weapon. Somebody has us write to a stranger, again and again, or to one stranger each.

Whatever an attacker can repeat is repeated here for a day, from as many networks as they like.
"""

import unicodedata
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.identifier import email
from ostiary.core.letter import About
from ostiary.core.policy import CHEAPEST, Registration
from ostiary.core.session import Carrier
from ostiary.core.throttle import FORGOT_ADDRESS, VERIFY_ACCOUNT
from ostiary.errors import Undeliverable
from ostiary.mail.words import as_address
from ostiary.stores.memory import MemoryStore
from tests.attacks.visits import BROWSER, Street, code, street_of, taken
from tests.auth.mailing import sent_all
from tests.conftest import PASSWORD, make_house

VICTIM = "ada@example.com"
DAY = timedelta(days=1)


@pytest.fixture(params=[Registration.OPEN, Registration.VERIFIED])
async def street(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Street]:
    """A street on which nobody lives yet."""
    house = make_house(MemoryStore(), tmp_path, policy=replace(CHEAPEST, registration=request.param))
    async with house.auth.running():
        yield street_of(house)


async def test_registered_again_and_again(street: Street) -> None:
    """Eve registers with a stranger's address, deletes the account and begins again: fewer than 20 letters a day."""
    body = {"email": VICTIM, "password": PASSWORD, "carrier": "bearer"}
    house, start = street.house, street.house.clock.now()

    for tries in range(300):
        street.address = f"198.51.{tries // 250}.{tries % 250 + 1}"
        answer = await street.send("POST", "/auth/register", json=body)
        if answer.status_code == 201:
            await street.send("DELETE", "/auth/account", held=taken(answer), json={"password": PASSWORD})
        house.clock.advance(DAY / 300)
    await sent_all(house)

    assert house.clock.now() - start <= DAY
    assert 1 <= sum(letter.to == VICTIM for letter in house.mail.letters) < 20


@pytest.mark.parametrize("street", [Registration.OPEN], indirect=True)
async def test_nobody_is_kept_from_registering(street: Street) -> None:
    """However many letters Eve has asked for, Ada's account is made at once; a letter of her own she asks for later."""
    asked = [
        await street.send("POST", "/auth/email/send", json={"email": VICTIM}) for _ in range(VERIFY_ACCOUNT.free + 1)
    ]
    registered = await street.send("POST", "/auth/register", json={"email": VICTIM, "password": PASSWORD})
    await sent_all(street.house)

    assert [answer.status_code for answer in asked] == [202] * VERIFY_ACCOUNT.free + [429]
    assert registered.status_code == 201
    assert street.house.mail.letters == []


@pytest.mark.parametrize("street", [Registration.OPEN], indirect=True)
async def test_asked_for_as_ones_own(street: Street) -> None:
    """Eve asks for one stranger's address after the other as her own: her network is slowed."""
    await street.house.user("eve@example.com")
    eve = await street.login(Carrier.BEARER, "eve@example.com")

    answers = list[int]()
    for number in range(FORGOT_ADDRESS.free + 5):
        body = {"email": f"stranger{number}@example.com", "password": PASSWORD}
        answers.append((await street.send("POST", "/auth/email/change", held=eve, json=body)).status_code)
    await sent_all(street.house)

    written = [letter for letter in street.house.mail.letters if letter.about is About.CHANGE_EMAIL]
    assert answers == [202] * FORGOT_ADDRESS.free + [429] * 5
    assert len(written) == FORGOT_ADDRESS.free


async def test_passwords_that_will_not_do(street: Street) -> None:
    """Ada's first ten passwords are too weak. None of them had a letter sent, so she need not wait."""
    for _ in range(10):
        answer = await street.send("POST", "/auth/register", json={"email": VICTIM, "password": "password"})
        assert code(answer) == (422, "weak_password")

    answer = await street.send("POST", "/auth/register", json={"email": VICTIM, "password": PASSWORD}, headers=BROWSER)

    assert answer.status_code in (201, 202)


@pytest.mark.parametrize("typed", ["eve%evil.example@example.com", "evil.example!eve@example.com"])
def test_a_way_to_another_host(typed: str) -> None:
    """A letter goes where its address says: one that a mail server may send on to another host is no address."""
    assert email(typed) is None


ODD = st.text(st.sampled_from("=?_ae48.@+%!'-*"), min_size=1, max_size=30)


@pytest.mark.parametrize(
    "typed",
    [
        "=?utf-8?q?eve=40evil.example=2c?=@example.com",
        "=?utf-8?q?a=0d=0abcc=3aeve=40evil.example=0d=0a?=@example.com",
        "=?utf-8?b?ywrh?=@example.com",
        "\uff1d\uff1futf-8\uff1fq\uff1fada\uff1f\uff1d@example.com",
    ],
)
def test_an_address_in_an_address(typed: str) -> None:
    """What is decoded to other characters (an encoded word, RFC 2047) is no address, and nothing is written to it."""
    assert email(typed) is None
    with pytest.raises(Undeliverable):
        as_address(unicodedata.normalize("NFKC", typed))


@given(local=ODD)
def test_read_as_it_was_written(local: str) -> None:
    """Whoever reads a letter's header reads the one address that it was written to."""
    address = email(f"{local}@example.com")
    if address is None:
        return
    message = EmailMessage(policy=SMTP)
    message["To"] = as_address(address)

    read = message_from_bytes(message.as_bytes(), policy=SMTP)

    assert [each.addr_spec for each in read["To"].addresses] == [address]
