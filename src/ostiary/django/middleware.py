"""The middleware: it says who is asking, and lets nobody in but where the project says so."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, get_resolver, resolve
from django.urls.resolvers import RoutePattern
from django.utils.functional import SimpleLazyObject

from ostiary.core.access import Principal
from ostiary.core.session import Carrier
from ostiary.django.answers import refusal, with_cookies
from ostiary.django.apps import given
from ostiary.django.users import User, user_of
from ostiary.errors import Barred, Misconfigured, OstiaryError
from ostiary.web import problem
from ostiary.web.opening import said
from ostiary.web.standing import WHO

log = logging.getLogger("ostiary.django")


class Guarded:
    """Sets `request.principal` and `request.user`, and refuses who has no session. It stands after Django's own."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._given = given()
        self._has_told = False
        self._waits = iscoroutinefunction(get_response)
        if self._waits:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Let a request through, or refuse it."""
        if self._waits:
            return self._in_event_loop(request)
        self._given.door.see(request.META)
        refused = self._refused(request)
        return _sent(request, self._get_response(request)) if refused is None else refused

    async def _in_event_loop(self, request: HttpRequest) -> HttpResponse:
        if not self._given.door.recall(request.META):
            await sync_to_async(self._given.door.see, thread_sensitive=False)(request.META)
        refused = self._refused(request)
        return _sent(request, await self._get_response(request)) if refused is None else refused

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what a view lets through of our refusals."""
        if isinstance(exception, OstiaryError) and not isinstance(exception, Misconfigured):
            return refusal(exception, request)
        return None

    def _refused(self, request: HttpRequest) -> HttpResponse | None:
        """Put down who is asking, and return a refusal if they must not go on."""
        if not self._has_told:
            self._tell()
        found, _ = request.META[WHO]
        principal = request.principal = found if isinstance(found, Principal) else None
        request.user = SimpleLazyObject(partial(_user, principal))
        request.auser = partial(_user_in_thread, principal)
        if principal is not None:
            # A page of another site can send a cookie along, but no header: there is nothing to check.
            request._dont_enforce_csrf_checks = principal.carrier is Carrier.BEARER  # noqa: SLF001 - what there is for it
            return None
        barred = Barred(found.reason)
        # Which session is meant is unknown where two are shown, also to a page that anybody may see.
        is_unclear = problem.TABLE[barred.reason].status == 400
        return refusal(barred, request) if is_unclear or not self._is_open(request.path_info) else None

    def _is_open(self, path: str) -> bool:
        opened = self._given.opened
        if opened is None or path in opened or self._given.door.knows(path):
            return True
        try:
            return bool(self._given.names) and resolve(path).view_name in self._given.names
        except Resolver404:
            return False

    def _tell(self) -> None:
        """Say which routes are open.

        Raises:
            Misconfigured: a name is of none. What was renamed is not open any more, and somebody must hear of it.
        """
        opened = self._given.opened
        if opened is not None:
            routes = dict(_routes(get_resolver()))
            unknown = self._given.names - set(routes.values())
            if unknown:
                raise Misconfigured(f"`open` names what is no view of this project: {', '.join(sorted(unknown))}")
            named = [route for route, name in routes.items() if name in self._given.names]
            log.info(said(sorted({*opened.among(routes), *named})))
        self._has_told = True


def _user(principal: Principal | None) -> User:
    found = None if principal is None else user_of(principal)
    return AnonymousUser() if found is None else found


async def _user_in_thread(principal: Principal | None) -> User:
    return await sync_to_async(_user)(principal)


def _sent(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return with_cookies(response, getattr(request, "ostiary_cookies", ()))


def _routes(resolver: Any, before: str = "/", names: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - Django has no types
    """Return every route of a project, and the whole name of its view."""
    for each in resolver.url_patterns:
        is_plain = isinstance(each.pattern, RoutePattern)
        route = before + (str(each.pattern) if is_plain else "<path:any>")  # what an expression leads to, nobody knows
        if hasattr(each, "url_patterns"):
            space = (each.namespace,) if each.namespace else ()
            yield from _routes(each, route, (*names, *space))
        else:
            yield route, ":".join((*names, each.name or each.lookup_str))
