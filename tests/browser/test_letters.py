"""What people do with the letters of the real service, in a real browser, with and without a script."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.policy import default
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.browsing import PASSWORD, WAIT, chromium, faults_of, sign_in, window
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
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that letters are put into."""
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, letters: Path) -> Iterator[Service]:
    """The real service, where an address must be proved."""
    environ = {"OSTIARY_REGISTRATION": "verified", "OSTIARY_MAIL": f"folder:{letters}"}
    data = tmp_path_factory.mktemp("service") / "data"
    with Service(data, environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as running:
        yield running


def read(letters: Path, email: str, page: str, service: Service) -> tuple[str, str]:
    """Wait for the newest letter to somebody that leads to a page. Returns its link's path, and its code.

    The links lead to the issuer, `localhost`; the browser goes to the same service by its address.
    """
    end = time.monotonic() + WAIT / 1000
    while time.monotonic() < end:
        for file in sorted(letters.glob("*.eml"), key=lambda each: each.stat().st_mtime_ns, reverse=True):
            message = message_from_bytes(file.read_bytes(), policy=default)
            body = message.get_body(("plain",))
            text = body.get_content() if body is not None else ""
            link = re.search(rf"http://localhost:{service.port}({re.escape(page)}\?token=\S+)", text)
            if email in message["To"] and link is not None:
                file.unlink()
                code = re.search(r"\b[0-9]{6}\b", text)
                return link[1], code[0] if code is not None else ""
        time.sleep(0.05)
    raise TimeoutError(f"no letter to {email} that leads to {page}")


@with_and_without_script
def test_journey(service: Service, browser: Browser, letters: Path, script: bool) -> None:
    """A person signs up, confirms by link, forgets the password, resets by code, and the other browser is out."""
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
        link, _ = read(letters, email, "/auth/verify", service)
        first.goto(link)
        first.get_by_label("Password", exact=True).fill(PASSWORD)
        first.get_by_role("button", name="Confirm").click()
        first.wait_for_url("**/auth/account?done=email-verified")

        second.goto("/auth/sign-in")
        second.get_by_role("link", name="Forgot your password?").click()
        second.get_by_label("E-mail address").fill(email)
        second.get_by_role("button", name="Write to me").click()
        expect(second.get_by_role("status")).to_contain_text("a letter is on its way", timeout=WAIT)
        link, code = read(letters, email, "/auth/reset", service)
        second.get_by_label("Code in our letter").fill(code)
        second.get_by_label("New password").fill(NEW)
        second.get_by_role("button", name="Set this password").click()
        second.wait_for_url("**/auth/sign-in?done=password-reset")
        first.get_by_role("link", name="Devices").click()
        first.wait_for_url("**/auth/sign-in?next=/auth/devices")
        sign_in(second, email, NEW)
        second.wait_for_url("**/auth/account")

        second.goto(link)
        second.get_by_label("New password").fill(NEW)
        second.get_by_role("button", name="Set this password").click()
        expect(second.get_by_text("no longer good")).to_be_visible(timeout=WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(service: Service, browser: Browser, letters: Path, scheme: str) -> None:
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
        link, _ = read(letters, email, "/auth/invitation", service)
        page.goto(link)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Make my account").click()
        page.wait_for_url("**/auth/account")
        page.goto("/auth/account/email")
        faults |= faults_of(page)

        assert faults == {}
