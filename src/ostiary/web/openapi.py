"""The OpenAPI document, made from the table (OpenAPI 3.1)."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from ostiary.core.decision import Reason
from ostiary.core.mount import Mount
from ostiary.core.site import CSRF_HEADER, SAFE_METHODS, Site
from ostiary.feed.wire import DocumentOut, FloorOut
from ostiary.web import answers, problem
from ostiary.web.bodies import LetterOut
from ostiary.web.endpoints import EVENT_ID, Needs, Route
from ostiary.web.problem import TABLE as REFUSALS
from ostiary.web.problem import Place, ProblemOut, Row
from ostiary.web.steps import steps_out

_REF = "#/components/schemas/{name}"

_SETS_PASSWORD = (
    answers.register,
    answers.change_password,
    answers.reset_password,
    answers.accept_invitation,
)

_EVENT = {
    "type": "object",
    "description": "One server-sent event. What its data says stands in docs/spec/feed.md.",
    "properties": {
        "id": {"type": "string", "pattern": EVENT_ID.pattern},
        "event": {"type": "string", "enum": ["floor", "document", "reset"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "anyOf": [
                    {"$ref": _REF.format(name=FloorOut.__name__)},
                    {"$ref": _REF.format(name=DocumentOut.__name__)},
                    {"type": "object", "maxProperties": 0},
                ]
            },
        },
    },
    "required": ["event", "data"],
}


def security_schemes(site: Site) -> dict[str, Any]:
    """Return the two carriers as OpenAPI names them, of which either is enough, and the key of a verifier."""
    return {
        "cookie": {"type": "apiKey", "in": "cookie", "name": site.cookie_name},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "verifier": {"type": "http", "scheme": "bearer", "bearerFormat": "osv1"},
    }


def document(routes: Iterable[Route], site: Site) -> bytes:
    """Return the document of these routes, as they are served at a site."""
    lines = tuple(routes)
    kinds = [kind for route in lines for kind in (route.takes, *route.gives) if kind is not None]
    _, components = msgspec.json.schema_components(
        [*dict.fromkeys(kinds), LetterOut, FloorOut, DocumentOut, ProblemOut], ref_template=_REF
    )
    paths: dict[str, Any] = {}
    for route in lines:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, site.mount)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Ostiary",
                "summary": "One login, two carriers, dead everywhere at logout.",
                "version": version("ostiary"),
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": site.issuer}],
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": security_schemes(site)},
        }
    )


def _operation(route: Route, mount: Mount) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.does.__name__,
        "summary": _says(route),
        "tags": [route.part.name.lower()],
        "security": {
            Needs.NOTHING: [],
            Needs.PERHAPS_SESSION: [{}, {"cookie": []}, {"bearer": []}],
            Needs.SESSION: [{"cookie": []}, {"bearer": []}],
            Needs.COOKIE: [{"cookie": []}],
            Needs.VERIFIER: [{"verifier": []}],
        }[route.needs],
        "responses": {str(route.status): _success(route)} | _letter(route) | _refusals(route, mount),
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=route.takes.__name__)}}},
        }
    return operation


def _says(route: Route) -> str:
    return (route.does.__doc__ or "").partition("\n")[0]


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "{id}" in route.path:
        parameters.append(
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "The id of a session of the caller's user.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
            }
        )
    parameters += [
        {"name": name, "in": "query", "schema": {"type": "string", "enum": ["true", "false"], "default": "false"}}
        for name in route.query
    ]
    if route.resumes:
        parameters.append(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": True,
                "description": "The incarnation and the seq of the snapshot, or of the last event that was read.",
                "schema": {"type": "string", "pattern": EVENT_ID.pattern},
            }
        )
    if route.needs is not Needs.NOTHING and route.method != "GET":
        parameters.append(
            {
                "name": CSRF_HEADER,
                "in": "header",
                "description": "What the login gave as `csrf_token`; only what is no browser needs it, with a cookie.",
                "schema": {"type": "string"},
            }
        )
    return parameters


def _success(route: Route) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    references = [{"$ref": _REF.format(name=kind.__name__)} for kind in route.gives]
    if references:
        response["content"] = {route.media: {"schema": {"anyOf": references} if references[1:] else references[0]}}
    elif route.resumes:
        response["content"] = {route.media: {"schema": _EVENT}}
    elif route.status != 204:
        schema = {"type": "string"} if route.media.startswith("text/") else {"type": "object"}
        response["content"] = {route.media.partition(";")[0]: {"schema": schema}}
    return response


def _letter(route: Route) -> dict[str, Any]:
    """Return the other answer of what may answer by letter."""
    if not route.writes or route.status == HTTPStatus.ACCEPTED:
        return {}
    schema = {"$ref": _REF.format(name=LetterOut.__name__)}
    return {"202": {"description": HTTPStatus.ACCEPTED.phrase, "content": {route.media: {"schema": schema}}}}


def _refusals(route: Route, mount: Mount) -> dict[str, Any]:
    rows = dict.fromkeys(_rows(route))
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {
                problem.MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(name=ProblemOut.__name__)},
                    "examples": {row.code: {"value": _example(row, mount)} for row in rows if row.status == status},
                }
            },
        }
        for status in sorted({row.status for row in rows})
    }


def _rows(route: Route) -> Iterator[Row]:  # noqa: C901, PLR0912 - a table, in the order of the router's steps
    """Say which rows of the table of problems a route can lead to."""
    yield problem.INVALID_QUERY
    yield problem.INTERNAL_ERROR
    yield REFUSALS[Reason.UNAVAILABLE]
    if route.needs is Needs.VERIFIER:
        yield REFUSALS[Reason.NO_VERIFIER]
        yield REFUSALS[Reason.UNKNOWN_VERIFIER]
    elif route.needs is Needs.PERHAPS_SESSION:
        yield REFUSALS[Reason.AMBIGUOUS]
        yield REFUSALS[Reason.REVOKED]
        yield REFUSALS[Reason.PASSWORD_NEEDED]
    elif route.needs is not Needs.NOTHING:
        yield REFUSALS[Reason.NO_CARRIER]
        yield REFUSALS[Reason.AMBIGUOUS]
        yield REFUSALS[Reason.REVOKED]
    if route.resumes:
        yield problem.INVALID_EVENT_ID
        yield REFUSALS[Reason.OVERLOADED]
    if route.needs is Needs.COOKIE or route.does is answers.step_up:
        yield problem.COOKIE_REQUIRED
    if route.method not in SAFE_METHODS and (route.sets_cookie or route.guarded or route.needs is not Needs.NOTHING):
        yield REFUSALS[Reason.CROSS_SITE]
    if route.place is Place.PROOF:
        yield REFUSALS[Reason.BAD_CREDENTIALS]
        yield REFUSALS[Reason.OVERLOADED]
    if route.place is Place.GRANT:
        yield problem.INVALID_GRANT
    if route.throttled:
        yield REFUSALS[Reason.THROTTLED]
    if route.takes is not None:
        yield from (problem.MALFORMED, problem.TOO_LARGE, problem.UNSUPPORTED_MEDIA_TYPE, problem.INVALID)
    if "{id}" in route.path:
        yield problem.NOT_FOUND
    if route.does is answers.register:
        yield problem.TAKEN
        yield REFUSALS[Reason.REGISTRATION_CLOSED]
    if route.does is answers.login:
        yield REFUSALS[Reason.EMAIL_NOT_VERIFIED]
    if route.writes:
        yield REFUSALS[Reason.MAIL_NOT_CONFIGURED]
    if route.again or route.does is answers.accept_invitation:
        yield REFUSALS[Reason.VOID]
    if route.does in _SETS_PASSWORD:
        yield problem.WEAK_PASSWORD


def _example(row: Row, mount: Mount) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(row.status).phrase,
        "status": row.status,
        "code": row.code,
        "detail": row.sentence,
    } | ({"next": steps_out(row.next, mount)} if row.next else {})
