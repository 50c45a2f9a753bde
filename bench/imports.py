"""What importing costs, as processes of their own in turn with an empty one. The least counts: noise only adds."""

import subprocess
import sys
import time
from collections.abc import Iterator

from bench.figure import ROUNDS, Figure

_TARGETS = {"import ostiary": 100.0, "import ostiary.verify": 60.0}
_NAMES = ("from ostiary import Auth", "from ostiary.verify import Verifier")


def figures() -> Iterator[Figure]:
    """Measure, one figure after the other."""
    for program in (*_TARGETS, *_NAMES):
        ours, empty = zip(*((_milliseconds(program), _milliseconds("pass")) for _ in range(ROUNDS)), strict=True)
        yield Figure(
            name=program,
            value=min(ours) - min(empty),
            spread=(min(ours), max(ours)),
            detail=f"beyond `pass`, which took {min(empty):.1f} ms",
            unit=" ms",
            at_most=_TARGETS.get(program),
        )


def _milliseconds(program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return (time.perf_counter() - started) * 1000
