"""One application behind every door, over HTTP: what is promised is the same, whichever framework keeps the promise."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest

from tests.acceptance.running import EXAMPLES, Example, served
from tests.acceptance.talking import Closed, Refused, Talk, talking

pytestmark = [pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(180)]

PASSWORD = "a lantern in the harbour"
CARRIERS = pytest.mark.parametrize("carrier", ["cookie", "bearer"])
_numbers = count(1)


@dataclass
class Person:
    """Somebody with an account, and the client that holds their session."""

    client: httpx.Client
    email: str
    out: dict[str, Any] = field(default_factory=dict)

    def login(self, carrier: str) -> None:
        """Log in. The client sends what it was given from now on."""
        body = {"email": self.email, "password": PASSWORD, "carrier": carrier}
        self.take(self.client.post("/auth/login", json=body))

    def take(self, answer: httpx.Response) -> None:
        """Keep what was given."""
        assert answer.status_code == 200, answer.text
        self.out = answer.json()
        if "access_token" in self.out:
            self.client.headers["authorization"] = f"Bearer {self.out['access_token']}"

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for something."""
        return self.client.get(path, headers=headers)


@dataclass
class Service:
    """A running example."""

    example: Example
    url: str

    @contextmanager
    def browser(self) -> Generator[httpx.Client]:
        """Make a client that behaves as a page of this site does, and holds nothing yet."""
        page = {"sec-fetch-site": "same-origin", "origin": self.url}
        with httpx.Client(base_url=self.url, headers=page, trust_env=False, timeout=20) as client:
            yield client

    @contextmanager
    def person(self, carrier: str, email: str = "ada@example.com") -> Generator[Person]:
        """Log somebody in who has an account."""
        with self.browser() as client:
            person = Person(client, email)
            person.login(carrier)
            yield person

    @contextmanager
    def talking(self, person: Person, **more: str) -> Generator[Talk]:
        """Open a WebSocket as this person."""
        session = {name: person.client.headers[name] for name in ("authorization",) if name in person.client.headers}
        if person.client.cookies:
            session["cookie"] = "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())
        with talking(f"{self.url}/talk", {"origin": self.url, **session, **more}) as talk:
            yield talk


@pytest.fixture(scope="module", params=EXAMPLES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Each example, running, with one account."""
    example = EXAMPLES[request.param]
    with served(example, tmp_path_factory.mktemp(request.param)) as url:
        made = Service(example, url)
        with made.browser() as client:
            answer = client.post("/auth/register", json={"email": "ada@example.com", "password": PASSWORD})
            assert answer.status_code == 201, answer.text
        yield made


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return a refusal's status and code. It is a problem (RFC 9457), whoever has said it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


@CARRIERS
def test_register_and_me(service: Service, carrier: str) -> None:
    """Whoever registers is in, by either carrier, and a handler is told who they are."""
    email = f"new{next(_numbers)}@example.com"
    with service.browser() as client:
        before = client.get("/me")
        answer = client.post("/auth/register", json={"email": email, "password": PASSWORD, "carrier": carrier})
        assert answer.status_code == 201, answer.text
        out = answer.json()
        bearer = {"authorization": f"Bearer {out['access_token']}"} if carrier == "bearer" else {}
        me = client.get("/me", headers=bearer)
        session = client.get("/auth/session", headers=bearer)

    assert problem(before) == (401, "unauthenticated")
    assert before.headers["www-authenticate"].startswith("Bearer")
    assert me.json() == {"user_id": out["user"]["id"], "roles": []}
    assert (session.json()["user"]["email"], session.json()["session"]["carrier"]) == (email, carrier)


@CARRIERS
def test_dead_at_once(service: Service, carrier: str) -> None:
    """A session is dead as soon as its logout is answered, and so is a copy of what carried it."""
    with service.person(carrier) as ada:
        kept = dict(ada.client.cookies)
        inside = ada.get("/me")
        out = ada.client.post("/auth/logout")
        ada.client.cookies.update(kept)
        after = [ada.get(path) for path in ("/me", "/auth/session", "/editors")]
        front = ada.get("/")

    assert (inside.status_code, out.status_code) == (200, 204)
    assert [problem(answer) for answer in after] == [(401, "invalid_token")] * 3
    assert front.json() == {"hello": "visitor"}


def test_refresh(service: Service) -> None:
    """A refresh token gives its successor and a new access token; one that is too old ends the session."""
    with service.person("bearer") as ada:
        tokens = [ada.out["refresh_token"]]
        for _ in range(3):
            ada.take(ada.client.post("/auth/refresh", json={"refresh_token": tokens[-1]}))
            tokens.append(ada.out["refresh_token"])
        me = ada.get("/me")
        reused = ada.client.post("/auth/refresh", json={"refresh_token": tokens[0]})
        after = ada.get("/me")

    assert len(set(tokens)) == 4
    assert me.status_code == 200
    assert problem(reused) == (401, "invalid_grant")
    assert problem(after) == (401, "invalid_token")


def test_a_cookie_is_traded(service: Service) -> None:
    """A page whose session a cookie carries gets a short access token for it, which is the same session."""
    with service.person("cookie") as ada, service.browser() as elsewhere:
        token = ada.client.post("/auth/token").json()["access_token"]
        bearer = {"authorization": f"Bearer {token}"}
        me = elsewhere.get("/me", headers=bearer)
        ada.client.post("/auth/logout")
        after = elsewhere.get("/me", headers=bearer)

    assert me.json()["user_id"] == ada.out["user"]["id"]
    assert problem(after) == (401, "invalid_token")


def test_devices(service: Service) -> None:
    """A user sees where they are logged in, gives a device a name, and ends another one's session, which is dead."""
    with service.person("cookie") as here, service.person("bearer") as there:
        own, other = here.out["session"]["id"], there.out["session"]["id"]
        renamed = here.client.patch(f"/auth/sessions/{own}", json={"name": "the desk"})
        listed = {each["id"]: each for each in here.get("/auth/sessions").json()["sessions"]}
        ended = here.client.delete(f"/auth/sessions/{other}")
        dead, alive = there.get("/me"), here.get("/me")

    assert renamed.status_code == 200, renamed.text
    assert (listed[own]["current"], listed[own]["device"]) == (True, "the desk")
    assert (listed[other]["current"], listed[other]["carrier"]) == (False, "bearer")
    assert ended.status_code == 204
    assert problem(dead) == (401, "invalid_token")
    assert alive.status_code == 200


@CARRIERS
def test_roles(service: Service, carrier: str) -> None:
    """What asks for a role or a permission opens as soon as it was given: by cookie at once, by token with the next."""
    email = f"editor{next(_numbers)}@example.com"
    with service.browser() as client:
        client.post("/auth/register", json={"email": email, "password": PASSWORD})
    with service.person(carrier, email) as eve:
        before = [eve.get(path) for path in ("/editors", "/drafts")]
        promoted = eve.client.post("/promotion")
        if carrier == "bearer":
            over = eve.get("/me")
            assert problem(over) == (401, "invalid_token")
            eve.take(eve.client.post("/auth/refresh", json={"refresh_token": eve.out["refresh_token"]}))
        after = [eve.get(path).status_code for path in ("/editors", "/drafts")]
        me = eve.get("/me")

    assert [problem(answer) for answer in before] == [(403, "insufficient_scope")] * 2
    assert promoted.status_code == 204
    assert after == [200, 200]
    assert me.json()["roles"] == ["editor"]


@CARRIERS
def test_step_up(service: Service, carrier: str) -> None:
    """Who has shown too little is told what would do, and a wrong password is no proof."""
    with service.person(carrier) as ada:
        refused = ada.get("/vault")
        wrong = ada.client.post("/auth/step-up", json={"password": "a lantern in the harbor"})
        proved = ada.client.post("/auth/step-up", json={"password": PASSWORD})

    assert problem(refused) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in refused.headers["www-authenticate"]
    assert problem(wrong) == (401, "bad_credentials")
    assert proved.status_code == 200, proved.text


@pytest.mark.parametrize(
    "page",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "null"},
    ],
    ids=["another site", "a sibling", "nowhere"],
)
def test_cross_site(service: Service, page: dict[str, str]) -> None:
    """A page of another site changes nothing with our cookie, neither in the application nor at the door."""
    with service.person("cookie") as ada:
        hostile = {name: value for name, value in page.items() if value} | {"origin": page.get("origin", "https://x.y")}
        if not page["sec-fetch-site"]:
            del ada.client.headers["sec-fetch-site"]
        refused = [ada.client.post(path, headers=hostile) for path in ("/promotion", "/auth/logout", "/auth/token")]
        me = ada.get("/me")

    assert [problem(answer) for answer in refused] == [(403, "cross_site")] * 3
    assert me.json()["roles"] == []


def test_what_is_open(service: Service) -> None:
    """Only what is named is open. There a visitor is one, and so is who shows something that is over."""
    with service.person("cookie") as ada, service.browser() as visitor:
        greeted = ada.get("/")
        answers = {
            path: visitor.get(path).status_code
            for path in (
                "/",
                "/public/hours",
                "/me",
                "/me/",
                "/ME",
                "/nowhere",
                "/public",
                "/public/",
                "/public/%2e%2e/me",
            )
        }
        others = [visitor.request(method, "/me").status_code for method in ("HEAD", "OPTIONS", "POST", "DELETE")]
        over = visitor.get("/", headers={"authorization": "Bearer over"})
        two = ada.get("/", authorization=f"Bearer {ada.client.post('/auth/token').json()['access_token']}x")

    assert greeted.json() == {"hello": ada.out["user"]["id"]}
    assert answers == {path: 200 if path in ("/", "/public/hours") else 401 for path in answers}
    assert others == [401] * 4
    assert over.json() == {"hello": "visitor"}
    assert two.status_code in (200, 400)


def test_two_sessions(service: Service) -> None:
    """A request that shows two sessions is refused even where anybody may be: which one it means is unknown."""
    with service.person("cookie") as ada, service.person("bearer") as again:
        both = [ada.get(path, authorization=again.client.headers["authorization"]) for path in ("/", "/me")]

    assert [problem(answer) for answer in both] == [(400, "invalid_request")] * 2


def test_language(service: Service) -> None:
    """Whoever refuses, the guard or a route, does so in the language of the client."""
    with service.person("cookie") as ada, service.browser() as visitor:
        german = {"accept-language": "de-AT, en;q=0.5"}
        answers = [
            visitor.get("/me", headers=german),
            ada.client.get("/editors", headers=german),
            ada.client.get("/vault", headers=german),
        ]

    assert [answer.headers["content-language"] for answer in answers] == ["de"] * 3
    assert "Melde" in answers[0].json()["detail"]


def test_the_keys(service: Service) -> None:
    """The public keys stand where everybody looks for them, for everybody."""
    with service.browser() as visitor:
        answer = visitor.get("/.well-known/jwks.json")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jwk-set+json")
    assert answer.json()["keys"]


# ------------------------------------------------------------------------------------------------ WebSockets


@CARRIERS
def test_a_socket_ends_with_its_session(service: Service, carrier: str) -> None:
    """An open WebSocket is closed with 4401 when its session is logged out, whoever asks for that and from where."""
    if not service.example.talks:
        pytest.skip("no WebSocket here")
    with service.person(carrier) as ada, service.person("bearer") as elsewhere, service.talking(ada) as talk:
        talk.say("still here")
        said = talk.hear()
        elsewhere.client.delete(f"/auth/sessions/{ada.out['session']['id']}")
        with pytest.raises(Closed) as closed:
            talk.hear()

    assert (said, closed.value.code) == ("still here", 4401)


def test_a_socket_is_guarded(service: Service) -> None:
    """Nobody opens a WebSocket without a session, with one that is over, or from a page of another site."""
    if not service.example.talks:
        pytest.skip("no WebSocket here")
    refused = []
    with service.person("cookie") as ada, service.person("cookie") as gone, service.browser() as client:
        gone_cookies = dict(gone.client.cookies)
        gone.client.post("/auth/logout")
        gone.client.cookies.update({name: gone_cookies[name] for name in set(gone_cookies) - set(gone.client.cookies)})
        for person, more in (
            (Person(client, ""), {}),
            (gone, {}),
            (ada, {"origin": "https://evil.example"}),
            (ada, {"origin": "null"}),
        ):
            with pytest.raises(Refused) as no, service.talking(person, **more):
                pass
            refused.append(no.value.status)

    assert set(refused) <= {400, 401, 403}
    assert len(refused) == 4


def test_the_module_for_pages(service: Service) -> None:
    """Each door serves the module that a page imports, and sends it once."""
    with service.browser() as client:
        got = client.get("/auth/static/ostiary.js")
        again = client.get("/auth/static/ostiary.js", headers={"if-none-match": got.headers["etag"]})

    assert got.headers["content-type"] == "text/javascript; charset=utf-8"
    assert got.text.startswith("// Signs a person in from a page")
    assert (again.status_code, again.content) == (304, b"")
