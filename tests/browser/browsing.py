"""One Chromium, the windows of several people in it, and what they do."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

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
