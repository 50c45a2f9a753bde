"""A session's states, and each row of the refresh table."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import WEB
from ostiary.core.session import (
    Advance,
    Answer,
    Carrier,
    Dead,
    Device,
    Late,
    Reissue,
    Retry,
    Reused,
    Session,
    Unknown,
    carries,
    changed,
    dead,
    present,
    revoked,
    risen,
)
from tests.core.vectors import NOW, session

TICK = timedelta(microseconds=1)
WITHIN = NOW + WEB.grace
AFTER = WITHIN + TICK
RUNNING = session(previous=5, accepted=6, issued=7)


def presented(n: int, *, at: datetime = WITHIN, on: Session = RUNNING) -> Answer:
    """Present a number to a session that turned `NOW`."""
    return present(on, n, now=at, policy=WEB)


# ------------------------------------------------------------------------------------------------ the table


@pytest.mark.parametrize("at", [NOW, WITHIN, AFTER, NOW + timedelta(days=1)])
def test_advance(at: datetime) -> None:
    """The number handed out last is exchanged for the next, at any time."""
    answer = presented(7, at=at)

    assert answer == Advance(replace(RUNNING, previous=6, accepted=7, issued=8, turned_at=at, last_seen_at=at))


@pytest.mark.parametrize("at", [NOW - timedelta(days=1), NOW, WITHIN])
def test_retry(at: datetime) -> None:
    """The accepted number gets the very same successor within the grace, also by a clock that went back."""
    answer = presented(6, at=at)

    assert answer == Retry(replace(RUNNING, kept=7))


@pytest.mark.parametrize("at", [AFTER, NOW + timedelta(days=1)])
def test_reissue(at: datetime) -> None:
    """The accepted number gets a new successor after the grace, however late, and a new grace begins."""
    answer = presented(6, at=at)

    assert answer == Reissue(replace(RUNNING, issued=8, turned_at=at, last_seen_at=at))


def test_late() -> None:
    """The number before the accepted one is refused within the grace, and nothing else happens."""
    assert presented(5, at=WITHIN) == Late()


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("at", [NOW, WITHIN, AFTER])
def test_reused(n: int, at: datetime) -> None:
    """Any older number ends the session, within the grace and after."""
    assert presented(n, at=at) == Reused(replace(RUNNING, revision=2, revoked_at=at, revoked_for=Reason.REUSED))


def test_reused_after_the_grace() -> None:
    """The number before the accepted one ends the session after the grace."""
    answer = presented(5, at=AFTER)

    assert answer == Reused(replace(RUNNING, revision=2, revoked_at=AFTER, revoked_for=Reason.REUSED))


@pytest.mark.parametrize("n", [8, 10**18 - 1])
def test_unknown(n: int) -> None:
    """A number that was never handed out is refused, and the session lives on."""
    assert presented(n) == Unknown()


@pytest.mark.parametrize("n", [1, 5, 6, 7, 8])
def test_dead(n: int) -> None:
    """A dead session's numbers are all refused, before anything else is looked at."""
    ended = revoked(RUNNING, now=NOW)

    assert presented(n, on=ended) == Dead(Denied(Reason.REVOKED))


# ------------------------------------------------------------------------------------------------ what is kept


def test_a_retry_outlives_a_reissue() -> None:
    """A successor that was handed out twice stays good after a Reissue; the first to come back is the only one then."""
    retried = presented(6, at=WITHIN)
    assert isinstance(retried, Retry)
    reissued = presented(6, at=AFTER, on=retried.session)
    assert isinstance(reissued, Reissue)

    older, newer = presented(7, at=AFTER, on=reissued.session), presented(8, at=AFTER, on=reissued.session)

    for answer, accepted in ((older, 7), (newer, 8)):
        assert isinstance(answer, Advance)
        assert (answer.session.accepted, answer.session.issued, answer.session.previous) == (accepted, 9, 6)
        other = 15 - accepted
        assert isinstance(presented(other, at=AFTER, on=answer.session), Reused)


def test_a_reissue_alone_keeps_nothing() -> None:
    """A thief comes after the grace and the victim after it: the older successor ends the session."""
    reissued = presented(6, at=AFTER)
    assert isinstance(reissued, Reissue)

    assert isinstance(presented(7, at=AFTER, on=reissued.session), Reused)
    assert isinstance(presented(8, at=AFTER, on=reissued.session), Advance)


def test_a_packet_overtaken_twice() -> None:
    """A doubled packet that two further turns have overtaken is taken for a copy: a known limit, told in the spec."""
    at, current = NOW, RUNNING
    for n in (7, 8, 9):
        answer = presented(n, at=at, on=current)
        assert isinstance(answer, Advance)
        current = answer.session

    assert isinstance(presented(8, at=at, on=current), Late)
    assert isinstance(presented(7, at=at, on=current), Reused)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(-5, 90)), max_size=30))
def test_numbers_only_grow(presentations: list[tuple[int, int]]) -> None:
    """Whatever is presented whenever: no number is handed out anew, none sinks, and what is revoked stays so."""
    current, clock = session(), NOW
    for n, seconds in presentations:
        clock += timedelta(seconds=seconds)
        match present(current, n, now=clock, policy=WEB):
            case Advance(after) | Reissue(after):
                assert after.issued == current.issued + 1
            case Retry(after):
                assert after.issued == current.issued
            case Reused(after):
                assert present(after, n, now=clock, policy=WEB) == Dead(Denied(Reason.REVOKED))
            case _:
                after = current
        assert after.previous <= after.accepted < after.issued
        assert after.accepted >= current.accepted
        assert after.revision >= current.revision
        current = after


def test_two_turns_within_one_instant() -> None:
    """Time does not tell numbers apart: two turns at the same microsecond give two numbers."""
    first = presented(7, at=NOW)
    assert isinstance(first, Advance)
    second = presented(8, at=NOW, on=first.session)
    assert isinstance(second, Advance)

    assert (first.session.issued, second.session.issued) == (8, 9)


def test_the_last_use_never_goes_back() -> None:
    """A turn by a clock that went back does not make a session idle sooner."""
    seen = session(issued=2, last_seen_at=NOW + timedelta(hours=1))

    answer = presented(2, at=NOW, on=seen)

    assert isinstance(answer, Advance)
    assert answer.session.last_seen_at == NOW + timedelta(hours=1)


# ------------------------------------------------------------------------------------------------ the end


def test_how_a_session_ends() -> None:
    """Revoked comes before expired, expired before idle; each ends it in that very instant."""
    idle_at, end = NOW + WEB.idle_life, NOW + WEB.session_life
    active = session(last_seen_at=end - timedelta(days=1))

    assert dead(session(), now=idle_at - TICK, policy=WEB) is None
    assert dead(session(), now=idle_at, policy=WEB) == Denied(Reason.IDLE)
    assert dead(active, now=end - TICK, policy=WEB) is None
    assert dead(active, now=end, policy=WEB) == Denied(Reason.EXPIRED)
    assert dead(session(), now=end, policy=WEB) == Denied(Reason.EXPIRED)
    for ended in (revoked(session(), now=NOW), revoked(active, now=NOW, why=Reason.REUSED)):
        assert dead(ended, now=NOW, policy=WEB) == Denied(Reason.REVOKED)
        assert dead(ended, now=end, policy=WEB) == Denied(Reason.REVOKED)


def test_revoked() -> None:
    """A revoked session remembers when and why, and its revision is past every one that was minted."""
    ended = revoked(RUNNING, now=AFTER, why=Reason.REUSED)

    assert ended == replace(RUNNING, revision=2, revoked_at=AFTER, revoked_for=Reason.REUSED)


def test_changed() -> None:
    """When what a session may do has changed, its revision grows and nothing else: carriers stay."""
    assert changed(RUNNING) == replace(RUNNING, revision=2)


# ------------------------------------------------------------------------------------------------ cookies


@pytest.mark.parametrize(
    ("n", "answer"),
    [(1, Denied(Reason.SUPERSEDED)), (2, Denied(Reason.SUPERSEDED)), (3, None), (4, Denied(Reason.UNKNOWN))],
)
def test_carries(n: int, answer: Denied | None) -> None:
    """A cookie is good with the newest number only: older ones are refused at once, with no grace."""
    cookie = session(carrier=Carrier.COOKIE, accepted=2, issued=3)

    assert carries(cookie, n, now=NOW, policy=WEB) == answer


def test_a_dead_session_carries_nothing() -> None:
    """A cookie of a dead session is refused for its end, whatever its number."""
    for n in (1, 2):
        ended = revoked(session(carrier=Carrier.COOKIE), now=NOW)
        assert carries(ended, n, now=NOW, policy=WEB) == Denied(Reason.REVOKED)


# ------------------------------------------------------------------------------------------------ step-up


def test_a_cookie_rises() -> None:
    """A step-up gives a cookie a new number; the old one is refused at once."""
    later = NOW + timedelta(minutes=5)

    raised = risen(session(carrier=Carrier.COOKIE), amr=("otp", "pwd"), auth_time=later)

    assert raised == replace(
        session(carrier=Carrier.COOKIE),
        amr=("pwd", "otp"),
        auth_time=later,
        revision=2,
        issued=2,
        turned_at=later,
        last_seen_at=later,
    )
    assert carries(raised, 1, now=later, policy=WEB) == Denied(Reason.SUPERSEDED)
    assert carries(raised, 2, now=later, policy=WEB) is None


@pytest.mark.parametrize("n", [6, 7])
def test_a_refresh_token_rises(n: int) -> None:
    """A step-up leaves a refresh token's numbers: the answer may be lost, and whichever the client holds leads on."""
    later = NOW + timedelta(minutes=5)

    raised = risen(RUNNING, amr=("otp",), auth_time=later)

    assert raised == replace(RUNNING, amr=("pwd", "otp"), auth_time=later, revision=2, last_seen_at=later, kept=7)
    assert isinstance(presented(n, at=later, on=raised), Advance | Reissue)


# ------------------------------------------------------------------------------------------------ the record


def test_a_new_session() -> None:
    """A session begins alive, at revision 1, with number 1 handed out and none accepted."""
    fresh = session()

    assert (fresh.accepted, fresh.issued, fresh.previous, fresh.kept, fresh.revision) == (0, 1, 0, 0, 1)
    assert (fresh.revoked_at, fresh.revoked_for, fresh.device) == (None, None, Device())
    assert isinstance(presented(1, on=fresh), Advance)
