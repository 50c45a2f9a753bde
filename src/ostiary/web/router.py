"""From a request to a response, by the table. The first step that fails answers.

| step                                                        | refused with               |
|-------------------------------------------------------------|----------------------------|
| the path is in the table                                    | 404                        |
| the method is one of the path's                             | 405, with `Allow`          |
| we have started                                             | 503                        |
| the query has what the route knows, each once               | 400                        |
| a request that may set the cookie was meant by its sender   | 403                        |
| the caller holds what the route needs: a session, a key     | 401, 403, 400, 503         |
| the event to go on after is named, if the route is resumed  | 400                        |
| the body is JSON, small, and of the route's type            | 415, 413, 400, 422         |
| what the route does                                         | its own                    |
"""

from dataclasses import replace
from functools import cache
from urllib.parse import parse_qsl

import msgspec

from ostiary import languages
from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.floor import Head
from ostiary.core.mount import Mount
from ostiary.core.session import Carrier
from ostiary.errors import Barred, Misconfigured, OstiaryError, Unavailable
from ostiary.feed.wire import read_id
from ostiary.ports import VerifierRecord
from ostiary.web import bodies, problem
from ostiary.web.call import Answer, Call
from ostiary.web.cookies import clear_cookie
from ostiary.web.cors import share
from ostiary.web.endpoints import EVENT_ID, TABLE, Needs, Part, Route
from ostiary.web.http import LARGEST_BODY, Header, Request, Response
from ostiary.web.metrics import Metrics
from ostiary.web.openapi import document
from ostiary.web.pages.router import Pages
from ostiary.web.problem import SECURITY_HEADERS, FieldError, Problem

_SESSIONS = (Needs.SESSION, Needs.COOKIE, Needs.PERHAPS_SESSION)

_HSTS: Header = (b"strict-transport-security", b"max-age=31536000")


class Router:
    """Answers every request to a path of the table, and nothing else."""

    def __init__(
        self,
        auth: Auth,
        *,
        mount: Mount | None = None,
        service: bool = False,
        metrics: Metrics | None = None,
        pages: Pages | None = None,
    ) -> None:
        """Serve the table for one `Auth`; with `service`, the lines of the stand-alone service too; and its pages."""
        mount = mount or Mount()
        parts = (Part.AUTH, Part.SERVICE) if service else (Part.AUTH,)
        routes = tuple(replace(route, path=mount.at(route.path)) for route in TABLE if route.part in parts)
        self._auth = auth
        self._metrics = metrics or Metrics()
        self._document = cache(lambda: document(routes, auth.site))
        self._always = (_HSTS,) if auth.site.secure else ()
        self._exact: dict[str, dict[str, Route]] = {}
        self._with_id: dict[str, dict[str, Route]] = {}
        for route in routes:
            start, has_id, _ = route.path.partition("{id}")
            (self._with_id if has_id else self._exact).setdefault(start, {})[route.method] = route
        self._starts = tuple(self._with_id)
        self._pages = pages
        paths = [*(route.path for route in routes), *(pages.paths if pages is not None else ())]
        ours = mount.prefix + "/"
        self.starts = tuple({ours if path.startswith(ours) else path for path in paths})
        """What every path of the table begins with: a quick look that spares all other requests a slower one."""

    def knows(self, path: str) -> bool:
        """Tell whether a path is in the table."""
        return path in self._exact or (path.startswith(self._starts) and bool(self._find(path))) or self._has_page(path)

    def reads_body(self, method: str, path: str) -> bool:
        """Tell whether the request's body must be read before it is answered."""
        route = self._find(path).get(method)
        return route.takes is not None if route is not None else method == "POST" and self._has_page(path)

    async def answer(self, request: Request) -> Response:
        """Answer a request. Whatever goes wrong is an answer too."""
        site = self._auth.site
        request = request.from_behind_proxies(site)
        methods = self._find(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        if self._pages is not None and self._is_for_page(self._pages, request, has_route=method in methods):
            page = await self._pages.answer(request)
            return replace(page, headers=(*page.headers, *self._always))
        route = methods.get(method)
        try:
            response = _no_route(methods, method) if route is None else await self._go(route, request)
        except Problem as refused:
            response = refused.response(_language(request))
        except Misconfigured as error:
            response = problem.on_record(error, _name(route)).response(_language(request))
        except OstiaryError as error:
            place = None if route is None or isinstance(error, Barred) else route.place
            again = () if route is None else route.again
            response = problem.of(error, at=place, again=again).response(_language(request))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client reads one sentence
            response = problem.on_record(error, _name(route)).response(_language(request))
        shared = share(request, [each.method for each in methods.values() if _is_for_pages(each)], site)
        return replace(response, headers=(*response.headers, *shared, *self._always))

    def _has_page(self, path: str) -> bool:
        return self._pages is not None and self._pages.knows(path)

    def _is_for_page(self, pages: Pages, request: Request, *, has_route: bool) -> bool:
        """Tell whether a page answers. Where a path is a page's and a route's, a browser shows the page: it says so."""
        if not self._find(request.path):
            return pages.knows(request.path)
        return pages.takes(request.path, request.method) and (
            not has_route or "text/html" in (request.header(b"accept") or "")
        )

    def _find(self, path: str) -> dict[str, Route]:
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        start, slash, last = path.rpartition("/")
        return self._with_id.get(start + slash, {}) if last else {}

    async def _go(self, route: Route, request: Request) -> Response:
        if route.part is Part.AUTH and not self._auth.started:
            raise Unavailable("not started, or stopped")
        query = _read_query(request.query, route.query)
        if (route.sets_cookie or route.guarded) and not self._auth.guard.is_meant(
            request.headers, request.method, None
        ):
            raise Barred(Reason.CROSS_SITE)
        caller = await self._caller(route, request) if route.needs in _SESSIONS else None
        verifier = await self._verifier(request) if route.needs is Needs.VERIFIER else None
        after = _read_event_id(request) if route.resumes else None
        sent = _read_body(request, route.takes) if route.takes is not None else None
        answer = await route.does(
            Call(
                auth=self._auth,
                metrics=self._metrics,
                document=self._document,
                request=request,
                caller=caller,
                verifier=verifier,
                after=after,
                id=request.path.rpartition("/")[2],
                query=query,
                sent=sent,
            )
        )
        return _response(route, answer)

    async def _caller(self, route: Route, request: Request) -> Principal | None:
        answer = await self._auth.authenticate(request.headers, request.method)
        if isinstance(answer, Denied):
            if answer.reason is Reason.NO_CARRIER and route.needs is Needs.PERHAPS_SESSION:
                return None
            refused = problem.refusal(answer.reason)
            if route.forgets and refused.row.status == 401 and request.header(b"cookie") is not None:
                refused.headers = (*refused.headers, clear_cookie(self._auth.site))
            raise refused
        if route.needs is Needs.COOKIE and answer.carrier is not Carrier.COOKIE:
            raise Problem(problem.COOKIE_REQUIRED)
        return answer

    async def _verifier(self, request: Request) -> VerifierRecord:
        answer = await self._auth.verifiers.authenticate(request.headers)
        if isinstance(answer, Denied):
            raise problem.refusal(answer.reason)
        return answer


def _language(request: Request) -> languages.Language:
    """Choose the language of a refusal: by the header alone, for who asks may not be known."""
    return languages.of(request.header(b"accept-language"))


def _no_route(methods: dict[str, Route], method: str) -> Response:
    """Answer where no route is: say what the path takes (RFC 9110 sections 9.3.7 and 15.5.6), or that there is none.

    Raises:
        Problem: the answer is one.
    """
    if not methods:
        raise Problem(problem.NOT_FOUND)
    allowed = sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set[str]()))
    allow = (b"allow", ", ".join(allowed).encode())
    if method == "OPTIONS":
        return Response(status=204, headers=((b"cache-control", b"no-store"), *SECURITY_HEADERS, allow))
    raise Problem(problem.METHOD_NOT_ALLOWED, headers=(allow,))


def _read_query(raw: bytes, known: tuple[str, ...]) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict", max_num_fields=10
        )
    except ValueError:
        raise Problem(problem.INVALID_QUERY) from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise Problem(problem.INVALID_QUERY, errors=(FieldError(name[:64], "This is not known here."),))
        if name in query:
            raise Problem(problem.INVALID_QUERY, errors=(FieldError(name, "This stands here more than once."),))
        query[name] = value
    return query


def _read_event_id(request: Request) -> Head:
    text = request.header(b"last-event-id") or ""
    head = read_id(text) if EVENT_ID.fullmatch(text) else None
    if head is None:
        raise Problem(problem.INVALID_EVENT_ID)
    return head


def _read_body(request: Request, kind: type[bodies.In]) -> bodies.In:
    media = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/json":
        # A form of another site can send text/plain and forms, but JSON only after asking us; see `cors`.
        raise Problem(problem.UNSUPPORTED_MEDIA_TYPE, headers=((b"accept", b"application/json"),))
    if len(request.body) > LARGEST_BODY:
        raise Problem(problem.TOO_LARGE)
    return bodies.read(request.body, kind)


def _response(route: Route, answer: Answer) -> Response:
    content = answer.content
    body, stream = b"", None
    match content:
        case None:
            pass
        case bytes():
            body = content
        case msgspec.Struct():
            body = msgspec.json.encode(content)
        case _:
            stream = content
    media = () if content is None else ((b"content-type", route.media.encode()),)
    return Response(
        status=answer.status or route.status,
        headers=(*media, (b"cache-control", route.cache.encode()), *SECURITY_HEADERS, *answer.headers),
        body=body,
        stream=stream,
    )


def _is_for_pages(route: Route) -> bool:
    """Tell whether a page of another origin has any business with a route."""
    return route.part is Part.AUTH and route.needs is not Needs.VERIFIER


def _name(route: Route | None) -> str:
    return "a request" if route is None else f"{route.method} {route.path}"
