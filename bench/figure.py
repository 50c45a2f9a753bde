"""A figure, its target, and how it is measured: several rounds that take turns, and the median of the ratios."""

import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

QUICK = bool(os.environ.get("BENCH_QUICK"))
"""Whether to measure little, to see that everything runs. Such figures are worth nothing."""

ROUNDS = 3 if QUICK else 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number: a ratio, if it has no unit. `at_most` or `at_least` is its target."""

    name: str
    value: float
    spread: tuple[float, float]
    detail: str
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def __str__(self) -> str:
        spread = "[{:.2f} to {:.2f}]".format(*self.spread)
        return f"{self.name:<50} {self.value:7.2f}{self.unit:<3} {spread:<20} {self._verdict:<20} {self.detail}"

    @property
    def _verdict(self) -> str:
        if self.at_most is None and self.at_least is None:
            return "no target"
        target = f"<= {self.at_most:g}" if self.at_most is not None else f">= {self.at_least:g}"
        return f"target {target:<7} {'holds' if self.holds else 'MISSED'}"


def ratio_of_times(
    name: str, ours: Callable[[], object], floor: Callable[[], object], *, calls: int, at_most: float
) -> Figure:
    """Measure how many times as long `ours` takes as `floor`: in turn, A B A B, the median of the pairs."""
    for warm_up in (ours, floor):
        _seconds(warm_up, max(1, calls // 10))
    pairs = [(_seconds(ours, calls), _seconds(floor, calls)) for _ in range(ROUNDS)]
    return _figure(name, [(a / calls, b / calls) for a, b in pairs], at_most=at_most)


async def ratio_of_waits(
    name: str,
    ours: Callable[[], Awaitable[float]],
    floor: Callable[[], Awaitable[float]],
    *,
    calls: int,
    at_most: float,
) -> Figure:
    """Measure how many times as long one waits for `ours` as for `floor`; each returns the seconds of one call.

    Single calls take turns, and the medians of a round are what is compared: a call now and then waits for the disk.
    """
    pairs = [await _median_waits(ours, floor, calls) for _ in range(ROUNDS + 1)]
    return _figure(name, pairs[1:], at_most=at_most)  # the first round was to warm up


async def _median_waits(
    ours: Callable[[], Awaitable[float]], floor: Callable[[], Awaitable[float]], calls: int
) -> tuple[float, float]:
    pairs = [(await ours(), await floor()) for _ in range(calls)]
    mine, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    return mine, bare


def _figure(name: str, pairs: list[tuple[float, float]], *, at_most: float) -> Figure:
    """Make the figure of rounds, each a pair of seconds for one call."""
    ratios = sorted(a / b for a, b in pairs)
    mine, bare = (statistics.median(side) * 1e6 for side in zip(*pairs, strict=True))
    return Figure(
        name=name,
        value=statistics.median(ratios),
        spread=(ratios[0], ratios[-1]),
        detail=f"{mine:,.2f} µs against {bare:,.2f} µs",
        at_most=at_most,
    )


def _seconds(call: Callable[[], object], count: int) -> float:
    """Return the processor's seconds, not the clock's: what else runs on the machine then matters less."""
    started = time.thread_time()
    for _ in range(count):
        call()
    return time.thread_time() - started
