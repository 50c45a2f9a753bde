"""Counters in, `Allowed` or `Wait` out: each row of the table, and what an attacker gets at most."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.throttle import (
    CODE,
    CODE_ACCOUNT,
    FORGOT_ACCOUNT,
    LOGIN_ACCOUNT,
    PROOF_USER,
    VERIFY_ACCOUNT,
    Allowed,
    Counter,
    Limit,
    Wait,
    attempt,
)
from tests.core.vectors import NOW

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LIMIT = Limit(name="test", free=3, first=SECOND, longest=timedelta(seconds=10), forget=DAY)


def tried(count: int) -> Counter:
    """Return a counter whose last try was `NOW`."""
    return Counter(count=count, at=NOW)


def test_the_first_try() -> None:
    """The first try is let through and counted."""
    assert attempt(None, LIMIT, now=NOW) == Allowed(Counter(count=1, at=NOW))


@pytest.mark.parametrize("count", [1, 2])
def test_free_tries(count: int) -> None:
    """Fewer than the free ones are let through at once."""
    assert attempt(tried(count), LIMIT, now=NOW) == Allowed(Counter(count=count + 1, at=NOW))


@pytest.mark.parametrize(
    ("count", "seconds"), [(3, 1), (4, 2), (5, 4), (6, 8), (7, 10), (8, 10), (1000, 10), (10**9, 10)]
)
def test_waits_double(count: int, seconds: int) -> None:
    """After the free tries the wait doubles up to the longest; when it is over one more is let through."""
    end = NOW + timedelta(seconds=seconds)

    assert attempt(tried(count), LIMIT, now=NOW) == Wait(seconds)
    assert attempt(tried(count), LIMIT, now=end - timedelta(microseconds=1)) == Wait(1)
    assert attempt(tried(count), LIMIT, now=end) == Allowed(Counter(count=count + 1, at=end))


def test_forgetting() -> None:
    """After a day without a try the count starts over, and not before."""
    almost = NOW + DAY - timedelta(microseconds=1)

    assert attempt(tried(99), LIMIT, now=almost) == Allowed(Counter(count=100, at=almost))
    assert attempt(tried(99), LIMIT, now=NOW + DAY) == Allowed(Counter(count=1, at=NOW + DAY))


def test_knocking_does_not_lengthen_the_wait() -> None:
    """Who knocks during a wait leaves the counter as it was: nobody is kept out for good by another's tries."""
    counter, waits = tried(6), list[int]()
    for second in range(8):
        answer = attempt(counter, LIMIT, now=NOW + second * SECOND)
        assert isinstance(answer, Wait)
        waits.append(answer.seconds)

    assert waits == [8, 7, 6, 5, 4, 3, 2, 1]
    assert isinstance(attempt(counter, LIMIT, now=NOW + 8 * SECOND), Allowed)


def test_waits_are_rounded_up() -> None:
    """Who waits for the whole seconds that were named is let through."""
    half_way = NOW + timedelta(milliseconds=500)

    assert attempt(tried(4), LIMIT, now=half_way) == Wait(2)
    assert isinstance(attempt(tried(4), LIMIT, now=half_way + 2 * SECOND), Allowed)


def test_a_clock_that_went_back() -> None:
    """A clock that went back makes nobody wait for free tries, makes no wait longer, and never gives tries away."""
    before = NOW - timedelta(minutes=1)

    assert attempt(tried(1), LIMIT, now=before) == Allowed(Counter(count=2, at=NOW))
    assert attempt(tried(3), LIMIT, now=before) == Wait(1)


@pytest.mark.parametrize(
    ("limit", "least", "most"),
    [
        (LOGIN_ACCOUNT, 80, 100),
        (PROOF_USER, 80, 100),
        (CODE_ACCOUNT, 80, 100),
        (FORGOT_ACCOUNT, 10, 20),
        (VERIFY_ACCOUNT, 10, 20),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_never_more_in_a_day(limit: Limit, least: int, most: int) -> None:
    """Who tries as often as allowed gets at most 100 guesses at an account in any day, after a rest of a day too.

    And a mailbox gets at most 20 letters of a kind.
    """
    let_through, clock = list[datetime](), NOW
    counter: Counter | None = None
    while clock < NOW + 5 * DAY:
        match attempt(counter, limit, now=clock):
            case Allowed(counter):
                let_through.append(clock)
            case Wait(seconds):
                clock += timedelta(seconds=seconds)
        if len(let_through) == 150:
            clock += DAY  # a rest, so that the count starts over

    worst = max(sum(start <= moment < start + DAY for moment in let_through) for start in let_through)
    assert least < worst <= most


def test_a_code_is_tried_five_times() -> None:
    """A code gets five tries in its life, the last ones after growing waits, however patient the guesser is."""
    counter, clock, let_through = Counter(count=1, at=NOW), NOW, list[datetime]([NOW])
    while clock < NOW + 12 * timedelta(hours=1):
        match attempt(counter, CODE, now=clock):
            case Allowed(counter):
                let_through.append(clock)
            case Wait():
                clock += SECOND

    assert [(moment - NOW) // SECOND for moment in let_through] == [0, 0, 1, 3, 7]
    assert attempt(counter, CODE, now=counter.at) == Wait(24 * 60 * 60)


@given(st.lists(st.integers(0, 90_000), max_size=60), st.integers(1, 10))
def test_no_pattern_gets_more(pauses: list[int], free: int) -> None:
    """Whatever pattern of pauses: between two tries beyond the free ones lies the wait that the table says."""
    limit = Limit(name="test", free=free)
    counter: Counter | None = None
    clock = NOW
    for pause in pauses:
        clock += timedelta(seconds=pause)
        before = counter
        match attempt(counter, limit, now=clock):
            case Allowed(counter):
                if before is not None and before.count >= free and counter.count > 1:
                    wait = min(2 ** min(before.count - free, 20), 20 * 60)
                    assert clock - before.at >= timedelta(seconds=wait)
            case Wait(seconds):
                assert 1 <= seconds <= 20 * 60
