"""`examples/mobile.py`: what it shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

from tests.server.running import Service

MOBILE = Path(__file__).parents[2] / "examples" / "mobile.py"


def test_a_day_of_a_phone(tmp_path: Path) -> None:
    """Two windows refresh at once and both stay in; a logout ends both; the device is known at the next login."""
    with Service(tmp_path / "data") as service:
        done = subprocess.run(
            [sys.executable, MOBILE, service.url], capture_output=True, text=True, timeout=60, check=False
        )

    assert (done.returncode, done.stderr) == (0, "")
    said = re.sub(r"ada-\w+@", "ada@", done.stdout).splitlines()
    assert said == [
        "signed in: ada@example.com",
        "two windows refreshed at once: one successor",
        "both are in",
        "signed out, and so is the other window",
        "signed in again, on a device that is known",
    ]
