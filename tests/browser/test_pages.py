"""What people do at the pages of the real service, in a real browser, with and without a script."""

from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.browser.browsing import PASSWORD, WAIT, chromium, faults_of, sign_in, sign_up, window
from tests.server.running import Service

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

NUMBERS = count()
OUTSIDE = ("/", "/auth/sign-in", "/auth/sign-up")
INSIDE = ("/auth/account", "/auth/account/profile", "/auth/account/delete", "/auth/devices", "/auth/activity")

with_and_without_script = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service."""
    with Service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def administrator(service: Service) -> str:
    """The path of the link that it prints at its start."""
    link = urlsplit(service.read_until("/auth/administrator?token=")[-1].strip())
    return f"{link.path}?{link.query}"


@pytest.fixture
def email() -> str:
    """The address of somebody new."""
    return f"ada{next(NUMBERS)}@example.com"


@with_and_without_script
def test_another_password(service: Service, browser: Browser, email: str, script: bool) -> None:
    """With another password every other browser is out, the old password is refused, and the new one lets in."""
    new = "seven herons over the weir"
    with (
        window(browser, service.url, java_script_enabled=script) as first,
        window(browser, service.url, java_script_enabled=script) as second,
    ):
        sign_up(first, email)
        second.goto("/auth/sign-in")
        sign_in(second, email)
        second.wait_for_url("**/auth/account")
        first.get_by_label("Present password").fill(PASSWORD)
        first.get_by_label("New password").fill(new)
        first.get_by_role("button", name="Change password").click()
        first.wait_for_url("**/auth/account?done=password-changed")
        second.get_by_role("link", name="Devices").click()
        second.wait_for_url("**/auth/sign-in?next=/auth/devices")
        sign_in(second, email)
        expect(second.get_by_text("do not go together")).to_be_visible(timeout=WAIT)
        sign_in(second, email, new)

        second.wait_for_url("**/auth/devices")


@with_and_without_script
def test_rename(service: Service, browser: Browser, email: str, script: bool) -> None:
    """A device bears the name that its person gives it, as text, whatever is in it."""
    name = "<b>Ada's phone</b>"
    with window(browser, service.url, java_script_enabled=script) as page:
        sign_up(page, email)
        page.goto("/auth/devices")
        page.get_by_text("Rename", exact=True).click()
        page.get_by_label("Name of this device").fill(name)
        page.get_by_role("button", name="Save").click()

        expect(page.locator(".device h2")).to_have_text(name, timeout=WAIT)


@with_and_without_script
def test_another_language(service: Service, browser: Browser, email: str, script: bool) -> None:
    """The pages speak the language that a person chooses, in another browser too."""
    with (
        window(browser, service.url, java_script_enabled=script, locale="en") as page,
        window(browser, service.url, java_script_enabled=script, locale="fr") as other,
    ):
        sign_up(page, email)
        page.goto("/auth/account/profile")
        page.get_by_label("Language").select_option("Deutsch")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("Es ist gespeichert.", timeout=WAIT)
        other.goto("/auth/sign-in")
        other.get_by_label("Adresse e-mail").fill(email)
        other.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
        other.keyboard.press("Enter")
        other.wait_for_url("**/auth/account")

        expect(other.locator("html")).to_have_attribute("lang", "de", timeout=WAIT)


@with_and_without_script
def test_the_end_of_an_account(service: Service, browser: Browser, email: str, script: bool) -> None:
    """Who deletes their account is out, and nobody signs in there any more."""
    with window(browser, service.url, java_script_enabled=script) as page:
        sign_up(page, email)
        page.get_by_role("link", name="Delete this account").click()
        page.get_by_label("Present password").fill(PASSWORD)
        page.get_by_role("button", name="Delete it for ever").click()
        page.wait_for_url("**/auth/sign-in?done=deleted")
        sign_in(page, email)

        expect(page.get_by_text("do not go together")).to_be_visible(timeout=WAIT)


@with_and_without_script
def test_back_after_sign_out(service: Service, browser: Browser, email: str, script: bool) -> None:
    """The back button shows nothing of an account whose person has signed out."""
    with window(browser, service.url, java_script_enabled=script) as page:
        sign_up(page, email)
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/auth/sign-in?done=signed-out")
        page.go_back()

        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=WAIT)
        expect(page.get_by_text(email)).to_have_count(0)


@with_and_without_script
def test_two_tabs(service: Service, browser: Browser, email: str, script: bool) -> None:
    """Who signs out in one tab is out in the other at the next click."""
    with window(browser, service.url, java_script_enabled=script) as page:
        sign_up(page, email)
        other = page.context.new_page()
        other.goto("/auth/account")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/auth/sign-in?done=signed-out")
        other.get_by_role("link", name="Devices").click()

        other.wait_for_url("**/auth/sign-in?next=/auth/devices")


@with_and_without_script
def test_stolen_cookie(service: Service, browser: Browser, email: str, script: bool) -> None:
    """A cookie that was copied into another browser is dead with the logout."""
    with (
        window(browser, service.url, java_script_enabled=script) as page,
        window(browser, service.url, java_script_enabled=script) as thief,
    ):
        sign_up(page, email)
        cookie = page.context.cookies()[0]
        thief.context.add_cookies(
            [{"name": cookie.get("name", ""), "value": cookie.get("value", ""), "url": service.url}]
        )
        thief.goto("/auth/account")
        expect(thief.get_by_text(email)).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/auth/sign-in?done=signed-out")
        thief.get_by_role("link", name="Devices").click()

        thief.wait_for_url("**/auth/sign-in?next=/auth/devices")


def test_show_password(service: Service, browser: Browser) -> None:
    """A password can be looked at before it is sent."""
    with window(browser, service.url) as page:
        page.goto("/auth/sign-in")
        field = page.get_by_label("Password", exact=True)
        field.fill(PASSWORD)
        page.get_by_role("button", name="Show").click()

        expect(field).to_have_attribute("type", "text", timeout=WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(service: Service, browser: Browser, email: str, administrator: str, scheme: str) -> None:
    """No page has a fault that axe finds (WCAG 2.2 AA, contrast among it), nor scrolls sideways on a small phone."""
    size = {"width": 320, "height": 640}
    with window(browser, service.url, color_scheme=scheme, viewport=size, bypass_csp=True) as page:
        page.goto("/auth/sign-in")
        sign_in(page, email, "wrong")
        page.get_by_text("do not go together").wait_for()
        faults = faults_of(page)
        for path in (*OUTSIDE, "/nowhere", administrator):
            page.goto(path)
            faults |= faults_of(page)
        sign_up(page, email)
        for path in INSIDE:
            page.goto(path)
            faults |= faults_of(page)

        assert faults == {}


def test_weight(service: Service, browser: Browser, email: str) -> None:
    """No page weighs more than 60 kB with all that it loads, and none asks anybody else."""
    weights: dict[str, int] = {}
    hosts: set[str] = set()
    with window(browser, service.url) as member:
        sign_up(member, email)
        held = member.context.storage_state()
        for path in (*OUTSIDE, *INSIDE):
            with window(browser, service.url, storage_state=held if path in INSIDE else None) as page:
                answers = _load(page, path)
                hosts |= {"/".join(answer.url.split("/")[:3]) for answer in answers}
                sizes = [answer.request.sizes() for answer in answers]
                weights[path] = sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)

    assert hosts == {service.url}
    assert all(0 < weight < 60_000 for weight in weights.values()), weights


def _load(page: Page, path: str) -> list[Response]:
    """Go to a page, and return everything that came with it."""
    answers: list[Response] = []

    def hear(answer: Response) -> None:
        answers.append(answer)

    page.on("response", hear)
    page.goto(path, wait_until="networkidle")
    return answers
