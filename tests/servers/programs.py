"""Where the programs of the servers are. Run, it prints the Debian packages of those that are missing."""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")  # its programs are not on PATH there
OLDEST_POSTGRES = 15
OLDEST_REDIS = 7


class Missing(Exception):
    """A server's programs are not on this machine. The Debian package that brings them is known."""

    def __init__(self, package: str) -> None:
        super().__init__(f"Type:  sudo apt-get install -y {package}")
        self.package = package


@cache
def postgres() -> Path:
    """Return the folder of PostgreSQL's programs: those on PATH, else Debian's newest."""
    found = shutil.which("postgres")
    on_path = [Path(found).resolve()] if found else []  # a link to one program says where the others are
    newest_first = sorted(DEBIAN.glob("*/bin/postgres"), key=_version, reverse=True)
    for program in [*on_path, *newest_first]:
        if _version(program) >= OLDEST_POSTGRES and (program.parent / "initdb").exists():
            return program.parent
    raise Missing("postgresql")


@cache
def redis() -> Path:
    """Return the folder of Redis' programs."""
    found = shutil.which("redis-server")
    if found and _version(Path(found)) >= OLDEST_REDIS:
        return Path(found).parent
    raise Missing("redis-server")


@cache
def chromium() -> Path:
    """Return the browser's program."""
    found = shutil.which("chromium")
    if found:
        return Path(found)
    raise Missing("chromium")


def missing() -> list[str]:
    """Return the packages to install before the tests can start their servers."""
    programs: list[Callable[[], Path]] = [postgres, redis, chromium]
    packages = []
    for find in programs:
        try:
            find()
        except Missing as found_none:
            packages.append(found_none.package)
    return packages


def _version(program: Path) -> int:
    """Return the major version that a program says it has."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


if __name__ == "__main__":
    print(*missing())
