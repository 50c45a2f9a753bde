"""`examples/spa/`: an application on another origin of the same site, in a real browser."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.browsing import PASSWORD, WAIT, chromium, serving, window
from tests.server.running import Service, free_port

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

SPA = Path(__file__).parents[2] / "examples" / "spa"
NUMBERS = count()
SENT = """(to) => fetch(to, {
  method: "POST", credentials: "include", headers: { "content-type": "application/json" }, body: "{}"
}).then(() => "read", String)"""


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Where the service answers, and where the application is."""
    return free_port(), free_port()


@pytest.fixture(scope="module")
def files(ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application, told where the service is."""
    folder = tmp_path_factory.mktemp("spa")
    for file in SPA.iterdir():
        text = file.read_text().replace('from "http://localhost:8000/', f'from "http://127.0.0.1:{ports[0]}/')
        (folder / file.name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def application(ports: tuple[int, int], files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of the application, beside a service that trusts it."""
    issuer, origin = (f"http://127.0.0.1:{port}" for port in ports)
    service = Service(
        tmp_path_factory.mktemp("service") / "data",
        issuer=issuer,
        port=ports[0],
        environ={"OSTIARY_TRUSTED_ORIGINS": origin},
    )
    with service, serving(files, ports[1]):
        yield origin


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as running:
        yield running


@pytest.fixture
def email() -> str:
    """The address of somebody new."""
    return f"ada{next(NUMBERS)}@example.com"


def send(page: Page, step: str, **values: str) -> None:
    """Fill in the form of a step, and send it."""
    form: Locator = page.get_by_role("form", name=step)
    for label, value in values.items():
        form.get_by_label(label.replace("_", " ")).fill(value)
    form.get_by_role("button", name=step).click()


def test_an_application_on_another_origin(application: str, browser: Browser, email: str) -> None:
    """A person signs up, stays in over a reload, signs out, and in again; the script never holds a secret."""
    with window(browser, application) as page:
        page.goto("/")
        send(page, "Make an account", **{"E-mail_address": email, "Password": PASSWORD, "Name": "Ada"})
        expect(page.locator("#who")).to_have_text(email, timeout=WAIT)
        page.reload()
        expect(page.locator("#who")).to_have_text(email, timeout=WAIT)
        names = {cookie.get("name") for cookie in page.context.cookies()}
        readable = page.evaluate("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")

        page.get_by_role("button", name="Sign out").click()
        send(page, "Sign in", **{"E-mail_address": email, "Password": "wrong"})
        expect(page.get_by_role("status")).to_contain_text("do not go together", timeout=WAIT)
        left = {cookie.get("name") for cookie in page.context.cookies()}
        send(page, "Sign in", **{"E-mail_address": email, "Password": PASSWORD})
        expect(page.locator("#who")).to_have_text(email, timeout=WAIT)

    assert names == {"ostiary", "ostiary-device"}
    assert left == {"ostiary-device"}
    assert readable == "{}{}"


def test_two_windows(application: str, browser: Browser, email: str) -> None:
    """A person ends another browser's session, which is shown the way in at its next click."""
    with window(browser, application) as first, window(browser, application) as second:
        first.goto("/")
        send(first, "Make an account", **{"E-mail_address": email, "Password": PASSWORD})
        expect(first.locator("#who")).to_have_text(email, timeout=WAIT)
        second.goto("/")
        send(second, "Sign in", **{"E-mail_address": email, "Password": PASSWORD})
        expect(second.locator("li")).to_have_count(2, timeout=WAIT)
        first.reload()
        first.get_by_role("button", name="End").click()
        expect(first.locator("li")).to_have_count(1, timeout=WAIT)

        second.get_by_role("button", name="Sign out").click()
        expect(second.get_by_role("form", name="Sign in")).to_be_visible(timeout=WAIT)


def test_an_origin_that_is_not_listed(
    application: str, browser: Browser, files: Path, ports: tuple[int, int], email: str
) -> None:
    """The same application on an origin that the service was not told of can neither read nor do anything.

    Not even in the browser of somebody who is in.
    """
    with serving(files, 0) as elsewhere, window(browser, application) as page:
        page.goto("/")
        send(page, "Make an account", **{"E-mail_address": email, "Password": PASSWORD})
        expect(page.locator("#who")).to_have_text(email, timeout=WAIT)

        page.goto(elsewhere)
        expect(page.get_by_role("status")).to_contain_text("cannot be reached from here", timeout=WAIT)
        with page.expect_event("requestfailed") as refused:
            said = page.evaluate(SENT, f"http://127.0.0.1:{ports[0]}/auth/login")
        page.goto(application)

        assert refused.value.url.endswith("/auth/login")
        assert said == "TypeError: Failed to fetch"
        expect(page.locator("li")).to_have_count(1, timeout=WAIT)


def test_two_tabs(application: str, browser: Browser, email: str) -> None:
    """Who signs out in one tab is shown the way in by the other, without a click."""
    with window(browser, application) as page:
        page.goto("/")
        send(page, "Make an account", **{"E-mail_address": email, "Password": PASSWORD})
        expect(page.locator("#who")).to_have_text(email, timeout=WAIT)
        other = page.context.new_page()
        other.goto("/")
        expect(other.locator("#who")).to_have_text(email, timeout=WAIT)
        page.get_by_role("button", name="Sign out").click()

        for tab in (page, other):
            expect(tab.get_by_role("form", name="Sign in")).to_be_visible(timeout=WAIT)
