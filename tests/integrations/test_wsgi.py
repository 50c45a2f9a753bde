"""The doors of WSGI, over HTTP: the plain one and that of Flask."""

import logging
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from subprocess import run
from typing import Any

import httpx
import pytest
from flask import Flask

from examples import flask_app, wsgi_app
from ostiary.errors import Misconfigured
from ostiary.flask import authenticated, current_principal, install, requires
from ostiary.sync import Auth
from ostiary.wsgi import Door, current
from tests.conftest import ISSUER, PASSWORD
from tests.sync.conftest import make_auth

ADA = {"email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Auth]:
    """An `Auth` that a door will start."""
    made = make_auth(tmp_path)
    yield made
    made.stop()


@pytest.fixture(params=["wsgi", "flask"])
def app(request: pytest.FixtureRequest, stopped: Auth) -> Any:
    """Each example, which answers `/me` to who has a session."""
    return wsgi_app.make_app(stopped) if request.param == "wsgi" else flask_app.make_app(stopped)


def client_of(app: Any) -> httpx.Client:
    """Return a client like a browser's page of our own site."""
    return httpx.Client(transport=httpx.WSGITransport(app), base_url=ISSUER, headers={"sec-fetch-site": "same-origin"})


def enter(client: httpx.Client, carrier: str) -> dict[str, Any]:
    """Register and log in. Bearer tokens are put into the client's headers, cookies go there by themselves."""
    assert client.post("/auth/register", json=ADA).status_code == 201
    answer = client.post("/auth/login", json={**ADA, "carrier": carrier})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    if carrier == "bearer":
        client.headers["authorization"] = f"Bearer {body['access_token']}"
    return body


@pytest.mark.parametrize("carrier", ["cookie", "bearer"])
def test_a_login_opens_the_application_and_a_logout_closes_it(app: Any, carrier: str) -> None:
    """Whoever logs in is known by either carrier, and is dead at once after the logout."""
    with client_of(app) as client:
        enter(client, carrier)
        kept = dict(client.cookies)
        inside = client.get("/me")
        out = client.post("/auth/logout")
        client.cookies.update(kept)
        after = client.get("/me")

    assert (inside.status_code, out.status_code, after.status_code) == (200, 204, 401)
    assert after.headers["content-type"] == "application/problem+json"


def test_a_refresh_token_leads_on(app: Any) -> None:
    """The successor works, and the access token that comes with it."""
    with client_of(app) as client:
        body = enter(client, "bearer")
        fresh = client.post("/auth/refresh", json={"refresh_token": body["refresh_token"]})
        client.headers["authorization"] = f"Bearer {fresh.json()['access_token']}"
        me = client.get("/me")

    assert (fresh.status_code, me.status_code) == (200, 200)


def test_devices_are_listed_and_ended(app: Any) -> None:
    """A user sees both sessions, and ends the other one."""
    with client_of(app) as here, client_of(app) as there:
        enter(here, "cookie")
        there.post("/auth/login", json={**ADA, "carrier": "cookie"})
        listed = here.get("/auth/sessions").json()["sessions"]
        other = next(each["id"] for each in listed if not each["current"])
        ended = here.delete(f"/auth/sessions/{other}")
        dead = there.get("/me")

    assert (len(listed), ended.status_code, dead.status_code) == (2, 204, 401)


def test_a_request_of_another_site_is_refused(app: Any) -> None:
    """A cookie alone does not end a session: the request must have been meant."""
    with client_of(app) as client:
        enter(client, "cookie")
        refused = client.post("/auth/logout", headers={"sec-fetch-site": "cross-site"})
        me = client.get("/me")

    assert (refused.status_code, me.status_code) == (403, 200)


def test_nobody_gets_in_without_a_session(app: Any) -> None:
    """A visitor is told how to come in."""
    with client_of(app) as client:
        refused = client.get("/me")

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_large_or_foreign_body_is_refused(app: Any) -> None:
    """No more is read than is allowed, and nothing but JSON."""
    with client_of(app) as client:
        large = client.post("/auth/login", content=b"{" + b" " * 70_000, headers={"content-type": "application/json"})
        form = client.post("/auth/login", data={"email": "ada@example.com"})

    assert (large.status_code, form.status_code) == (413, 415)


def test_a_door_that_cannot_start_refuses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is not there lets nobody in, and the log says why."""
    app = wsgi_app.make_app(make_auth(tmp_path / "missing"))

    with client_of(app) as client:
        answers = [client.get("/me").status_code, client.post("/auth/login", json=ADA).status_code]

    assert answers == [503, 503]
    assert "ostiary cannot start" in caplog.text


def test_what_was_closed_stays_closed(stopped: Auth) -> None:
    """A server that is ending starts nothing anew."""
    door = Door(lambda environ, start: [str(current(environ)).encode()], stopped)
    with client_of(door) as client:
        client.get("/auth/session")
        door.close()
        answer = client.get("/auth/session")

    assert answer.status_code == 503
    assert not stopped.started


# ------------------------------------------------------------------------------------------------ Flask


def test_flask_guards_everything_but_what_is_named(stopped: Auth, caplog: pytest.LogCaptureFixture) -> None:
    """A route that nobody thought of is closed, and the log says which are open."""
    caplog.set_level(logging.INFO, "ostiary.flask")
    with client_of(flask_app.make_app(stopped)) as client:
        answers = {path: client.get(path).status_code for path in ("/", "/me", "/editors", "/static/x", "/nowhere")}

    assert answers == {"/": 200, "/me": 401, "/editors": 401, "/static/x": 401, "/nowhere": 401}
    assert "open to everybody: /" in caplog.text


@pytest.mark.parametrize("name", ["front", "/front", "/public/*"])
def test_flask_says_when_an_open_name_is_none(stopped: Auth, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Where a view was renamed nothing is answered, until the list of what is open says so, too."""
    app = Flask("renamed")
    install(app, stopped, open=["static", name])
    with client_of(app) as client:
        answers = [client.get(path).status_code for path in ("/", "/static/x")]

    assert answers == [500, 500]
    assert f"of this application: {name}" in caplog.text


def test_flask_asks_for_a_role(stopped: Auth) -> None:
    """Who has no role is refused, and gets in when it was given."""
    with client_of(flask_app.make_app(stopped)) as client:
        enter(client, "cookie")
        without = client.get("/editors")
        user_id = client.get("/me").json()["user_id"]
        stopped.accounts.set_roles(user_id, ["editor"], actor="a test")
        having = client.get("/editors")

    assert (without.status_code, having.status_code) == (403, 200)


def test_flask_leaves_open_what_asks_for_nothing(stopped: Auth) -> None:
    """With `default="open"` a view asks for what it needs by itself."""
    app = Flask("open")
    install(app, stopped, default="open")
    app.add_url_rule("/", view_func=lambda: "hello", endpoint="front")
    app.add_url_rule("/in", view_func=authenticated(lambda: current_principal.user_id), endpoint="inside")
    stale = requires(fresh=timedelta(0))(lambda: "never")
    app.add_url_rule("/fresh", view_func=stale, endpoint="fresh")

    with client_of(app) as client:
        before = [client.get(path).status_code for path in ("/", "/in", "/fresh")]
        enter(client, "cookie")
        after = [client.get(path) for path in ("/in", "/fresh")]

    assert before == [200, 401, 401]
    assert [answer.status_code for answer in after] == [200, 401]
    assert "insufficient_user_authentication" in after[1].headers["www-authenticate"]


def test_flask_asks_for_scope_and_assurance(stopped: Auth) -> None:
    """A view may ask for a scope or a second factor, and refuses in the language of who asks."""
    app = Flask("asking")
    install(app, stopped)
    app.add_url_rule("/scoped", view_func=requires(scope="orders:read")(lambda: "never"), endpoint="scoped")
    app.add_url_rule("/strong", view_func=requires(aal=2)(lambda: "never"), endpoint="strong")

    with client_of(app) as client:
        enter(client, "cookie")
        scoped, strong = (client.get(path, headers={"accept-language": "fr"}) for path in ("/scoped", "/strong"))

    assert (scoped.status_code, scoped.headers["content-language"]) == (403, "fr")
    assert (strong.status_code, strong.headers["content-language"]) == (401, "fr")
    assert 'acr_values="aal2"' in strong.headers["www-authenticate"]


def test_flask_refuses_to_be_asked_for_nothing(stopped: Auth) -> None:
    """A guard that asks for nothing, and a list that changes nothing, are mistakes."""
    with pytest.raises(ValueError, match="name a role"):
        requires()
    with pytest.raises(Misconfigured, match="everything is open"):
        install(Flask("open"), stopped, default="open", open=["front"])


# ------------------------------------------------------------------------------------------------ a fork

FORKED = """
import os, sys, warnings
from pathlib import Path
import httpx
from examples import wsgi_app
from tests.sync.conftest import make_auth
from tests.conftest import ISSUER, PASSWORD

warnings.simplefilter("ignore", DeprecationWarning)  # the fork of a process with threads is what this is about
app = wsgi_app.make_app(make_auth(Path(sys.argv[1])))
client = httpx.Client(transport=httpx.WSGITransport(app), base_url=ISSUER, headers={"sec-fetch-site": "same-origin"})
ada = {"email": "ada@example.com", "password": PASSWORD}
client.post("/auth/register", json=ada)
client.post("/auth/login", json={**ada, "carrier": "cookie"})
parent = client.get("/me").status_code
child = os.fork()
if not child:
    inside, login = client.get("/me"), client.post("/auth/login", json={**ada, "carrier": "bearer"})
    os._exit(0 if (inside.status_code, login.status_code) == (200, 200) else 1)
_, status = os.waitpid(child, 0)
print(parent, os.waitstatus_to_exitcode(status), client.get("/me").status_code)
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_starts_anew(tmp_path: Path) -> None:
    """A server that loads the application before it forks serves in the child, and goes on in the parent."""
    folder = Path(__file__).parents[2]
    told = run(
        (sys.executable, "-c", FORKED, str(tmp_path)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )

    assert told.stdout.split() == ["200", "0", "200"], told.stderr
