"""The pages about coming from elsewhere: what they tell to type and to write works as it stands there."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from ostiary.cli.arriving import SOURCES
from tests.arriving.conftest import ROOT
from tests.arriving.making import password_of
from tests.arriving.reading import DJANGO, PAGES, blocks, run
from tests.server.running import here as ostiary

pytestmark = pytest.mark.timeout(180)  # other libraries are heavy, and loaded in processes of their own

FROM = {
    "coming-from-django.md": ("django", "scrypt"),
    "coming-from-simplejwt.md": ("django", "scrypt"),
    "coming-from-fastapi-users.md": ("fastapi-users", "bcrypt"),
    "coming-from-flask-security.md": ("flask-security", "bcrypt"),
    "coming-from-flask-login.md": ("flask-login", "pbkdf2"),
}


def test_a_page_for_each() -> None:
    """Every source has a page, and the first page leads to all of them."""
    first = (PAGES / "coming-from-elsewhere.md").read_text()
    commands = re.findall(r"--from (\S+)", "".join(page.read_text() for page in PAGES.glob("coming-from-*.md")))

    assert set(commands) == set(SOURCES)
    assert set(re.findall(r"\]\((coming-from-[a-z-]+\.md)", first)) == {*FROM, "coming-from-csv.md"}


@pytest.mark.parametrize("page", FROM)
def test_the_code_after(place: Path, made: Callable[[str], str], page: str) -> None:
    """The command of the page brings everybody in, and in the code of the page they log in, and out."""
    source, name = FROM[page]
    command = shlex.split(blocks(page, "sh")[0].replace("\\\n", "").splitlines()[-1])[1:]
    theirs = [made(source) if word == "sqlite:///old.db" else word for word in command]
    assert ostiary("init", "--store", "sqlite:///app.db", cwd=place).returncode == 0
    done = ostiary(*theirs, "--yes", cwd=place)
    assert done.returncode == 0, done.stderr
    if page in DJANGO:
        said = in_a_process(place, page, f"{name}@example.com", password_of(name))
    else:
        with chdir(place):
            said = run(page, f"{name}@example.com", password_of(name))

    assert said == {"stranger": 401, "me": True, "logout": 204, "after": 401}


def in_a_process(place: Path, *arguments: str) -> dict[str, Any]:
    """Run the code of a page in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.arriving.reading", *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def test_the_csv_file(place: Path) -> None:
    """The file of the page comes in as the page says."""
    (place / "old.csv").write_text(blocks("coming-from-csv.md", "csv")[0])
    assert ostiary("init", "--store", "sqlite:///app.db", cwd=place).returncode == 0
    done = ostiary(*shlex.split(blocks("coming-from-csv.md", "sh")[0])[1:], "--yes", "--json", cwd=place)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accounts"] == {"came": 1, "came; it has no password": 1}
