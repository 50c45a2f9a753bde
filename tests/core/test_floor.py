"""The floors, the lease and what they allow: each row of the table in `ostiary.core.floor`."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.floor import NONE_IS_GOOD, Document, Entry, Floor, Floors, Head, Renewal, Snapshot
from ostiary.core.policy import WEB
from tests.core.vectors import NOW

NEVER = float("-inf")
LEASE = WEB.lease.total_seconds()
KEPT = (WEB.access_life + WEB.leeway + WEB.lease).total_seconds()
DEAD = NOW + WEB.access_life
WALL = (DEAD + WEB.leeway).timestamp()


def floor(sid: str, lowest: int = NONE_IS_GOOD, until: datetime = DEAD) -> Floor:
    """Return a floor, that of a revoked session if nothing else is said."""
    return Floor(sid, lowest, until)


def started(*floors: Floor, seq: int = 10) -> Floors:
    """Return a view that has read a snapshot, asked for at 100."""
    view = Floors(WEB)
    view.start(Snapshot(Head("one", seq), floors), asked_at=100, elapsed=100)
    return view


# ------------------------------------------------------------------------------------------------ the table


def test_nothing_was_read() -> None:
    """A follower never starts empty: before the first snapshot nothing renews and nothing is applied."""
    view = Floors(WEB)

    assert view.head is None
    assert view.fresh_until == NEVER
    assert view.renew(Head("one", 0), asked_at=1) is Renewal.START_OVER
    assert not view.apply([Entry(1, floor("ada"))], elapsed=1)
    assert (view.of, view.fresh_until) == ({}, NEVER)


def test_a_snapshot() -> None:
    """The view starts from it, and its head renews the lease, counted from before the ask."""
    view = started(floor("ada"), floor("eve", 7))
    before = view.fresh_until

    renewal = view.renew(Head("one", 10), asked_at=100)

    assert before == NEVER
    assert renewal is Renewal.RENEWED
    assert (view.head, view.of) == (Head("one", 10), {"ada": NONE_IS_GOOD, "eve": 7})
    assert view.fresh_until == 100 + LEASE


def test_a_head_equal_to_the_view() -> None:
    """It renews the lease from before the head was asked for; an answer that was long on its way never shortens it."""
    view = started()

    assert view.renew(Head("one", 10), asked_at=105) is Renewal.RENEWED
    assert view.renew(Head("one", 10), asked_at=101) is Renewal.RENEWED
    assert view.fresh_until == 105 + LEASE


def test_a_head_beyond_the_view() -> None:
    """Nothing is renewed until everything up to it is applied."""
    view = started()
    view.renew(Head("one", 10), asked_at=100)

    assert view.renew(Head("one", 12), asked_at=101) is Renewal.BEHIND
    assert view.apply([Entry(11, floor("ada"))], elapsed=101)
    assert view.renew(Head("one", 12), asked_at=101) is Renewal.BEHIND
    assert view.fresh_until == 100 + LEASE

    assert view.apply([Entry(12, Document("roles", 2))], elapsed=101)
    assert view.renew(Head("one", 12), asked_at=101) is Renewal.RENEWED
    assert view.fresh_until == 101 + LEASE


def test_entries_that_follow() -> None:
    """Entries are applied in order; those known already are passed over."""
    view = started(floor("ada", 3))

    complete = view.apply([Entry(9, floor("eve")), Entry(11, floor("ada", 4)), Entry(12, floor("bob"))], elapsed=101)

    assert complete
    assert (view.head, view.of) == (Head("one", 12), {"ada": 4, "bob": NONE_IS_GOOD})


def test_a_gap() -> None:
    """A gap ends the lease; nothing behind it is applied, and nothing renews until it is filled."""
    view = started()
    view.renew(Head("one", 10), asked_at=100)

    assert not view.apply([Entry(11, floor("ada")), Entry(13, floor("eve"))], elapsed=101)

    assert (view.head, view.of) == (Head("one", 11), {"ada": NONE_IS_GOOD})
    assert view.fresh_until == NEVER
    assert view.renew(Head("one", 13), asked_at=101) is Renewal.BEHIND
    assert view.fresh_until == NEVER
    assert view.apply([Entry(12, floor("bob")), Entry(13, floor("eve"))], elapsed=102)
    assert view.renew(Head("one", 13), asked_at=102) is Renewal.RENEWED


@pytest.mark.parametrize("head", [Head("two", 10), Head("two", 99), Head("one", 9)])
def test_another_history(head: Head) -> None:
    """Another incarnation, or a head before the view, ends the lease: start over from the snapshot."""
    view = started(floor("ada"))
    view.renew(Head("one", 10), asked_at=100)

    assert view.renew(head, asked_at=101) is Renewal.START_OVER
    assert view.fresh_until == NEVER
    assert view.renew(Head("one", 10), asked_at=101) is Renewal.START_OVER
    assert not view.apply([Entry(11, floor("bob"))], elapsed=101)

    view.start(Snapshot(head, (floor("eve"),)), asked_at=102, elapsed=102)
    assert view.renew(head, asked_at=102) is Renewal.RENEWED
    assert (view.head, view.of) == (head, {"eve": NONE_IS_GOOD})


# ------------------------------------------------------------------------------------------------ a relayed head


def test_a_relayed_head() -> None:
    """It renews for what was left of the lease of whoever relays it, and never for longer than a lease."""
    view = started()

    assert view.renew(Head("one", 10), asked_at=105, left=0.5) is Renewal.RENEWED
    shorter = view.fresh_until
    assert view.renew(Head("one", 10), asked_at=105, left=99) is Renewal.RENEWED

    assert shorter == 105.5
    assert view.fresh_until == 105 + LEASE
    assert view.renew(Head("one", 11), asked_at=106, left=1) is Renewal.BEHIND
    assert view.renew(Head("two", 10), asked_at=106, left=1) is Renewal.START_OVER
    assert view.fresh_until == NEVER


@pytest.mark.parametrize(
    ("left", "renewal"),
    [
        (0.1, Renewal.RENEWED),  # asked the store at 108.1 at the earliest: the view was at 10 until 109
        (0.9, Renewal.RENEWED),  # at 108.9
        (1.0, Renewal.RENEWED),  # at 109.0, in the same moment
        (1.1, Renewal.START_OVER),  # at 109.1: what had been appended by then is not there any more
        (LEASE, Renewal.START_OVER),
    ],
)
def test_a_laggard(left: float, renewal: Renewal) -> None:
    """A head before the view renews while whoever relays it may have asked before the view grew past it.

    It never renews without being relayed: whoever asks the store itself is told the truth.
    """
    view, other = started(), started()
    for one in (view, other):
        one.apply([Entry(11, floor("ada"))], elapsed=109)

    assert view.renew(Head("one", 10), asked_at=110, left=left) is renewal
    assert view.fresh_until == (110 + left if renewal is Renewal.RENEWED else NEVER)
    assert other.renew(Head("one", 10), asked_at=110) is Renewal.START_OVER


def test_a_laggard_that_lags_further() -> None:
    """How far a laggard may be behind is judged by when the view grew past *its* head, however much came since."""
    view = started()
    for seq in range(11, 60):
        view.apply([Entry(seq, floor(f"s{seq}"))], elapsed=100 + seq)

    assert view.renew(Head("one", 58), asked_at=160, left=0.5) is Renewal.RENEWED
    assert view.renew(Head("one", 57), asked_at=160, left=0.5) is Renewal.START_OVER
    assert view.renew(Head("one", 9), asked_at=160, left=0.5) is Renewal.START_OVER
    assert len(view._grown) <= 2 * LEASE + 2


def test_forgetting() -> None:
    """A floor is forgotten once it has outlived all it kills, by elapsed time and by the wall clock."""
    view = started(floor("ada"))

    assert view.forget(elapsed=100 + KEPT - 0.001, wall=WALL + 1) == 0
    assert view.forget(elapsed=100 + KEPT, wall=WALL) == 0
    assert view.of == {"ada": NONE_IS_GOOD}
    assert view.forget(elapsed=100 + KEPT, wall=WALL + 0.001) == 1
    assert view.of == {}
    assert view.forget(elapsed=100 + KEPT, wall=WALL + 1) == 0


def test_a_floor_outlives_what_it_kills() -> None:
    """A floor is kept longer than a cached session is believed and than any access token lives."""
    for life in (WEB.snapshot_life, WEB.access_life):
        view = started(floor("ada", until=NOW))

        assert view.forget(elapsed=100 + life.total_seconds(), wall=float("inf")) == 0


# ------------------------------------------------------------------------------------------------ besides


def test_a_floor_never_sinks() -> None:
    """A floor that arrives late, or again, changes nothing; a higher one counts at once, also out of order."""
    view = started(floor("ada", 5))

    view.raise_to(floor("ada", 4), elapsed=101)
    view.raise_to(floor("ada", 5), elapsed=101)
    assert view.of == {"ada": 5}
    view.raise_to(floor("ada"), elapsed=101)
    assert view.of == {"ada": NONE_IS_GOOD}
    assert view.head == Head("one", 10)


def test_a_raised_floor_is_kept_anew() -> None:
    """A floor that rose is kept from then on, not from when it was first heard of."""
    view = started(floor("ada", 5))
    view.raise_to(floor("ada", 6), elapsed=200)

    assert view.forget(elapsed=100 + KEPT, wall=WALL + 1) == 0
    assert view.of == {"ada": 6}
    assert view.forget(elapsed=200 + KEPT, wall=WALL + 1) == 1


def test_a_floor_is_kept_from_when_it_came() -> None:
    """What a snapshot brings is kept from then on: it was asked for long before, if the machine slept meanwhile."""
    view = Floors(WEB)
    view.start(Snapshot(Head("one", 1), (floor("ada"),)), asked_at=100, elapsed=500)

    assert view.forget(elapsed=100 + KEPT, wall=WALL + 1) == 0
    assert view.forget(elapsed=500 + KEPT, wall=WALL + 1) == 1


def test_a_snapshot_does_not_forget_a_logout() -> None:
    """What was raised after a snapshot was asked for outlives it: the snapshot may be older than that logout."""
    view = started(floor("old"))
    view.raise_to(floor("ada"), elapsed=150)

    view.start(Snapshot(Head("two", 3), ()), asked_at=140, elapsed=140)

    assert view.of == {"ada": NONE_IS_GOOD}
    view.start(Snapshot(Head("two", 4), (floor("ada"),)), asked_at=160, elapsed=160)
    assert view.forget(elapsed=160 + KEPT, wall=WALL + 1) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.integers(0, 2000), st.booleans()),
        max_size=30,
    )
)
def test_no_floor_is_lost(changes: list[tuple[str, int, int, bool]]) -> None:
    """Whatever is raised and forgotten in whatever order: a floor younger than what it kills is in force."""
    view, clock, highest = started(), 100.0, dict[str, tuple[int, float]]()
    for sid, lowest, pause, forgets in changes:
        clock += pause
        view.raise_to(floor(sid, lowest), elapsed=clock)
        if lowest > highest.get(sid, (0, 0.0))[0]:
            highest[sid] = lowest, clock
        if forgets:
            view.forget(elapsed=clock, wall=WALL + 1)
        for known, (low, raised_at) in highest.items():
            assert clock - raised_at >= KEPT or view.of[known] == low
