"""`/auth/static/ostiary.js`: what a page imports, in a real browser, with several tabs."""

import re
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from ostiary.web import browser as module
from tests.browser.browsing import PASSWORD, WAIT, chromium, serving
from tests.browser.orders import Orders, ordering
from tests.server.running import Service, free_port

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]

NUMBERS = count()
PAGE = """<!doctype html>
<title>A page of an application</title>
<script type="module">
  import { Login, Refusal } from "ISSUER/auth/static/ostiary.js";
  window.ended = 0;
  window.login = new Login({ reaches: ["ORDERS"] });
  login.onSignedOut(() => window.ended += 1);
  window.orders = (path = "/orders", init) => login.fetch("ORDERS" + path, init);
  window.refusal = (promise) => promise.then(() => "none", (e) => e instanceof Refusal
    ? [e.status, e.code, e.message, e.next.map(({ step }) => step), e.isOver] : String(e));
</script>
"""
STORED = """async () => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage},
  await indexedDB.databases(), await caches.keys()])"""


def patience(factor: float) -> str:
    """Return what makes a page wait so much longer. On a busy machine a tab may be slow that is not frozen."""
    return f"{{ const later = setTimeout; window.setTimeout = (act, after) => later(act, after * {factor}); }}"


@dataclass
class Place:
    """A service, an application of another origin that it trusts, and a service that the application calls."""

    service: Service
    application: str
    orders: Orders


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """All three, running. The issuer has a page of the application, too."""
    ports = free_port(), free_port()
    issuer, application = (f"http://127.0.0.1:{port}" for port in ports)
    service = Service(
        tmp_path_factory.mktemp("service") / "data",
        issuer=issuer,
        port=ports[0],
        environ={"OSTIARY_TRUSTED_ORIGINS": application},
    )
    folder = tmp_path_factory.mktemp("application")
    with service, ordering(Orders(issuer)) as orders, serving(folder, ports[1]):
        (folder / "index.html").write_text(PAGE.replace("ISSUER", issuer).replace("ORDERS", orders.origin))
        yield Place(service, application, orders)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with chromium() as running:
        yield running


@dataclass
class Person:
    """Somebody's browser, with tabs on the application, and how often it has asked for an access token."""

    place: Place
    context: BrowserContext
    email: str
    traded: int = 0

    def tab(self, url: str = "") -> Page:
        """Open the application in one more tab."""
        page = self.context.new_page()
        page.goto(url or self.place.application)
        page.wait_for_function("window.login")
        return page

    def supersede(self) -> None:
        """Make what all access tokens of this person say untrue: none of them is good any more."""
        self.command("users", "roles", self.email, "editor")
        shown = {"authorization": str(self.place.orders.shown[-1])}
        with self.place.service.client(headers=shown) as client:
            for _ in range(400):
                if client.get("/auth/session").status_code == 401:
                    return
                sleep(0.05)
        raise AssertionError("the service has not heard of it")

    def command(self, *words: str) -> None:
        """Run a command beside the service. In a thread: an event loop of Playwright's runs in this one."""
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(self.place.service.command, *words).result()

    def sign_up(self, page: Page) -> None:
        """Make an account."""
        page.evaluate("(who) => login.signUp(who).then(() => {})", {"email": self.email, "password": PASSWORD})


@pytest.fixture
def person(place: Place, browser: Browser) -> Iterator[Person]:
    """Somebody new."""
    with window(browser, place) as context:
        person = Person(place, context, f"ada{next(NUMBERS)}@example.com")

        def counted(request: Any) -> None:
            person.traded += request.url.endswith("/auth/token") and request.method == "POST"

        context.on("request", counted)
        place.orders.shown.clear()
        place.orders.bodies.clear()
        yield person


@contextmanager
def window(browser: Browser, place: Place) -> Generator[BrowserContext]:
    """Open a browser of a person's own, in which the issuer has a page of the application, too."""
    context = browser.new_context()
    context.set_default_timeout(WAIT)
    context.add_init_script(patience(30))
    page = PAGE.replace("ISSUER", "").replace("ORDERS", place.orders.origin)
    context.route(f"{place.service.url}/app", lambda route: route.fulfill(body=page, content_type="text/html"))
    try:
        yield context
    finally:
        context.close()


def begin(page: Page, script: str) -> None:
    """Let a page begin something, and do not wait for it."""
    page.evaluate(f"() => {{ window.begun = Promise.all({script}) }}")


def statuses(page: Page) -> list[int]:
    """Wait for what was begun."""
    return page.evaluate("begun.then((answers) => answers.map(({ status }) => status))")  # type: ignore[no-any-return]


def ended(page: Page, times: int = 1) -> None:
    """Wait until a page has been told that the session is over, so often and not oftener."""
    page.wait_for_function(f"window.ended >= {times}")
    assert page.evaluate("window.ended") == times


FOUR = "Array.from({ length: 4 }, () => orders())"
OVER = [401, "invalid_token", "This session is over. Sign in again.", ["login"], True]


@pytest.mark.parametrize("home", ["issuer", "application"])
def test_in_and_out(person: Person, home: str) -> None:
    """A person signs up, out and in again, on the issuer's own page and on one of a trusted origin."""
    page = person.tab(f"{person.place.service.url}/app" if home == "issuer" else "")
    nobody = page.evaluate("refusal(login.session())")
    made = page.evaluate("(who) => login.signUp(who)", {"email": person.email, "password": PASSWORD})
    found = page.evaluate("login.session()")
    page.evaluate("login.signOut()")
    wrong = page.evaluate("(email) => refusal(login.signIn(email, 'wrong'))", person.email)
    page.evaluate(
        "(email) => login.follow({ route: '/auth/login', needs: ['email', 'password', 'carrier'] }, email)",
        {"email": person.email, "password": PASSWORD},
    )
    again = page.evaluate("login.session()")

    assert nobody == [401, "unauthenticated", "Sign in first.", ["login"], True]
    assert made["user"]["email"] == person.email
    assert found["session"]["id"] == made["session"]["id"]
    assert set(made) == {"user", "session"}
    assert wrong[:2] == [401, "bad_credentials"]
    assert again["user"] == made["user"]
    assert again["session"]["id"] != made["session"]["id"]
    ended(page)


def test_where_a_request_goes(person: Person) -> None:
    """The issuer gets the cookie, a service that is named gets a token, and nobody else gets anything."""
    orders = person.place.orders
    page = person.tab()
    person.sign_up(page)

    with ordering(Orders(orders.issuer)) as stranger:
        orders.onward = f"{stranger.origin}/orders"
        mine = page.evaluate("login.fetch(login.at + 'session').then((answer) => answer.json())")
        theirs = page.evaluate("orders().then((answer) => answer.json())")
        strange = page.evaluate("(to) => login.fetch(to + '/orders').then(({ status }) => status)", stranger.origin)
        onward = page.evaluate("orders('/onward').then(({ status }) => status)")
        seen = stranger.shown

    assert mine["user"] == theirs["user"]
    assert mine["session"]["id"] == theirs["session"]["id"]
    assert (strange, onward) == (401, 401)
    assert set(seen) == {None}
    assert str(orders.shown[0]).startswith("Bearer ey")


def test_five_tabs(person: Person) -> None:
    """Of twenty requests in five tabs, one trades the cookie; and again one, once that token is good no more."""
    tabs = [person.tab() for _ in range(5)]
    person.sign_up(tabs[0])

    for tab in tabs:
        begin(tab, FOUR)
    first = [statuses(tab) for tab in tabs]
    shown = set(person.place.orders.shown)
    traded = person.traded
    person.supersede()  # its tokens say what is true no more
    for tab in tabs:
        begin(tab, FOUR)
    second = [statuses(tab) for tab in tabs]

    assert first == second == [[200] * 4] * 5
    assert (len(shown), traded) == (1, 1)
    assert (len(set(person.place.orders.shown)), person.traded) == (2, 2)


def test_the_tab_that_got_it_is_closed(person: Person) -> None:
    """The other tabs go on with the token that it told them, and one of them gets the next."""
    first, *others = [person.tab() for _ in range(3)]
    person.sign_up(first)
    for tab in (first, *others):
        begin(tab, FOUR)
    before = [statuses(tab) for tab in (first, *others)]
    first.close()
    kept = [tab.evaluate("orders().then(({ status }) => status)") for tab in others]
    traded = person.traded
    person.supersede()
    for tab in others:
        begin(tab, FOUR)

    assert before == [[200] * 4] * 3
    assert (kept, traded) == ([200, 200], 1)
    assert [statuses(tab) for tab in others] == [[200] * 4] * 2
    assert person.traded == 2


def test_nothing_is_kept(person: Person) -> None:
    """No token and no secret is in a cookie that a script reads, in any storage, or on the `Login` itself."""
    page = person.tab()
    person.sign_up(page)
    assert page.evaluate("orders().then(({ status }) => status)") == 200

    assert page.evaluate(STORED) == '["",{},{},[],[]]'
    assert page.evaluate("JSON.stringify(login) + Object.getOwnPropertyNames(login)") == (
        f'{{"at":"{person.place.service.url}/auth/"}}at,fetch'
    )


def test_signing_out(person: Person) -> None:
    """Who signs out in one tab is out in each, is told so once, and no token that any tab has is good."""
    tabs = [person.tab() for _ in range(3)]
    person.sign_up(tabs[0])
    for tab in tabs:
        begin(tab, FOUR)
    assert [statuses(tab) for tab in tabs] == [[200] * 4] * 3

    tabs[1].evaluate("login.signOut()")
    for tab in tabs:
        ended(tab)
    refused = [tab.evaluate("refusal(orders())") for tab in tabs]
    tabs[1].evaluate("login.signOut()")

    assert {answer[1] for answer in refused} == {"unauthenticated"}
    for tab in tabs:
        ended(tab)


def test_a_session_that_is_over(person: Person) -> None:
    """A session that somebody else ended is found out by one tab, and every tab is told."""
    tabs = [person.tab() for _ in range(3)]
    person.sign_up(tabs[0])
    for tab in tabs:
        begin(tab, FOUR)
    assert [statuses(tab) for tab in tabs] == [[200] * 4] * 3

    person.command("users", "disable", person.email)
    refused = tabs[2].evaluate("refusal(orders())")

    assert refused == OVER
    for tab in tabs:
        ended(tab)
    assert tabs[0].evaluate("login.fetch(login.at + 'session').then(({ status }) => status)") == 401
    ended(tabs[0])


def test_a_visitor(person: Person) -> None:
    """Who was never in is not told that their session is over."""
    page, other = person.tab(), person.tab()

    asked = [page.evaluate(f"refusal({what})") for what in ("login.session()", "orders()")]

    assert [code for _, code, *_ in asked] == ["unauthenticated"] * 2
    assert page.evaluate("login.fetch(login.at + 'session').then(({ status }) => status)") == 401
    assert [tab.evaluate("window.ended") for tab in (page, other)] == [0, 0]
    assert person.place.orders.shown == []


def test_somebody_else(person: Person) -> None:
    """Where another person signs in, the other tabs are told that what they show is over."""
    page, other = person.tab(), person.tab()
    person.sign_up(page)
    assert other.evaluate("login.session().then(({ user }) => user.email)") == person.email
    assert other.evaluate("orders().then(({ status }) => status)") == 200
    person.email = f"bob{next(NUMBERS)}@example.com"
    person.sign_up(page)
    ended(other)

    shown = other.evaluate("orders().then((answer) => answer.json())")

    assert shown["user"]["email"] == person.email
    ended(page, 0)


def test_a_lost_answer(person: Person) -> None:
    """An answer that is lost costs a second question. A network that is gone fails the request, and ends nothing."""
    page, other = person.tab(), person.tab()
    person.sign_up(page)
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    person.context.route("**/auth/token", lose, times=1)
    once = page.evaluate("orders().then(({ status }) => status)")
    person.supersede()
    person.context.route("**/auth/token", lambda route: route.abort())
    gone = other.evaluate("refusal(orders())")
    person.context.unroute("**/auth/token")
    back = other.evaluate("orders().then(({ status }) => status)")

    assert (once, lost, back) == (200, [200], 200)
    assert gone == "TypeError: Failed to fetch"
    assert [tab.evaluate("window.ended") for tab in (page, other)] == [0, 0]


def test_a_change_that_has_not_arrived(person: Person) -> None:
    """Where the service refuses the cookie of a session that has just changed, it is asked again, and nobody is out."""
    page = person.tab()
    person.sign_up(page)

    def refuse(route: Route) -> None:
        route.fulfill(status=401, json={"code": "invalid_token"})

    person.context.route("**/auth/token", refuse, times=1)

    answer = page.evaluate("orders().then(({ status }) => status)")

    assert (answer, person.traded) == (200, 2)
    ended(page, 0)


def test_a_token_that_ends(person: Person) -> None:
    """A token is not sent when it is about to end: another one is got before the request."""
    page = person.tab()
    person.sign_up(page)

    def brief(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"expires_in": 0})

    person.context.route("**/auth/token", brief)
    answers = [page.evaluate("orders().then(({ status }) => status)") for _ in range(3)]

    assert answers == [200] * 3
    assert person.traded == len(set(person.place.orders.shown)) == len(person.place.orders.shown) == 3


def test_a_request_that_is_sent_again(person: Person) -> None:
    """What was refused for its token is sent again with its body, once; a stronger login is not asked for so."""
    page = person.tab()
    person.sign_up(page)
    assert page.evaluate("orders().then(({ status }) => status)") == 200
    person.supersede()

    sent = page.evaluate("orders('/orders', { method: 'POST', body: '{}' }).then(({ status }) => status)")
    tried = len(person.place.orders.shown)
    strict = page.evaluate("orders('/strict').then(({ status }) => status)")

    assert (sent, person.place.orders.bodies, tried) == (200, [b"{}"], 3)
    assert (strict, len(person.place.orders.shown), person.traded) == (401, 4, 2)


def test_a_tab_that_is_frozen(person: Person) -> None:
    """A tab that has the lock and says nothing holds the others up for a while, and not for ever."""
    person.context.add_init_script(patience(1 / 300))
    frozen, page = person.tab(), person.tab()
    person.sign_up(page)
    name = f"ostiary {person.place.service.url}/auth/"
    hold = """(name) => new Promise((held) => {
      navigator.locks.request(name, () => { held(); return new Promise(() => {}) });
    })"""
    frozen.evaluate(hold, name)

    assert page.evaluate("orders().then(({ status }) => status)") == 200


def test_a_step_that_leads_elsewhere(person: Person) -> None:
    """What a person types is sent to no other service, whatever an answer says."""
    page = person.tab()
    step = {"route": f"{person.place.orders.origin}/orders", "needs": ["password"]}

    said = page.evaluate("(step) => refusal(login.follow(step, { password: 'secret' }))", step)

    assert said.startswith("TypeError: ")
    assert person.place.orders.shown == []


def test_types(person: Person) -> None:
    """The types name what the module gives, and no more: the classes, and what is on them."""
    types = (Path(module.__file__).parent / module.TYPES).read_text()
    named = re.findall(r"^export class (\w+)(?: extends \w+)? {\n(.*?)^}", types, re.DOTALL | re.MULTILINE)
    members = re.compile(r"^  (?:static |readonly |get )*(\w+)[(:]", re.MULTILINE)
    page = person.tab()

    given = page.evaluate(
        """async (from) => Object.entries(await import(from)).map(([name, made]) => {
          const one = name === "Login" ? new made() : new made(401, {});
          const all = [...Object.getOwnPropertyNames(made.prototype), ...Object.getOwnPropertyNames(one),
            ...Object.getOwnPropertyNames(made)];
          const known = ["length", "name", "prototype", "stack", "message"];
          return [name, [...new Set(all.filter((member) => !known.includes(member)))].sort()];
        })""",
        f"{person.place.service.url}/auth/static/ostiary.js",
    )

    assert {name: sorted(set(members.findall(body))) for name, body in named} == dict(given)


def test_a_copy_elsewhere(person: Person) -> None:
    """A copy of the module that an application ships is told where the service is; what is no origin is refused."""
    page = person.tab()
    at = f"{person.place.service.url}/auth"

    said = page.evaluate(
        """async ([from, at]) => {
          const { Login } = await import(from);
          const copy = new Login({ at });
          const wrong = ["https://a.example/", "a.example"].map((origin) => {
            try { return new Login({ reaches: [origin] }) } catch (error) { return error.name }
          });
          return [copy.at, ...wrong];
        }""",
        [f"{at}/static/ostiary.js", at],
    )

    assert said == [f"{at}/", "TypeError", "TypeError"]
