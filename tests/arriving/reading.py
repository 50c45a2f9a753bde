"""Runs the code of a page about coming from somewhere, before and after. Django's takes a process of its own.

    python -m tests.arriving.reading PAGE ADDRESS PASSWORD

What it was before must at least be code that the library of old can load. What it is after must let ADDRESS in.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.testclient import TestClient

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
BROWSER = {"sec-fetch-site": "same-origin"}


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of one language of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)


def run(page: str, address: str, password: str) -> dict[str, Any]:
    """Load every block, and ask the last application who is there: before a login, after it, and after the logout."""
    made: dict[str, Any] = {"__name__": "__main__"}
    if page in DJANGO:
        set_django_up(page)
    for code in blocks(page, "python"):
        exec(compile(code, page, "exec"), made)  # noqa: S102 - ours
    if page in DJANGO:
        made = end_django(made)
    with client(made) as reader:
        stranger = reader.get("/me").status_code
        body = {"email": address, "password": password, "carrier": "bearer"}
        answer = reader.post("/auth/login", json=body, headers=BROWSER)
        assert answer.status_code == 200, answer.text
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        me = reader.get("/me", headers=bearer).json()["user"]
        logout = reader.post("/auth/logout", headers=bearer).status_code
        after = reader.get("/me", headers=bearer).status_code
    if "auth" in made and made["auth"].started:
        made["auth"].stop()
    return {"stranger": stranger, "me": me == answer.json()["user"]["id"], "logout": logout, "after": after}


DJANGO = ("coming-from-django.md", "coming-from-simplejwt.md")


def set_django_up(page: str) -> None:
    """Let Django be a project whose URLs are in this module, with the page's middleware if it has one."""
    import django
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="a key",
        MIDDLEWARE=[f"{__name__}.Refusals"] if page == DJANGO[0] else [],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    )
    django.setup()
    globals()["urlpatterns"] = []
    globals()["Refusals"] = lambda get_response: get_response  # until the page says otherwise


def end_django(made: dict[str, Any]) -> dict[str, Any]:
    """Put the page's views and middleware in their places. A page that relies on the door of the other one gets it."""
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    from ostiary.sync import Auth
    from ostiary.wsgi import Door

    view = made["me"] if "me" in made else made["Me"].as_view()
    globals()["urlpatterns"].append(path("me", view))
    if "Refusals" in made:
        globals()["Refusals"] = made["Refusals"]
    auth = made.get("auth") or Auth.embedded("app.db", issuer="http://localhost:8000")
    application: Any = get_wsgi_application()
    return {"app": Door(application, auth)}


def client(made: dict[str, Any]) -> httpx.Client:
    """Return a client of an application, whichever protocol it speaks."""
    app = made["app"]
    if type(app).__name__ == "FastAPI":
        return cast("httpx.Client", TestClient(app, base_url="http://localhost:8000"))
    return httpx.Client(transport=httpx.WSGITransport(app), base_url="http://localhost:8000")


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
