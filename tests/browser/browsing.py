"""One Chromium, the windows of several people in it, what they do, and what they do it on."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.servers import programs

PASSWORD = "a lantern in the harbour"
WAIT = 20_000
"""Milliseconds: a busy machine may take its time."""


@contextmanager
def chromium() -> Generator[Browser]:
    """Start Debian's Chromium, and end it."""
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(programs.chromium()), args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, url: str, **more: Any) -> Generator[Page]:
    """Open a window of a person's own: no cookie of another's."""
    context: BrowserContext = browser.new_context(base_url=url, **more)
    context.set_default_timeout(WAIT)
    context.set_default_navigation_timeout(WAIT)
    try:
        yield context.new_page()
    finally:
        context.close()


def sign_up(page: Page, email: str) -> None:
    """Make an account, and arrive at it."""
    page.goto("/auth/sign-up")
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Make my account").click()
    page.wait_for_url("**/auth/account")


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the form of the sign-in page that is shown, and send it."""
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def faults_of(page: Page) -> dict[str, str]:
    """Return what is wrong with the page that is shown."""
    found = Axe().run(page)
    wrong = {f"{page.url} {v['id']}": str(v["nodes"][0]["html"])[:200] for v in found.response["violations"]}
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong[f"{page.url} scrolls"] = "sideways"
    return wrong


class Files(SimpleHTTPRequestHandler):
    """Gives out the files of a folder, and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it overrides
        """Say nothing."""


@contextmanager
def answering(answers: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> Generator[str]:
    """Answer on an origin of its own, and return that."""
    server = ThreadingHTTPServer(("127.0.0.1", port), answers)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(folder: Path, port: int) -> Generator[str]:
    """Serve a folder on an origin of its own, and return that."""
    with answering(partial(Files, directory=str(folder)), port) as origin:
        yield origin
