"""Run every bench, or those that are named; print every figure, and fail when a target is missed."""

import os
import signal
import sys

from bench import arriving, check, delay, everywhere, growth, imports, serving
from ostiary.system import TESTING

BENCHES = {
    "check": check,
    "imports": imports,
    "serving": serving,
    "delay": delay,
    "everywhere": everywhere,
    "growth": growth,
    "arriving": arriving,
}


def main(names: list[str]) -> int:
    """Return 1 when a target is missed."""
    missed = 0
    for name in names or BENCHES:
        for figure in BENCHES[name].figures():
            print(figure, flush=True)
            missed += not figure.holds
    return 1 if missed else 0


if __name__ == "__main__":
    os.environ.setdefault(TESTING, "1")  # passwords are not what is measured: they are hashed as in tests
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the servers we have started end as well
    sys.exit(main(sys.argv[1:]))
