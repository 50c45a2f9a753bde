"""The plain WSGI door: put it around any WSGI application.

    app = Door(app, auth)

It starts the `Auth` of `ostiary.sync` at the first request, in each process that serves, and answers `/auth/*` and the
key set. Of every other request it says who is asking: `current(environ)`. Saying is all it does; `Requires` refuses.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Protocol
from weakref import WeakMethod

from ostiary.check import Unsure
from ostiary.core.access import Requirement
from ostiary.core.decision import Denied, Reason
from ostiary.errors import Barred, OstiaryError
from ostiary.sync import Auth
from ostiary.sync.web.metrics import Metrics
from ostiary.sync.web.router import Router
from ostiary.web import problem
from ostiary.web.http import LARGEST_BODY, Header, Request, Response
from ostiary.web.standing import ANYBODY, WHO, current, require

__all__ = ["ANYBODY", "App", "Door", "Environ", "Requires", "StartResponse", "current", "require", "respond"]

log = logging.getLogger("ostiary.wsgi")

Environ = dict[str, Any]


class StartResponse(Protocol):
    """What a server gives to begin a response with."""

    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object:
        """Begin."""
        ...


App = Callable[[Environ, Any], Iterable[bytes]]


class Door:
    """Stands in front of an application. A process that was forked from one that had started starts anew."""

    def __init__(self, app: App, auth: Auth, *, metrics: Metrics | None = None) -> None:
        self._app = app
        self._auth = auth
        self._check = auth.guard.check
        self._router = Router(auth, metrics=metrics)
        self._starting = threading.Lock()
        self._closed = False
        forked = WeakMethod(self._forked)

        def in_child() -> None:
            method = forked()
            if method is not None:
                method()

        os.register_at_fork(after_in_child=in_child)

    @property
    def auth(self) -> Auth:
        """Whom it asks."""
        return self._auth

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer what is ours; else say who is asking and let the application answer."""
        path = _path(environ)
        if path.startswith(self._router.starts) and self._router.knows(path):
            return self._answer(path, environ, start_response)
        headers, method = _headers(environ), environ["REQUEST_METHOD"]
        if self._auth.started or self._is_started():
            answer = self._check(headers, method)
            if isinstance(answer, Unsure):
                answer = self._auth.guard.ask(answer, headers, method)
        else:
            answer = Denied(Reason.UNAVAILABLE)
        environ[WHO] = (answer, self._auth)
        return self._app(environ, start_response)

    def close(self) -> None:
        """Stop. What was closed is not started again."""
        with self._starting:
            self._closed = True
            self._auth.stop()
        atexit.unregister(self.close)

    def _is_started(self) -> bool:
        with self._starting:
            if not self._auth.started and not self._closed:
                try:
                    self._auth.start()
                    atexit.register(self.close)
                except OstiaryError as error:
                    log.error("ostiary cannot start: %s", error)  # noqa: TRY400 - the message is for the operator
            return self._auth.started

    def _forked(self) -> None:
        """Begin in a child: the threads of the parent are not here, and its connections are not ours to use."""
        self._starting = threading.Lock()
        self._auth.started = False
        self._auth.floors.forked()

    def _answer(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        body = _read(environ) if self._router.reads_body(method, path) else b""
        self._is_started()
        response = self._router.answer(
            Request(
                method=method,
                path=path,
                query=environ.get("QUERY_STRING", "").encode("latin-1"),
                headers=_headers(environ),
                body=body,
                client=environ.get("REMOTE_ADDR", ""),
            )
        )
        return respond(response, environ, start_response)


class Requires:
    """Lets through to an application only who meets a requirement. It needs a `Door` in front of it.

    With nothing named it asks for a session and nothing more.
    """

    def __init__(
        self, app: App, *, role: str | None = None, permission: str | None = None, fresh: timedelta | None = None
    ) -> None:
        self._app = app
        requirement = Requirement(role=role, permission=permission, fresh=fresh)
        self._requirement = ANYBODY if requirement == ANYBODY else requirement

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse with a problem, or let the request through."""
        try:
            require(environ, self._requirement)
        except Barred as barred:
            return respond(problem.of(barred).response(), environ, start_response)
        return self._app(environ, start_response)


def respond(response: Response, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Begin a response, and return its body."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    if response.status != 204:
        headers.append(("content-length", str(len(response.body))))
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
    return () if environ["REQUEST_METHOD"] == "HEAD" else (response.body,)


def _path(environ: Environ) -> str:
    """Return the path as it was meant. WSGI hands on the bytes of a text in letters of their own."""
    path: str = environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")


def _headers(environ: Environ) -> tuple[Header, ...]:
    """Return the headers as the guard reads them."""
    headers = [
        (name[5:].replace("_", "-").lower().encode("latin-1"), str(value).encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    media = environ.get("CONTENT_TYPE")
    return (*headers, (b"content-type", media.encode("latin-1"))) if media else tuple(headers)


def _read(environ: Environ) -> bytes:
    """Read a body, one byte further than is allowed at most."""
    most = LARGEST_BODY + 1
    if not environ.get("wsgi.input_terminated"):
        length = 0
        with suppress(ValueError):
            length = int(environ.get("CONTENT_LENGTH") or 0)
        most = max(0, min(most, length))
    body = bytearray()
    while len(body) < most and (chunk := environ["wsgi.input"].read(most - len(body))):
        body += chunk
    return bytes(body)
