"""The folder that a throwaway server lives in, and the keeper that clears it away whatever happens to us.

Run, this file is the keeper: a process of its own that reads process ids from its input. The input ends when we close
it or when we die, even by `kill -9`; then the keeper kills those processes and removes the folder.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil


class Folder:
    """A temporary folder and who works in it: we, or somebody with fewer rights when we are root.

    PostgreSQL refuses to run as root. What is run here does not see our environment: it may have a `PGHOST`.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ostiary-"))
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", __file__, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self._user = _unprivileged() if os.getuid() == 0 else None
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(self.path), "LC_ALL": "C"}
        if self._user:
            os.chown(self.path, self._user.pw_uid, self._user.pw_gid)

    def run(self, *command: str | Path) -> str:
        """Run a command to its end, and return what it printed."""
        process = self._open(command, subprocess.PIPE)
        printed, complaint = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {complaint.decode()}")
        return printed.decode().strip()

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start a command that lives until it is ended, or until we are gone. What it says goes to the file `log`."""
        with (self.path / "log").open("ab") as log:
            process = self._open(command, log)
        self.mind(process.pid)
        return process

    def mind(self, pid: int) -> None:
        """End this process, too, when the folder is closed or we are gone."""
        assert self._keeper.stdin
        self._keeper.stdin.write(f"{pid}\n".encode())
        self._keeper.stdin.flush()

    def mount(self, *, mebibytes: int) -> bool:
        """Put a small disk of its own under the folder, which is empty yet, and say whether we may."""
        owner = self.path.stat()
        options = f"size={mebibytes}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
        command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", options, "none", self.path]
        try:
            return subprocess.run(command, check=False, capture_output=True).returncode == 0
        except OSError:
            return False

    def close(self) -> None:
        """End what still runs here, and remove the folder."""
        self._keeper.communicate()

    def _open(self, command: Sequence[str | Path], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self._environment,
            user=self._user and self._user.pw_uid,
            group=self._user and self._user.pw_gid,
            extra_groups=[] if self._user else None,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _unprivileged() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def freeze(first: psutil.Process) -> list[psutil.Process]:
    """Stop a server's processes where they stand, the first one first so that it starts no more, and return them."""
    first.suspend()
    others = first.children(recursive=True)
    for process in others:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    return [first, *others]


def kill(first: psutil.Process) -> None:
    """Kill a server's processes, all at once for whoever looks from outside, and return when they are gone."""
    processes = freeze(first)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    while any(map(runs, processes)):
        time.sleep(0.005)


def runs(process: psutil.Process) -> bool:
    """Say whether a process still does anything. One that only waits to be collected by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def keep(folder: Path) -> None:
    """Wait until nobody needs a folder any more, then clear it away."""
    processes = []
    for line in sys.stdin:
        with suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(int(line)))
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            kill(process)
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", folder], check=False)
    shutil.rmtree(folder)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
