"""The tables of the flows: what an address finds, what is written to it, and where what comes back leads."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.core.decision import Denied, Reason
from ostiary.core.flow import ASKED, REDEEMED, Finds, Flow, Leads, Writes, finds, state, unproved
from ostiary.core.policy import Registration
from ostiary.core.user import Account, Credential, Identifier, User
from tests.core.vectors import NOW

ADA = User(id="ada", name="Ada", created_at=NOW)
ADDRESS = Identifier(kind="email", value="ada@example.com", typed="Ada@Example.com", user_id="ada")
PASSWORD = Credential(id="c1", user_id="ada", kind="password", secret="a hash", changed_at=NOW)
PROVED = replace(ADDRESS, verified_at=NOW)
DISABLED = replace(ADA, disabled_at=NOW)


@pytest.mark.parametrize(
    ("identifier", "user", "found"),
    [
        (None, None, Finds.NOBODY),
        (ADDRESS, None, Finds.NOBODY),
        (ADDRESS, ADA, Finds.UNPROVED),
        (PROVED, ADA, Finds.PROVED),
        (ADDRESS, DISABLED, Finds.DISABLED),
        (PROVED, DISABLED, Finds.DISABLED),
    ],
)
def test_what_an_address_finds(identifier: Identifier | None, user: User | None, found: Finds) -> None:
    """Whoever is disabled is disabled first, and whether an address is proved is asked only then."""
    assert finds(identifier, user) is found


@pytest.mark.parametrize("flow", Flow)
def test_every_row_is_whole(flow: Flow) -> None:
    """Both tables say something of every flow, whatever the address finds."""
    assert set(ASKED[flow]) == set(REDEEMED[flow]) == set(Finds)


@pytest.mark.parametrize("flow", Flow)
@pytest.mark.parametrize("found", Finds)
def test_only_what_was_written_leads_on(flow: Flow, found: Finds) -> None:
    """A link leads on exactly where one is written: what no letter was for, no link does."""
    assert (REDEEMED[flow][found] is Leads.VOID) == (ASKED[flow][found] is not Writes.LINK)


@pytest.mark.parametrize("flow", Flow)
def test_a_disabled_user_stays_out(flow: Flow) -> None:
    """No link or code does anything for who was disabled, nor in their place."""
    assert REDEEMED[flow][Finds.DISABLED] is Leads.VOID


@pytest.mark.parametrize("flow", Flow)
def test_a_proved_address_keeps_its_account(flow: Flow) -> None:
    """Who proves an address that another account has proved gets nothing but that account's new password."""
    assert REDEEMED[flow][Finds.PROVED] in ({Leads.RENEW} if flow is Flow.RESET else {Leads.VOID})


def test_an_unproved_address_is_taken_over() -> None:
    """An account that never proved its address ends for whoever had it, by whichever way its owner arrives."""
    arrived = {flow: leads[Finds.UNPROVED] for flow, leads in REDEEMED.items()}

    assert arrived == {
        Flow.REGISTER: Leads.TAKE_OVER,
        Flow.VERIFY: Leads.PROVE,
        Flow.RESET: Leads.RENEW,
        Flow.CHANGE: Leads.VOID,
        Flow.INVITE: Leads.TAKE_OVER,
    }


def test_purposes() -> None:
    """What proves an address is redeemed in one place, whether an account waits for it or has it; all else apart."""
    purposes = [flow.purpose for flow in Flow if flow is not Flow.REGISTER]

    assert Flow.REGISTER.purpose == Flow.VERIFY.purpose
    assert len(set(purposes)) == len(purposes)


def test_lives() -> None:
    """A letter is good for 15 minutes, an invitation for seven days; and that has no code, which could be guessed."""
    lives = {flow: (flow.life, flow.has_code) for flow in Flow}

    assert lives.pop(Flow.INVITE) == (timedelta(days=7), False)
    assert set(lives.values()) == {(timedelta(minutes=15), True)}


@pytest.mark.parametrize(
    "changed",
    [
        state("eve", "ada@example.com", PASSWORD),
        state("ada", "eve@example.com", PASSWORD),
        state("ada", "ada@example.com", replace(PASSWORD, version=2)),
        state("ada", "ada@example.com", replace(PASSWORD, id="c2")),
        state("ada", "ada@example.com", None),
    ],
)
def test_another_state(changed: str) -> None:
    """Another account, another address, another password: each is another state."""
    assert state("ada", "ada@example.com", PASSWORD) != changed


def test_the_same_state() -> None:
    """A password that was only hashed anew is the same state: the next login must not end a letter."""
    hashed_anew = replace(PASSWORD, secret="another hash")

    assert state("ada", "ada@example.com", PASSWORD) == state("ada", "ada@example.com", hashed_anew)


@pytest.mark.parametrize("registration", Registration)
@pytest.mark.parametrize("identifiers", [(), (ADDRESS,), (PROVED,)])
def test_who_must_prove_first(registration: Registration, identifiers: tuple[Identifier, ...]) -> None:
    """Only where registration is `verified` is somebody with an address kept out until they have proved it."""
    answer = unproved(Account(user=ADA, identifiers=identifiers), registration=registration)

    must = registration is Registration.VERIFIED and identifiers == (ADDRESS,)
    assert answer == (Denied(Reason.EMAIL_NOT_VERIFIED) if must else None)
