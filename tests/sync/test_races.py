"""Many threads do the same thing at once, and two processes know of each other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from time import monotonic, sleep
from typing import TypeVar

import pytest

from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier, Device
from ostiary.core.user import Account
from ostiary.errors import OstiaryError, Refused, Taken
from ostiary.sync import Auth
from tests.conftest import PASSWORD
from tests.sync.conftest import make_auth

THREADS = 50
T = TypeVar("T")


def at_once(work: Callable[[], T]) -> list[T | OstiaryError]:
    """Do something in fifty threads that begin together. What was refused is an answer, too."""
    gate = Barrier(THREADS)

    def one() -> T | OstiaryError:
        gate.wait(20)
        try:
            return work()
        except OstiaryError as refused:
            return refused

    with ThreadPoolExecutor(THREADS) as pool:
        return [each.result() for each in [pool.submit(one) for _ in range(THREADS)]]


def login(auth: Auth, carrier: Carrier = Carrier.BEARER) -> tuple[str, list[tuple[bytes, bytes]]]:
    """Register and log in. Returns the session's own token, and the headers that carry it."""
    auth.accounts.register(email="ada@example.com", password=PASSWORD)
    issued = auth.login(auth.prove("ada@example.com", PASSWORD), carrier=carrier, device=Device(name="a test"))
    if issued.access_token is not None:
        return issued.session_token, [(b"authorization", f"Bearer {issued.access_token}".encode())]
    cookie = f"{auth.site.cookie_name}={issued.session_token}".encode()
    return issued.session_token, [(b"cookie", cookie), (b"sec-fetch-site", b"same-origin")]


def test_of_fifty_registrations_of_one_address_one_wins(auth: Auth) -> None:
    """An address has one account, however many ask for it in one moment."""
    answers = at_once(lambda: auth.accounts.register(email="ada@example.com", password=PASSWORD))

    assert len([answer for answer in answers if isinstance(answer, Account)]) == 1


def test_fifty_refreshes_of_one_token_lead_to_one_successor(auth: Auth) -> None:
    """Whoever asks again at once gets the same successor, so nobody is logged out and no second line begins."""
    token, _ = login(auth)

    answers = at_once(lambda: auth.refresh(token).session_token)

    assert len(set(answers)) == 1
    assert isinstance(answers[0], str)


def test_of_fifty_revocations_of_one_session_one_wins(auth: Auth) -> None:
    """A session ends once, and nobody gets in by it afterwards."""
    _, headers = login(auth, Carrier.COOKIE)
    who = auth.authenticate(headers, "GET")
    assert isinstance(who, Principal)

    answers = at_once(lambda: auth.revoke(who.session_id, actor="a test"))

    assert answers.count(True) == 1
    assert auth.authenticate(headers, "GET") == Denied(Reason.REVOKED)


def test_a_logout_among_fifty_refreshes_ends_the_session(auth: Auth) -> None:
    """Whatever came first, no token that was handed out lives on."""
    token, headers = login(auth)
    who = auth.authenticate(headers, "GET")
    assert isinstance(who, Principal)

    with ThreadPoolExecutor(1) as beside:
        beside.submit(auth.logout, who)
        at_once(lambda: auth.refresh(token))

    with pytest.raises(Refused):
        auth.refresh(token)
    assert isinstance(auth.authenticate(headers, "GET"), Denied)


def test_fifty_first_checks_of_a_cookie_ask_the_store_once_at_a_time(auth: Auth) -> None:
    """Everybody gets the same answer."""
    _, headers = login(auth, Carrier.COOKIE)

    answers = at_once(lambda: auth.authenticate(headers, "GET"))

    assert {type(answer) for answer in answers} == {Principal}


def test_a_logout_reaches_another_process(auth: Auth, tmp_path: Path) -> None:
    """What one writes, the background of the other reads, and then memory refuses by itself."""
    _, headers = login(auth)
    other = make_auth(tmp_path)
    with other.running():
        who = other.authenticate(headers, "GET")
        assert isinstance(who, Principal)

        auth.logout(who)

        patience = monotonic() + 20
        while isinstance(other.authenticate(headers, "GET"), Principal) and monotonic() < patience:
            sleep(0.01)
        assert other.authenticate(headers, "GET") == Denied(Reason.REVOKED)


def test_what_was_stopped_starts_again(auth: Auth) -> None:
    """A stop lets go of everything, and a start finds all that was written."""
    token, _ = login(auth)

    auth.stop()
    auth.start()

    assert auth.refresh(token).session_token != token


def test_an_address_that_is_taken_is_said_to_be(auth: Auth) -> None:
    """The twin refuses by the same words as its source."""
    login(auth)

    with pytest.raises(Taken):
        auth.accounts.register(email="ada@example.com", password=PASSWORD)
