"""The command line on a real terminal: what it asks, and what it never shows."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.running import OSTIARY, PASSWORD, clean_environment, here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a store that has a user."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "ostiary.toml").write_text('data = "data"\n')
    assert here("init", cwd=folder).returncode == 0
    assert here("users", "add", "ada@example.com", cwd=folder, stdin=PASSWORD).returncode == 0
    return folder


_ON_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # its keys, Ctrl-C among them, now reach this process
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_THE_TERMINAL, OSTIARY, *arguments],
            cwd=cwd,
            env=clean_environment({"TERM": "xterm", "COLUMNS": "120"}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def until(self, pattern: str) -> str:
        """Read until something is shown."""
        end = time.monotonic() + 20
        while not re.search(pattern, self.shown):
            assert time.monotonic() < end, self.shown
            self.shown += os.read(self.master, 4096).decode()
        return self.shown

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self.master, f"{line}\n".encode())

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        while True:
            try:
                more = os.read(self.master, 4096).decode()
            except OSError:  # Linux says so when the other side is closed
                break
            if not more:
                break
            self.shown += more
        os.close(self.master)
        return self.process.wait(10)


@pytest.fixture
def terminals(folder: Path) -> Iterator[list[Terminal]]:
    """Terminals that are closed in the end."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()


def test_a_password_typed_twice(folder: Path, terminals: list[Terminal]) -> None:
    """On a terminal a password is asked for twice and never shown; two that differ change nothing."""
    right = Terminal("users", "add", "grace@example.com", cwd=folder)
    wrong = Terminal("users", "add", "alan@example.com", cwd=folder)
    terminals += [right, wrong]
    for terminal, second in ((right, PASSWORD), (wrong, f"{PASSWORD}!")):
        terminal.until("New password: ")
        terminal.type(PASSWORD)
        terminal.until("Once more: ")
        terminal.type(second)

    assert (right.ended(), wrong.ended()) == (0, 1)
    assert PASSWORD not in right.shown + wrong.shown
    assert "the two are not the same" in wrong.shown
    assert here("users", "show", "grace@example.com", cwd=folder).returncode == 0
    assert here("users", "show", "alan@example.com", cwd=folder).returncode == 1


def test_a_no_on_the_terminal(folder: Path, terminals: list[Terminal]) -> None:
    """Whoever is asked and does not say yes has changed nothing."""
    terminal = Terminal("users", "delete", "ada@example.com", cwd=folder)
    terminals.append(terminal)
    terminal.until(r"Delete ada@example.com for ever\? \[y/N\] ")
    terminal.type("")

    assert terminal.ended() == 1
    assert "nothing was done" in terminal.shown
    assert here("users", "show", "ada@example.com", cwd=folder).returncode == 0


def test_ctrl_c(folder: Path, terminals: list[Terminal]) -> None:
    """Ctrl-C at a prompt ends the command without a traceback."""
    terminal = Terminal("users", "add", "kurt@example.com", cwd=folder)
    terminals.append(terminal)
    terminal.until("New password: ")
    os.write(terminal.master, b"\x03")

    assert terminal.ended() == 130
    assert "Traceback" not in terminal.shown


def test_an_import_that_asks(folder: Path, terminals: list[Terminal]) -> None:
    """On a terminal an import looks first and says what would come; after a yes it is so."""
    (folder / "theirs.csv").write_text("email\nbarbara@example.com\nno address\n")
    terminal = Terminal("import", "--from", "csv", "theirs.csv", cwd=folder)
    terminals.append(terminal)
    terminal.until(r"Bring in 1 accounts\? \[y/N\] ")
    before = here("users", "show", "barbara@example.com", cwd=folder).returncode
    terminal.type("y")

    assert terminal.ended() == 0
    assert before == 1
    assert terminal.shown.count("line 3: has no e-mail address that can be used") == 2
    assert here("users", "show", "barbara@example.com", cwd=folder).returncode == 0
