import random
from datetime import timedelta
from pathlib import Path

import pytest

from bench.scale.behaviour import Behaviour, rush, visited
from bench.scale.costs import drawn, mean, quantile, spread
from bench.scale.page import PAGE, Table, write
from bench.scale.queues import follow, lapsed, line, saturation
from ostiary.core.policy import WEB

KEPT = (max(WEB.snapshot_life, WEB.access_life + WEB.leeway) + WEB.lease).total_seconds()


def test_same_seed() -> None:
    """A simulation comes out the same for the same seed, and otherwise for another."""
    one, same, other = (rush(Behaviour(), WEB, users=2000, seed=seed) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_floors_are_conserved() -> None:
    """The floors in memory are those that came in the time they are kept: arrival rate times life, nearly."""
    load = rush(Behaviour(visits=0, logouts=20), WEB, users=5000, seed=3)

    assert load.rows > 3
    assert load.floors == pytest.approx(load.rows * KEPT, rel=0.05)
    assert load.kept == pytest.approx(load.rows * 3600, rel=0.05)


def test_rows_are_conserved() -> None:
    """Each transaction that ends sessions puts exactly as many rows on the feed as it ends sessions."""
    behaviour = Behaviour(visits=0, sessions=5)
    load = rush(behaviour, WEB, users=50_000, seed=4)

    ended = load.verbs["logout"] + 5 * (load.verbs["log out everywhere"] + load.verbs["change of roles"])
    assert load.rows == pytest.approx(ended)


def test_many_users_are_a_part_multiplied() -> None:
    """A thousand million users ask a thousand times as much as a million, whose part is simulated alike."""
    behaviour = Behaviour(visits=0)
    million, milliard = (rush(behaviour, WEB, users=users, seed=5) for users in (10**6, 10**9))

    assert milliard.rows == pytest.approx(1000 * million.rows)
    assert milliard.floors == pytest.approx(1000 * million.floors)


@pytest.mark.parametrize("turn", [0.0005, 0.004])
def test_saturation_is_the_rate_of_service(turn: float) -> None:
    """A lock saturates where it serves all the time: at one turn after the other, whatever the turn."""

    def service(chance: random.Random) -> float:
        return chance.uniform(0.5, 1.5) * turn

    found = saturation(service, seed=6, arrivals=4000)

    assert found == pytest.approx(1 / turn, rel=0.05)


def test_heads_serve_beside_each_other() -> None:
    """Four heads serve four times as much."""
    found = saturation(lambda _: 0.001, seed=7, locks=4, arrivals=3000)

    assert found == pytest.approx(4000, rel=0.1)


def test_a_line_grows_before_it_breaks() -> None:
    """Nobody is through sooner than served, and the delay grows with the load."""
    calm, busy = (line(rate, lambda _: 0.001, seed=8, arrivals=5000) for rate in (100, 900))

    assert calm.delay.p50 == pytest.approx(0.001)
    assert busy.delay.p50 > 2 * calm.delay.p50
    assert busy.delay.p99 > busy.delay.p50


def test_a_guard_without_news_asks_four_times_a_lease() -> None:
    """With nothing to tell, a guard asks each quarter of the lease and no more."""
    quiet = follow(0.001, told=(0.001, 0.001), poll=0.001, every=0.5, seed=9, commits=20)

    assert quiet.rounds == pytest.approx(2, rel=0.05)
    assert quiet.delay.p99 < 0.005


def test_gathering_bounds_the_rounds() -> None:
    """A guard that pauses after a round asks no oftener than the pause allows, and its news is no older than that."""
    eager, patient = (
        follow(500, told=(0.001, 0.001), poll=0.001, every=0.5, gather=gather, seed=10, commits=3000)
        for gather in (0.0, 0.05)
    )

    assert eager.rounds > 250
    assert patient.rounds < 20
    assert patient.delay.p99 < 0.06


def test_the_same_guard_is_asked_less() -> None:
    """Where a session's requests go to one guard, few of them are first; where they go to any of many, almost all."""
    one, many = (visited(Behaviour(), WEB, guards=guards, seed=11, visits=300) for guards in (1, 10_000))

    assert one.first / one.requests < 0.1
    assert many.first / many.requests > 0.95


def test_two_relays_keep_the_lease() -> None:
    """Asking each quarter of the lease, two relays between never lose it, and six do. Asking oftener, six keep it."""

    def share(hops: int, every: float) -> float:
        return sum(lapsed(hops=hops, lease=2, every=every, trip=0.001, lost=0, seed=n, time=100) for n in range(10))

    assert share(2, 0.5) == 0
    assert share(6, 0.5) > 0
    assert share(6, 0.2) == 0


def test_a_spread_is_what_was_measured() -> None:
    """What is drawn of a spread has the mean and the bounds of what was measured."""
    chance = random.Random(12)
    measured = [chance.expovariate(1) for _ in range(5000)]
    values = spread(measured)
    draws = sorted(drawn(values, chance) for _ in range(20_000))

    assert mean(values) == pytest.approx(sum(measured) / 5000, rel=0.05)
    assert sum(draws) / 20_000 == pytest.approx(mean(values), rel=0.03)
    assert quantile(draws, 0.5) == pytest.approx(quantile(sorted(measured), 0.5), rel=0.1)
    assert draws[0] >= values[0]
    assert draws[-1] <= values[-1]


def test_tables_take_the_place_of_older_ones(tmp_path: Path) -> None:
    """A run replaces what stands between its markers and nothing else. A page without the markers is left alone."""
    page = tmp_path / "scale.md"
    text = "# A\n<!-- scale:where -->\nold\n<!-- /scale:where -->\nwords\n<!-- scale:a -->\n<!-- /scale:a -->\n"
    page.write_text(text, encoding="utf-8")
    table = Table("a", "Costs", ("what", "cost"), [("a row", "1 B")])

    assert write(page, "here", [table]) == 0
    written = page.read_text(encoding="utf-8")
    assert "old" not in written
    assert "here" in written
    assert "words" in written
    assert "| a row | 1 B |" in written
    assert write(page, "there", [Table("b", "", ("x",), [])]) == 1
    assert page.read_text(encoding="utf-8") == written


def test_page_is_made_from_a_run() -> None:
    """The page holds the markers that a run writes between, and a run's date."""
    text = PAGE.read_text(encoding="utf-8")

    assert "<!-- scale:where -->\nMeasured on 20" in text
    assert text.count("<!-- scale:") == text.count("<!-- /scale:") >= 10


def test_policy_of_the_simulation() -> None:
    """The times that the page explains are those of the policy."""
    assert WEB.lease == timedelta(seconds=2)
    assert timedelta(seconds=632) == timedelta(seconds=KEPT)
