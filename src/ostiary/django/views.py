"""The view that answers our routes, and what a project puts around its own."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from ostiary.core.access import Principal, Requirement
from ostiary.web.http import LARGEST_BODY
from ostiary.web.standing import ANYBODY, current, require


class Request(HttpRequest):  # type: ignore[misc]
    """A request behind the middleware, for annotations."""

    principal: Principal | None
    """Who is asking, or `None`: a visitor, or somebody whose session is not good."""


View = TypeVar("View", bound=Callable[..., Any])


@csrf_exempt  # type: ignore[untyped-decorator]
def ours(request: HttpRequest) -> HttpResponse:
    """Answer a request to one of our routes. The check for pages of other sites is ours as well."""
    from ostiary.django.answers import answer  # noqa: PLC0415 - a project may import this before its apps are ready
    from ostiary.django.apps import given  # noqa: PLC0415 - same

    door = given().door
    if not door.knows(request.path_info):
        raise Http404
    return answer(door.answer(request.path_info, request.META, lambda: _body(request)), request)


def current_principal(request: HttpRequest) -> Principal:
    """Return who is asking.

    Raises:
        Barred: nobody is. The middleware makes the answer of it.
    """
    return current(request.META)


def authenticated(view: View) -> View:
    """Ask for a session before a view."""
    return _guarded(view, ANYBODY)


def fresh(within: timedelta) -> Callable[[View], View]:
    """Ask for a proof that is no older, before a view."""
    return requires(fresh=within)


def requires(
    *,
    role: str | None = None,
    permission: str | None = None,
    scope: str | None = None,
    aal: int | None = None,
    fresh: timedelta | None = None,
) -> Callable[[View], View]:
    """Ask for a session that meets a requirement before a view. Everything named is required together.

    Raises:
        ValueError: nothing is named. `authenticated` asks for a session alone.
    """
    requirement = Requirement(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)
    if requirement == ANYBODY:
        raise ValueError("name a role, a permission, a scope, an assurance level or a freshness; or use @authenticated")
    return lambda view: _guarded(view, requirement)


def _guarded(view: View, requirement: Requirement) -> View:
    if iscoroutinefunction(view):

        @wraps(view)
        async def later(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - what a view answers
            require(request.META, requirement)
            return await view(request, *args, **kwargs)

        return cast("View", later)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - what a view answers
        require(request.META, requirement)
        return view(request, *args, **kwargs)

    return cast("View", guarded)


def _body(request: HttpRequest) -> bytes:
    """Read a body, one byte further than is allowed at most."""
    body, most = bytearray(), LARGEST_BODY + 1
    while len(body) < most and (chunk := request.read(most - len(body))):
        body += chunk
    return bytes(body)
