"""A tour in the terminal, with real processes: one login, two carriers, dead everywhere at once on logout.

    make demo

Two services share one data folder, each with one worker on a port of its own. To a client they are two workers of one
service that can be told apart.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

PASSWORD = "a lantern in the harbour"
WHO = {"email": "ada@example.com", "password": PASSWORD}

console = Console(highlight=False)


class Broken(Exception):
    """Something is not as claimed."""


@dataclass
class Worker:
    """One worker, and a client of it that keeps no cookies by itself."""

    name: str
    client: httpx.Client
    process: "subprocess.Popen[bytes]"

    def ask(
        self, request: str, *, expected: int, by: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        """Send a request, show it, and return the answer."""
        method, _, path = request.partition(" ")
        answer = self.client.request(method, path, headers=by, json=body)
        self.client.cookies.clear()
        show(self.name, request, answer.status_code)
        if answer.status_code != expected:
            raise Broken(f"{request} was answered with {answer.status_code}, not {expected}: {answer.text}")
        return answer

    def lets_in(self, carrier: dict[str, str]) -> bool:
        """Ask, quietly, in such a way that memory alone answers: what is let in is refused for its query, not read."""
        return self.client.delete("/auth/sessions?all=neither", headers=carrier).status_code == 400


def main() -> int:
    """Go through the tour. The exit code is 1 if anything is not as claimed."""
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            one, two = start(stack)
            phone, browser = carriers(one, two)
            logout(one, two, phone=phone, browser=browser)
            thief(one, two)
            stop(one, two)
    except (Broken, httpx.HTTPError) as error:
        console.print(f"\nThis is not as it should be: {error}", style="bold red", markup=False)
        return 1
    console.print(f"\nAll as claimed, in {time.monotonic() - started:.1f} s.", style="bold green")
    return 0


def start(stack: ExitStack) -> tuple[Worker, Worker]:
    """Start two workers, and register a user."""
    step(1, "Start", "Two workers share one SQLite file. The first start makes the folder, the schema and the keys.")
    data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ostiary-demo-"))) / "data"
    ports = free_port(), free_port()
    issuer = f"http://localhost:{ports[0]}"
    one = stack.enter_context(running("worker 1", data, ports[0], issuer))
    two = stack.enter_context(running("worker 2", data, ports[1], issuer))
    for worker in (one, two):
        console.print(f"   {worker.name}  {worker.client.base_url}  process {worker.process.pid}")

    step(2, "Register", "The password is kept as an Argon2id hash, and nowhere else.")
    one.ask("POST /auth/register", expected=201, body=WHO)
    return one, two


def carriers(one: Worker, two: Worker) -> tuple[dict[str, Any], dict[str, str]]:
    """Log in once for each carrier, and use both. Returns the phone's tokens and the browser's cookie."""
    step(3, "Log in with a cookie", "For a browser. A script on the page cannot read it.")
    answer = one.ask("POST /auth/login", expected=200, body=login("cookie", "Ada's browser"))
    cookie_name, cookie_value = answer.headers["set-cookie"].partition(";")[0].split("=", 1)
    cookie = {"cookie": f"{cookie_name}={cookie_value}"}
    console.print(f"   {cookie_name} = {short(cookie_value)}")

    step(4, "Log in for tokens", "For a phone or another service: the same login, in another carrier.")
    phone = one.ask("POST /auth/login", expected=200, body=login("bearer", "Ada's phone")).json()
    console.print(f"   access token   {short(phone['access_token'])}, good for {phone['expires_in'] // 60} min")
    console.print(f"   refresh token  {short(phone['refresh_token'])}")

    step(5, "Who am I?", "Either carrier is good at either worker. A handler cannot tell which it was.")
    for worker in (one, two):
        for carrier in (cookie, bearer(phone)):
            who = worker.ask("GET /auth/session", expected=200, by=carrier).json()
            console.print(f"   {who['user']['email']}, by {who['session']['carrier']}")

    step(6, "The list of devices", "One list, whatever the carrier.")
    sessions = one.ask("GET /auth/sessions", expected=200, by=cookie).json()
    devices(sessions["sessions"])
    return phone, cookie


def logout(one: Worker, two: Worker, *, phone: dict[str, Any], browser: dict[str, str]) -> None:
    """End one session, and see that it is dead at both workers while the other lives."""
    step(
        7,
        "Log the phone out, at worker 1",
        "Its access token has minutes to live. At both workers it is dead at once.",
    )
    if not two.lets_in(bearer(phone)):
        raise Broken("worker 2 does not remember the phone")
    one.ask("POST /auth/logout", expected=204, by=bearer(phone))
    delay = until_refused(two, bearer(phone))
    for worker in (one, two):
        worker.ask("GET /auth/session", expected=401, by=bearer(phone))
    console.print(f"   worker 2 refused [bold]{delay * 1000:.1f} ms[/] after the answer to the logout")
    for worker in (one, two):
        worker.ask("GET /auth/session", expected=200, by=browser)
    console.print("   the browser is a session of its own, and stays in")


def thief(one: Worker, two: Worker) -> None:
    """Use a copied refresh token, and see that its session dies."""
    step(
        8, "A copied refresh token", "A thief copied the first one. Its owner has gone on since; then the thief comes."
    )
    victim = one.ask("POST /auth/login", expected=200, body=login("bearer", "Ada's tablet")).json()
    copied, newest = victim["refresh_token"], victim
    for _ in range(3):
        newest = one.ask("POST /auth/refresh", expected=200, body={"refresh_token": newest["refresh_token"]}).json()
    if not one.lets_in(bearer(newest)):
        raise Broken("worker 1 does not remember the tablet")
    console.print(f"   the thief presents {short(copied)}, three turns old")
    two.ask("POST /auth/refresh", expected=401, body={"refresh_token": copied})
    delay = until_refused(one, bearer(newest))
    for worker in (one, two):
        worker.ask("GET /auth/session", expected=401, by=bearer(newest))
    two.ask("POST /auth/refresh", expected=401, body={"refresh_token": newest["refresh_token"]})
    console.print(f"   the session is dead for both of them; worker 1 refused {delay * 1000:.1f} ms later")


def stop(one: Worker, two: Worker) -> None:
    """Stop both."""
    step(9, "Stop", "Both finish what they are doing, and go.")
    for worker in (one, two):
        worker.process.terminate()
        if worker.process.wait(15) != 0:
            raise Broken(f"{worker.name} ended with exit code {worker.process.returncode}")
        console.print(f"   {worker.name}  exit code 0")


# ------------------------------------------------------------------------------------------------ showing


def step(number: int, title: str, why: str) -> None:
    """Say what comes next, and why."""
    console.print()
    console.print(Text(f"{number}  {title}", style="bold cyan"))
    console.print(Text(f"   {why}", style="dim"), soft_wrap=True)


def show(worker: str, request: str, status: int) -> None:
    """Show a request and its answer."""
    line = Text(f"   {worker}  ").append(f"{request:<22}", style="bold").append("  →  ")
    console.print(line.append(str(status), style="green" if status < 400 else "red"))


def devices(sessions: list[dict[str, Any]]) -> None:
    """Show a list of devices."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "device", "carrier", "from", "this one"):
        table.add_column(column)
    for session in sessions:
        current = "yes" if session["current"] else ""
        table.add_row("  ", session["device"], session["carrier"], session["ip"], current)
    console.print(table)


def short(secret: str) -> str:
    """Show a secret so that it can be told from another, and not be used."""
    return f"{secret[:9]}…({len(secret)} characters)"


# ------------------------------------------------------------------------------------------------ doing


def login(carrier: str, device: str) -> dict[str, Any]:
    """Return the body of a login."""
    return {**WHO, "carrier": carrier, "device": device}


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """Return the header that carries an access token."""
    return {"authorization": f"Bearer {tokens['access_token']}"}


def until_refused(worker: Worker, carrier: dict[str, str]) -> float:
    """Ask again and again until the carrier is refused, and return how long it took."""
    since = time.monotonic()
    while worker.lets_in(carrier):
        if time.monotonic() > since + 2:
            raise Broken(f"{worker.name} still accepts what was ended 2 s ago")
    return time.monotonic() - since


@contextmanager
def running(name: str, data: Path, port: int, issuer: str) -> Generator[Worker]:
    """Start a worker and wait until it is ready. In the end it is stopped, whatever happened."""
    ostiary = Path(sys.executable).with_name("ostiary")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OSTIARY_")}
    with ExitStack() as stack:
        log = stack.enter_context((data.parent / f"{port}.log").open("wb"))
        process = stack.enter_context(
            subprocess.Popen(
                [ostiary, "serve", "--data", data, "--port", str(port), "--issuer", issuer],
                cwd=data.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        )
        stack.callback(process.terminate)
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10))
        end = time.monotonic() + 15
        while True:
            with suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    break
            if process.poll() is not None or time.monotonic() > end:
                raise Broken(f"{name} did not start: {(data.parent / f'{port}.log').read_text()}")
            time.sleep(0.05)
        yield Worker(name, client, process)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
