"""Our answers as Django's, and our refusals in its style.

| who is refused            | 401                              | 403                    | anything else |
|---------------------------|----------------------------------|------------------------|---------------|
| a browser opening a page  | redirected to `login_url`        | the project's 403 page | a problem     |
| anybody else              | a problem (RFC 9457)             | a problem              | a problem     |
"""

from collections.abc import Iterable
from typing import cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import get_resolver

from ostiary import languages
from ostiary.django.apps import given
from ostiary.errors import OstiaryError
from ostiary.web import problem
from ostiary.web.http import Header, Response


def answer(response: Response, request: HttpRequest) -> HttpResponse:
    """Return one of our answers."""
    made = HttpResponse(b"" if request.META["REQUEST_METHOD"] == "HEAD" else response.body, status=response.status)
    del made["content-type"]
    for name, value in response.headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        if name == b"set-cookie":
            made.cookies.load(text)
        else:
            made[key] = f"{made[key]}, {text}" if key in made else text
    return made


def with_cookies(response: HttpResponse, cookies: Iterable[Header]) -> HttpResponse:
    """Give a browser its session, or take it away, with an answer of the project's."""
    for _, cookie in cookies:
        response.cookies.load(cookie.decode("ascii"))
    return response


def refusal(error: OstiaryError, request: HttpRequest) -> HttpResponse:
    """Refuse a request."""
    response = problem.of(error).response(languages.of(request.META.get("HTTP_ACCEPT_LANGUAGE")))
    if request.META["REQUEST_METHOD"] in ("GET", "HEAD") and "text/html" in request.META.get("HTTP_ACCEPT", ""):
        login_url = given().login_url
        if response.status == 401 and login_url is not None:
            return redirect_to_login(request.get_full_path(), resolve_url(login_url))
        if response.status == 403:
            return cast(
                "HttpResponse", get_resolver().resolve_error_handler(403)(request, exception=PermissionDenied())
            )
    return answer(response, request)
