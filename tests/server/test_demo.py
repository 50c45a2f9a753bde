"""`make demo`: what it shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.mark.xdist_group("timing")
def test_demo() -> None:
    """The tour runs to its end, both workers refuse in time, and no secret is shown whole."""
    done = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=50, check=False)
    delays = [float(delay) for delay in re.findall(r"refused ([0-9.]+) ms", done.stdout)]

    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^(\d)  ", done.stdout, re.MULTILINE) == list("123456789")
    assert done.stdout.count("→  401") == 6
    assert len(delays) == 2
    assert max(delays) < 1000
    assert "a lantern in the harbour" not in done.stdout
    assert not re.search(r"os1[cr]\.\S{20}|eyJ\S{20}", done.stdout)
