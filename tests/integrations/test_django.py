"""The door for Django: its users, its forms and its admin go with Ostiary's sessions, under WSGI and under ASGI."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse

from ostiary.core.access import Principal
from ostiary.core.session import Carrier
from ostiary.core.user import Account
from ostiary.django import authenticated, fresh, requires
from ostiary.errors import Barred
from ostiary.system import SystemClock
from tests.conftest import PASSWORD

ISSUER = "http://localhost:8000"
PAGE = {"sec-fetch-site": "same-origin", "origin": ISSUER, "host": "localhost:8000"}
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def given(django_settings: object) -> Iterator[Any]:
    """The example project, in this process, on empty databases."""
    import django  # noqa: PLC0415 - its settings are fixed when it is set up
    from django.core.management import call_command  # noqa: PLC0415 - same
    from django.db import connections  # noqa: PLC0415 - same

    django.setup()
    call_command("migrate", verbosity=0)
    from ostiary.django.apps import given  # noqa: PLC0415 - same

    yield given()
    given().door.close()
    connections.close_all()


@pytest.fixture
def client(given: Any) -> Any:
    """A browser that holds nothing yet. Django looks for its tokens, as it does outside tests."""
    from django.test import Client  # noqa: PLC0415 - after the settings

    return Client(enforce_csrf_checks=True, headers=PAGE)


def account(given: Any, email: str, *roles: str) -> Account:
    """Register somebody, with the roles that they are to have."""
    from django.test import Client  # noqa: PLC0415 - after the settings

    Client(headers=PAGE).get("/")  # whose first request starts the door
    made: Account = given.auth.accounts.register(email=email, password=PASSWORD)
    if roles:
        given.auth.accounts.set_roles(made.user.id, list(roles), actor="a test")
    return given.auth.accounts.get(made.user.id)  # type: ignore[no-any-return]


def seen_with(account: Account) -> Any:
    """Return the user of Django that goes with an account."""
    from ostiary.django.users import user_with  # noqa: PLC0415 - after the settings

    return user_with(account)


def login(client: Any, email: str, carrier: str = "cookie") -> Any:
    """Log in by our own route."""
    body = {"email": email, "password": PASSWORD, "carrier": carrier}
    answer = client.post("/auth/login", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def token(answer: Any) -> str:
    """Return the token that Django has put into a form."""
    found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', answer.content)
    assert found is not None, answer.content
    return found[1].decode()


def by_form(client: Any, email: str, password: str = PASSWORD) -> Any:
    """Log in by the form of the admin site."""
    form = client.get("/admin/login/?next=/admin/")
    sent = {"username": email, "password": password, "csrfmiddlewaretoken": token(form), "next": "/admin/"}
    return client.post("/admin/login/?next=/admin/", sent)


# ------------------------------------------------------------------------------------------------ the admin


def test_the_admin_by_its_own_form(given: Any, client: Any) -> None:
    """A visitor is led to the form, which begins a session of ours. Its roles permit there, and a logout ends it."""
    account(given, "clerk@example.com", "clerk")
    led = client.get("/admin/", headers=HTML)
    wrong = by_form(client, "clerk@example.com", "a lantern in the harbor")
    entered = by_form(client, "clerk@example.com")
    session = client.get("/auth/session").json()
    inside = [client.get(path, headers=HTML) for path in ("/admin/", "/admin/auth/user/", "/admin/auth/group/")]
    kept = {name: morsel.value for name, morsel in client.cookies.items()}
    left = client.post("/admin/logout/", {"csrfmiddlewaretoken": token(inside[0])})
    cleared = client.cookies["ostiary"].value
    client.cookies.load(kept)

    assert (led.status_code, led["location"]) == (302, "/admin/login/?next=/admin/")
    assert wrong.status_code == 200  # the form again
    assert (entered.status_code, entered["location"]) == (302, "/admin/")
    assert session["user"]["email"] == "clerk@example.com"
    assert [answer.status_code for answer in inside] == [200, 200, 403]
    assert (left.status_code, cleared) == (200, "")
    assert client.get("/me").status_code == 401


def test_a_logout_of_ours_ends_the_admin(given: Any, client: Any) -> None:
    """Django's own session alone lets nobody in."""
    account(given, "chief@example.com", "chief")
    by_form(client, "chief@example.com")
    before = client.get("/admin/auth/group/", headers=HTML)
    client.post("/auth/logout")
    after = client.get("/admin/", headers=HTML)

    assert (before.status_code, after.status_code) == (200, 302)
    assert client.cookies["sessionid"].value


def test_who_is_no_staff(given: Any, client: Any) -> None:
    """A session is not enough for the admin: the form says so, and begins none."""
    account(given, "reader@example.com")
    entered = by_form(client, "reader@example.com")

    assert entered.status_code == 200
    assert "ostiary" not in client.cookies


# ------------------------------------------------------------------------------------------------ users


def test_the_user_that_goes_with_an_account(given: Any) -> None:
    """Made when first seen, with no password of Django's; found again afterwards; nobody while they are not active."""
    ada = account(given, "ada@example.com")
    first, again = seen_with(ada), seen_with(ada)
    first.is_active = False
    first.save()

    assert (first.pk, first.email, first.has_usable_password()) == (again.pk, "ada@example.com", False)
    assert seen_with(ada) is None


def test_an_address_leads_to_a_user_when_it_is_verified(given: Any) -> None:
    """Whoever registers with somebody else's address is not them; whoever has shown that it is theirs is."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - after the settings

    make = get_user_model().objects.create_user
    eves, graces = make("eve", "eve@example.com"), make("grace", "grace@example.com")
    eve, grace = account(given, "eve@example.com"), account(given, "grace@example.com")
    verified = replace(grace.identifiers[0], verified_at=SystemClock().now())
    users = [seen_with(eve), seen_with(replace(grace, identifiers=(verified,)))]

    assert users[0].pk != eves.pk
    assert users[1].pk == graces.pk


def test_permissions_are_those_of_the_roles(given: Any) -> None:
    """`has_perm` asks what the session's roles allow, and nothing about one thing alone."""
    from ostiary.django.users import user_of  # noqa: PLC0415 - after the settings

    made = account(given, "perms@example.com", "clerk")
    proof = given.auth.prove("perms@example.com", PASSWORD)
    issued = given.auth.login(proof, carrier=Carrier.BEARER)
    who = given.auth.authenticate([(b"authorization", f"Bearer {issued.access_token}".encode())], "GET")
    assert isinstance(who, Principal)
    user: Any = user_of(who)

    assert who.user_id == made.user.id
    assert (user.has_perm("auth.view_user"), user.has_perm("auth.delete_user")) == (True, False)
    assert (user.has_perm("auth.view_user", user), user.has_module_perms("auth")) == (False, True)
    assert (user.has_module_perms("sessions"), user.is_staff, user.is_superuser) == (False, True, False)


# ------------------------------------------------------------------------------------------------ requests


def test_the_token_of_django(given: Any, client: Any) -> None:
    """Django's own check still stands for its forms where a cookie is sent; a header cannot be sent from elsewhere."""
    account(given, "forms@example.com")
    login(client, "forms@example.com")
    by_cookie = client.post("/note")
    bearer = {"authorization": f"Bearer {client.post('/auth/token').json()['access_token']}"}
    client.cookies.clear()

    assert by_cookie.status_code == 403
    assert client.post("/note", headers=bearer).status_code == 204


def test_refusals_in_the_style_of_django(given: Any, client: Any) -> None:
    """A browser that opens a page is led to the form, or shown the project's page; anybody else reads a problem."""
    account(given, "style@example.com")
    visitor = [client.get("/me", headers=HTML), client.get("/me")]
    login(client, "style@example.com")
    member = [client.get("/editors", headers=HTML), client.get("/editors")]

    assert [answer.status_code for answer in visitor] == [302, 401]
    assert visitor[0]["location"] == "/admin/login/?next=/me"
    assert [answer.status_code for answer in member] == [403, 403]
    assert [answer["content-type"].partition(";")[0] for answer in member] == ["text/html", "application/problem+json"]


async def test_under_asgi(given: Any) -> None:
    """In an event loop the same middleware stands, and a session is dead as soon as its logout is answered."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415 - after the settings
    from django.test import AsyncClient, override_settings  # noqa: PLC0415 - same

    await sync_to_async(account)(given, "async@example.com")
    client = AsyncClient()
    page = {name: value for name, value in PAGE.items() if name != "host"}
    body = {"email": "async@example.com", "password": PASSWORD, "carrier": "cookie"}
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        before = await client.get("/me", headers=page)
        await client.post("/auth/login", body, content_type="application/json", headers=page)
        inside = await client.get("/me", headers=page)
        kept = client.cookies["ostiary"].value
        await client.post("/auth/logout", headers=page)
        client.cookies["ostiary"] = kept
        after = await client.get("/me", headers=page)

    assert [answer.status_code for answer in (before, inside, after)] == [401, 200, 401]


async def test_the_user_in_an_event_loop(given: Any) -> None:
    """A view that waits asks for the user of Django as it does without us."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415 - after the settings
    from django.test import AsyncRequestFactory  # noqa: PLC0415 - same

    from ostiary.django.middleware import Guarded  # noqa: PLC0415 - same

    await sync_to_async(account)(given, "auser@example.com")
    issued = given.auth.login(given.auth.prove("auser@example.com", PASSWORD), carrier=Carrier.BEARER)
    seen: list[Any] = []

    async def view(request: Any) -> Any:
        seen.append(await request.auser())
        return HttpResponse()

    bearer = {"authorization": f"Bearer {issued.access_token}"}
    guarded: Any = Guarded(view)
    await guarded(AsyncRequestFactory().get("/me", headers=bearer))

    assert [user.email for user in seen] == ["auser@example.com"]


async def test_what_stands_around_a_view(given: Any) -> None:
    """Views that wait and views that do not are guarded alike, and nothing named is an error."""
    from django.test import RequestFactory  # noqa: PLC0415 - after the settings

    async def later(request: Any) -> str:
        return "later"

    def now(request: Any) -> str:
        return "now"

    request = RequestFactory().get("/", headers=PAGE)
    given.door.see(request.META)

    for around in (authenticated, requires(role="editor"), fresh(timedelta(minutes=5))):
        with pytest.raises(Barred):
            around(now)(request)
        with pytest.raises(Barred):
            await around(later)(request)
    with pytest.raises(ValueError, match="name a role"):
        requires()


# ------------------------------------------------------------------------------------------------ the setting


def test_the_migrations_make_what_the_models_say(given: Any) -> None:
    """There is nothing left for Django to migrate."""
    from django.core.management import call_command  # noqa: PLC0415 - after the settings

    call_command(
        "makemigrations", "ostiary", check_changes=True, dry_run=True, verbosity=0
    )  # ends the test, if there is


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "name the issuer"),
        ({"issuer": ISSUER, "opne": []}, "not known: opne"),
        ({"issuer": "http://app.example"}, "issuer"),
        ({"issuer": ISSUER, "open": ["a/b"]}, "must be a path"),
        ({"issuer": ISSUER, "prefix": "auth/"}, "prefix"),
        ({"issuer": ISSUER, "open": ["/"], "default": "open"}, "name nothing"),
    ],
)
def test_a_setting_that_cannot_be_used(given: Any, said: dict[str, Any], why: str) -> None:
    """It is refused at the start, with one line that says why."""
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - after the settings
    from django.test import override_settings  # noqa: PLC0415 - same

    from ostiary.django.given import read  # noqa: PLC0415 - same

    with override_settings(OSTIARY=said), pytest.raises(ImproperlyConfigured, match=why):
        read()


def test_a_name_of_nothing_is_an_error(given: Any) -> None:
    """A view that was renamed is not open any more, and the first request says so."""
    from django.test import RequestFactory  # noqa: PLC0415 - after the settings

    from ostiary.django.middleware import Guarded  # noqa: PLC0415 - same
    from ostiary.errors import Misconfigured  # noqa: PLC0415 - same

    guarded = Guarded(lambda _: None)
    guarded._given = replace(given, names=frozenset({"admin:enter"}))

    with pytest.raises(Misconfigured, match="no view of this project: admin:enter"):
        guarded(RequestFactory().get("/", headers=PAGE))


def test_ostiary_needs_no_django() -> None:
    """Whoever has another framework never loads this one."""
    code = "import ostiary, ostiary.sync, ostiary.wsgi, sys; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
