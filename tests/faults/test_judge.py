"""The judge of the fault report finds each broken promise in a record that breaks it, and none in one that does not."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.report.judge import Promise, delays, judge, percentile
from tests.faults.report.record import Deed, Kept, Operation, Outcome

LEASE = 2.0
YES, NO, UNSURE, LOST, FAILED = Outcome.YES, Outcome.NO, Outcome.UNSURE, Outcome.LOST, Outcome.FAILED
KEPT = Kept(is_there=True, issued=1)


def op(deed: Deed, outcome: Outcome, sent: float, **more: Any) -> Operation:
    """Return something that took a tenth of a second."""
    given: dict[str, Any] = {"node": "server", "user": "ada", "session": "s", "answered": sent + 0.1, **more}
    return Operation(deed=deed, outcome=outcome, sent=sent, **given)


LOGIN = op(Deed.LOGIN, YES, 0, number=1)
LOGOUT = op(Deed.LOGOUT, YES, 10)
EVERYWHERE = op(Deed.LOGOUT_EVERYWHERE, YES, 10, session="another")
ROLES = op(Deed.ROLES, YES, 10, session="", roles=("editor",))


def found(*operations: Operation) -> list[Promise]:
    """Return which promises were broken."""
    return [violation.promise for violation in judge([LOGIN, *operations], lease=LEASE)]


# ------------------------------------------------------------------------------------------------ the lease


@pytest.mark.parametrize("end", [LOGOUT, EVERYWHERE, replace(LOGOUT, node="admin")])
@pytest.mark.parametrize("node", ["server", "verifier-2"])
@pytest.mark.parametrize("minted", [None, 5.0])
def test_accepted_after_the_lease(end: Operation, node: str, minted: float | None) -> None:
    """A check that was sent a lease after the acknowledgement is not let in; one sent within it may be."""
    check = op(Deed.CHECK, YES, 12.101, node=node, minted=minted)

    assert found(end, check) == [Promise.LEASE]
    assert found(end, replace(check, sent=12.099)) == []
    assert found(end, replace(check, outcome=NO)) == []


def test_an_answer_that_was_long_on_its_way() -> None:
    """What counts is when a check was sent: a yes that comes late was given to who asked in time."""
    assert found(LOGOUT, op(Deed.CHECK, YES, 11, answered=20, minted=5.0)) == []


@pytest.mark.parametrize("outcome", [LOST, UNSURE, FAILED])
def test_a_logout_that_nobody_acknowledged(outcome: Outcome) -> None:
    """It has perhaps happened, and perhaps not: neither a yes nor a no is wrong afterwards."""
    end = replace(LOGOUT, outcome=outcome)

    after = found(end, op(Deed.CHECK, YES, 30), op(Deed.REFRESH, NO, 31), op(Deed.ROLL_CALL, NO, 32))

    assert Promise.LEASE not in after
    assert Promise.HONEST not in after


def test_a_login_beside_a_logout_everywhere() -> None:
    """Only sessions whose login was acknowledged before it was sent are surely over by it."""
    beside = op(Deed.LOGIN, YES, 9.95, session="beside")
    later = op(Deed.LOGIN, YES, 10.2, session="later")

    assert found(EVERYWHERE, beside, op(Deed.CHECK, YES, 20, session="beside")) == []
    assert found(EVERYWHERE, beside, op(Deed.REFRESH, NO, 20, session="beside")) == []
    assert found(EVERYWHERE, later, op(Deed.REFRESH, NO, 20, session="later")) == [Promise.HONEST]


def test_a_token_from_before_a_change_of_roles() -> None:
    """It is not taken a lease after the change; a token that came after it is, and so is a cookie."""
    check = op(Deed.CHECK, YES, 12.2, minted=9.0)

    assert found(ROLES, check) == [Promise.LEASE]
    assert found(ROLES, replace(check, sent=12.0)) == []
    assert found(ROLES, replace(check, minted=10.05)) == []
    assert found(ROLES, replace(check, minted=None)) == []
    assert found(replace(ROLES, outcome=LOST), check) == []
    assert found(replace(ROLES, user="bob"), check) == []


@pytest.mark.parametrize("deed", [Deed.REFRESH, Deed.MINT])
def test_revived(deed: Deed) -> None:
    """Nothing is handed out after the acknowledgement, lease or not."""
    assert found(LOGOUT, op(deed, YES, 10.11, number=2)) == [Promise.REVIVED]
    assert found(LOGOUT, op(deed, YES, 10.09, number=2)) == []


# ------------------------------------------------------------------------------------------------ writes


def audit(**kept: Any) -> Operation:
    """Return a look into the store at the end."""
    return op(Deed.AUDIT, YES, 50, node="store", kept=replace(KEPT, **kept))


def test_a_lost_login() -> None:
    """A session whose login was acknowledged is there."""
    assert found(audit(is_there=False)) == [Promise.WRITE]
    assert found(audit()) == []


def test_a_lost_refresh() -> None:
    """The store knows every number that was handed out."""
    refresh = op(Deed.REFRESH, YES, 5, number=2)

    assert found(refresh, audit(issued=1)) == [Promise.WRITE]
    assert found(refresh, audit(issued=2)) == []
    assert found(replace(refresh, outcome=LOST), audit(issued=1)) == []


@pytest.mark.parametrize("end", [LOGOUT, EVERYWHERE])
def test_a_lost_logout(end: Operation) -> None:
    """A session whose logout was acknowledged is over."""
    assert found(end, audit()) == [Promise.WRITE]
    assert found(end, audit(is_over=True)) == []
    assert found(replace(end, outcome=LOST), audit()) == []


def test_a_lost_change_of_roles() -> None:
    """A user has the roles that were acknowledged last, or some that nobody answered since."""
    before = replace(ROLES, sent=5, answered=5.1, roles=("reader",))
    unanswered = replace(ROLES, sent=15, answered=16, outcome=LOST, roles=("writer",))

    assert found(before, ROLES, audit(roles=("reader",))) == [Promise.WRITE]
    assert found(before, ROLES, audit()) == [Promise.WRITE]
    assert found(before, ROLES, audit(roles=("editor",))) == []
    assert found(before, ROLES, unanswered, audit(roles=("writer",))) == []
    assert found(before, ROLES, unanswered, audit(roles=("editor",))) == []
    assert found(before, ROLES, unanswered, audit(roles=("reader",))) == [Promise.WRITE]
    assert found(unanswered, audit()) == []


# ------------------------------------------------------------------------------------------------ honest clients


@pytest.mark.parametrize(
    "refused",
    [op(Deed.REFRESH, NO, 20), op(Deed.ROLL_CALL, NO, 20), op(Deed.CHECK, NO, 20, minted=None)],
)
def test_an_honest_client_logged_out(refused: Operation) -> None:
    """Who never logged out is refused neither a refresh nor the roll call, nor their cookie."""
    assert found(refused) == [Promise.HONEST]
    assert found(LOGOUT, refused) == []
    assert found(op(Deed.LOGOUT, YES, 30), refused) == [Promise.HONEST]
    assert found(replace(refused, outcome=UNSURE)) == []


def test_what_an_honest_client_may_be_refused() -> None:
    """An access token may be over at any time: its client gets another."""
    assert found(op(Deed.CHECK, NO, 20, minted=5.0), op(Deed.MINT, NO, 21)) == []


def test_an_error_of_our_own() -> None:
    """A 500 is no answer to a fault."""
    assert found(op(Deed.CHECK, FAILED, 20)) == [Promise.ANSWER]


# ------------------------------------------------------------------------------------------------ delays


def test_delays() -> None:
    """A delay ends with the first check that was not let in, and after which none was. Each node has its own."""
    operations = [
        LOGIN,
        LOGOUT,
        op(Deed.CHECK, NO, 10.2),
        op(Deed.CHECK, YES, 10.6),
        op(Deed.CHECK, LOST, 10.7),
        op(Deed.CHECK, NO, 10.9),
        op(Deed.CHECK, UNSURE, 10.3, node="verifier-1"),
        op(Deed.CHECK, NO, 10.2, node="verifier-2"),
        op(Deed.CHECK, YES, 10.4, node="verifier-3"),
    ]

    assert delays(operations, kind="server", begin=0, end=20, lease=LEASE) == pytest.approx([0.6])
    assert delays(operations, kind="verifier", begin=0, end=20, lease=LEASE) == pytest.approx([0.1, 0.2])
    assert delays(operations, kind="server", begin=11, end=20, lease=LEASE) == []


def test_a_logout_that_nobody_looked_at() -> None:
    """A first look later than a lease says nothing; a late no after a late yes says how long it was."""
    late = op(Deed.CHECK, NO, 15)

    assert delays([LOGIN, LOGOUT, late], kind="server", begin=0, end=20, lease=LEASE) == []
    let_in = op(Deed.CHECK, YES, 12)
    assert delays([LOGIN, LOGOUT, let_in, late], kind="server", begin=0, end=20, lease=LEASE) == pytest.approx([4.9])


def test_percentile() -> None:
    """Of a hundred values, 99 are at most the 99th."""
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([1, 2, 3], 0.99) == 3
    assert percentile([], 0.99) is None
