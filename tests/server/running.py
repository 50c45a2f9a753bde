"""The real command and the real service, as processes of their own."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
import pytest

from ostiary.cli import main

OSTIARY = str(Path(sys.executable).with_name("ostiary"))
PASSWORD = "a lantern in the harbour"


def ostiary(
    *arguments: str, cwd: Path, stdin: str = "", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [OSTIARY, *arguments],
        cwd=cwd,
        env=clean_environment(environ),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def clean_environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return our environment without settings, and with these."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("OSTIARY_", "_OSTIARY_"))}
    return {**mine, **(more or {})}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """A service on a data folder. Several on one folder are workers of one service; then `issuer` must be said."""

    data: Path
    workers: int = 1
    issuer: str = ""
    port: int = field(default_factory=free_port)
    environ: dict[str, str] = field(default_factory=dict)
    """Settings, and whatever else its environment shall have."""
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that was started: the parent of the workers."""
        assert self.process is not None
        return self.process.pid

    def workers_of(self) -> list[int]:
        """Return the processes that answer."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def start(self) -> Self:
        """Start it, and wait until it is ready. It leads a process group of its own."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [OSTIARY, "serve", "--data", str(self.data), "--port", str(self.port)]
                + ["--workers", str(self.workers)]
                + (["--issuer", self.issuer] if self.issuer else []),
                cwd=self.data.parent,
                env=clean_environment(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        end = time.monotonic() + 20
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return self
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    @property
    def log(self) -> Path:
        """What it wrote to stderr."""
        return self.data.parent / f"{self.data.name}.{self.port}.log"

    def read_until(self, words: str) -> list[str]:
        """Read what it prints, up to the first line with these words."""
        assert self.process is not None
        assert self.process.stdout is not None
        said: list[str] = []
        while not said or words not in said[-1]:
            line = self.process.stdout.readline()
            assert line, said
            said.append(line)
        return said

    def read_to_the_end(self) -> str:
        """Stop it, and read whatever else it prints."""
        self.stop()
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Stop it, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(20)

    def kill(self) -> None:
        """Kill it and its workers, without a warning."""
        assert self.process is not None
        try:
            os.killpg(self.pid, signal.SIGKILL)
        finally:
            self.process.wait(20)
            assert self.process.stdout is not None
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.kill()

    def client(self, **more: Any) -> httpx.Client:
        """Return a client of it."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=10, **more)

    def command(self, *arguments: str, stdin: str = "") -> Any:
        """Run a command beside it, and return what it says as JSON."""
        done = here(*arguments, "--json", "--data", str(self.data), cwd=self.data.parent, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout)


def register(client: httpx.Client, email: str) -> None:
    """Make an account, and forget the session that came with it."""
    answer = client.post("/auth/register", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    client.cookies.clear()


def login(client: httpx.Client, email: str) -> dict[str, Any]:
    """Log in for tokens."""
    answer = client.post("/auth/login", json={"email": email, "password": PASSWORD, "carrier": "bearer"})
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return answer.json()  # type: ignore[no-any-return]


def lets_in(client: httpx.Client, tokens: dict[str, Any]) -> bool:
    """Ask in such a way that the guard's memory alone answers, and say whether it let the request through.

    `GET /auth/session` would not do: it looks the session up in the store, and so refuses whatever memory thinks. Here
    the guard comes first, and what it lets through is refused for its query, without a look into the store.
    """
    status = client.delete("/auth/sessions?all=neither", headers=bearer(tokens)).status_code
    assert status in {400, 401, 503}
    return status == 400


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """Return the header that carries an access token."""
    return {"authorization": f"Bearer {tokens['access_token']}"}


@dataclass
class Said:
    """What a command said, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def here(*arguments: str, cwd: Path, stdin: str = "") -> Said:
    """Run a command to its end in this process: the same code, without the second that a new process takes."""
    out, err = io.StringIO(), io.StringIO()
    typed = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        with chdir(cwd), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(arguments)
    finally:
        sys.stdin = typed
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())
