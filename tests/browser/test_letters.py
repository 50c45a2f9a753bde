"""What people do with the letters of the real service, in a real browser, with and without a script."""

import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browsing import PASSWORD, WAIT, chromium, faults_of, sign_in, window
from tests.mail.mailserver import MailServer
from tests.server.running import Service

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

NEW = "seven herons over the weir"
NUMBERS = count()
OUTSIDE = (
    "/auth/forgot",
    "/auth/reset?email=ada@example.com&done=sent",
    "/auth/reset?token=x",
    "/auth/verify?email=ada@example.com&done=sent",
    "/auth/verify?token=x",
    "/auth/confirm-email?token=x",
    "/auth/invitation?token=x",
)

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@pytest.fixture(scope="module")
def post() -> Iterator[MailServer]:
    """The mail server that the service's letters leave by."""
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, post: MailServer) -> Iterator[Service]:
    """The real service, where an address must be proved."""
    environ = {"OSTIARY_REGISTRATION": "verified", "OSTIARY_MAIL": f"smtp://127.0.0.1:{post.port}"}
    data = tmp_path_factory.mktemp("service") / "data"
    with Service(data, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as running:
        yield running


def read(post: MailServer, email: str, page: str, service: Service) -> tuple[str, str]:
    """Wait for the newest letter to somebody that leads to a page. Returns its link's path, and its code.

    The links lead to the issuer, `localhost`; the browser goes to the same service by its address.
    """
    end = time.monotonic() + WAIT / 1000
    while time.monotonic() < end:
        for taken in reversed(post.inbox):
            link = re.search(rf"http://localhost:{service.port}({re.escape(page)}\?token=\S+)", taken.text)
            if taken.to == [email] and link is not None:
                post.inbox.remove(taken)
                code = re.search(r"\b[0-9]{6}\b", taken.text)
                return link[1], code[0] if code is not None else ""
        time.sleep(0.05)
    raise TimeoutError(f"no letter to {email} that leads to {page}")


def ask_for_another_password(page: Page, email: str) -> None:
    """Ask for a letter, from the sign-in page."""
    page.goto("/auth/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Write to me").click()
    expect(page.get_by_role("status")).to_contain_text("a letter is on its way", timeout=WAIT)


def set_password(page: Page, new: str) -> None:
    """Send the form of another password."""
    page.get_by_label("New password").fill(new)
    page.get_by_role("button", name="Set this password").click()


def is_shown_out(page: Page) -> None:
    """See that the next click leads to the sign-in page."""
    page.get_by_role("link", name="Devices").click()
    page.wait_for_url("**/auth/sign-in?next=/auth/devices")


@with_and_without_script
def test_journey(service: Service, browser: Browser, post: MailServer, script: bool) -> None:
    """A person signs up, confirms, signs in, sees a second browser, ends it, resets the password: all are out.

    A wrong password lets nobody in, and a link that was used does nothing.
    """
    email = f"ada{next(NUMBERS)}@example.com"
    with (
        window(browser, service.url, java_script_enabled=script) as first,
        window(browser, service.url, java_script_enabled=script) as second,
    ):
        first.goto("/auth/sign-up")
        first.get_by_label("E-mail address").fill(email)
        first.get_by_label("Password", exact=True).fill(PASSWORD)
        first.get_by_role("button", name="Make my account").click()
        expect(first.get_by_role("status")).to_contain_text("a letter is on its way", timeout=WAIT)
        proves, _ = read(post, email, "/auth/verify", service)
        first.goto(proves)
        first.get_by_label("Password", exact=True).fill(PASSWORD)
        first.get_by_role("button", name="Confirm").click()
        first.wait_for_url("**/auth/account?done=email-verified")
        first.get_by_role("button", name="Sign out").click()
        first.wait_for_url("**/auth/sign-in?done=signed-out")

        first.goto("/auth/devices")
        sign_in(first, email, "wrong")
        expect(first.get_by_text("do not go together")).to_be_visible(timeout=WAIT)
        sign_in(first, email)
        first.wait_for_url("**/auth/devices")
        expect(first.locator(".device.here")).to_have_count(1, timeout=WAIT)
        second.goto("/auth/devices")
        sign_in(second, email)
        second.wait_for_url("**/auth/devices")
        first.get_by_role("link", name="Devices").click()
        expect(first.locator(".device")).to_have_count(2, timeout=WAIT)
        first.locator(".device:not(.here)").get_by_role("button", name="Sign out").click()
        expect(first.get_by_role("status")).to_have_text("That device is signed out.", timeout=WAIT)
        expect(first.locator(".device")).to_have_count(1, timeout=WAIT)
        is_shown_out(second)

        sign_in(second, email)
        second.wait_for_url("**/auth/devices")
        with window(browser, service.url, java_script_enabled=script) as third:
            ask_for_another_password(third, email)
            link, code = read(post, email, "/auth/reset", service)
            third.get_by_label("Code in our letter").fill(code)
            set_password(third, NEW)
            third.wait_for_url("**/auth/sign-in?done=password-reset")
            is_shown_out(first)
            is_shown_out(second)
            sign_in(third, email, NEW)
            third.wait_for_url("**/auth/account")
            third.goto(link)
            set_password(third, PASSWORD)
            expect(third.get_by_text("no longer good")).to_be_visible(timeout=WAIT)


@with_and_without_script
def test_a_link_that_has_expired(service: Service, browser: Browser, post: MailServer, script: bool) -> None:
    """A link that is too old does nothing, and the page leads to another, which does."""
    email = f"ada{next(NUMBERS)}@example.com"
    with ThreadPoolExecutor(1) as beside:  # an event loop runs in this thread already
        beside.submit(service.command, "users", "add", email, stdin=f"{PASSWORD}\n").result()
    with window(browser, service.url, java_script_enabled=script) as page:
        ask_for_another_password(page, email)
        link, _ = read(post, email, "/auth/reset", service)
        grow_old(service)
        page.goto(link)
        set_password(page, NEW)
        expect(page.get_by_text("no longer good")).to_be_visible(timeout=WAIT)
        page.get_by_role("link", name="Ask for another").click()
        page.get_by_label("E-mail address").fill(email)
        page.get_by_role("button", name="Write to me").click()
        link, _ = read(post, email, "/auth/reset", service)
        page.goto(link)
        set_password(page, NEW)

        page.wait_for_url("**/auth/sign-in?done=password-reset")


def grow_old(service: Service) -> None:
    """Let every link and code that is out expire."""
    with closing(sqlite3.connect(service.data / "ostiary.db", timeout=WAIT / 1000)) as database, database:
        database.execute("UPDATE challenges SET expires_at = 0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(service: Service, browser: Browser, post: MailServer, scheme: str) -> None:
    """No page of letters has a fault that axe finds (WCAG 2.2 AA), nor scrolls sideways on a small phone."""
    email = f"ada{next(NUMBERS)}@example.com"
    size = {"width": 320, "height": 640}
    with window(browser, service.url, color_scheme=scheme, viewport=size, bypass_csp=True) as page:
        faults: dict[str, str] = {}
        for path in OUTSIDE:
            page.goto(path)
            faults |= faults_of(page)
        page.goto("/auth/reset")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Code in our letter").fill("12345")
        page.get_by_label("New password").fill(NEW)
        page.get_by_role("button", name="Set this password").click()
        page.get_by_text("six digits").wait_for()
        faults |= faults_of(page)
        with ThreadPoolExecutor(1) as beside:  # an event loop runs in this thread already
            issuer = f"http://localhost:{service.port}"
            beside.submit(service.command, "users", "invite", email, "--issuer", issuer).result()
        link, _ = read(post, email, "/auth/invitation", service)
        page.goto(link)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Make my account").click()
        page.wait_for_url("**/auth/account")
        page.goto("/auth/account/email")
        faults |= faults_of(page)

        assert faults == {}
