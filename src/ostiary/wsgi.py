"""The plain WSGI door: put it around any WSGI application.

    app = install(app, auth, open=["/", "/public/*"])

It starts the `Auth` of `ostiary.sync` at the first request, in each process that serves, and answers `/auth/*` and the
key set. Of every other request it says who is asking: `current(environ)`, `optional(environ)`. Saying is all that the
`Door` itself does; `Protected` and `Requires` refuse.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from weakref import WeakMethod

from ostiary import languages
from ostiary.check import HEADERS_READ, Unsure
from ostiary.core.access import Principal, Requirement
from ostiary.core.decision import Denied, Reason
from ostiary.core.mount import PREFIX, Mount
from ostiary.errors import Barred, Misconfigured, OstiaryError
from ostiary.languages import Language
from ostiary.sync import Auth
from ostiary.sync.web.metrics import Metrics
from ostiary.sync.web.router import Router
from ostiary.web import problem
from ostiary.web.http import LARGEST_BODY, Header, Request, Response
from ostiary.web.opening import Default, Opened, opened, said
from ostiary.web.standing import ANYBODY, WHO, current, optional, require

__all__ = [
    "ANYBODY",
    "App",
    "AsProblems",
    "Door",
    "Environ",
    "Protected",
    "Requires",
    "StartResponse",
    "current",
    "headers",
    "install",
    "language",
    "optional",
    "path",
    "require",
    "respond",
]

log = logging.getLogger("ostiary.wsgi")

Environ = dict[str, Any]

_KEYS = tuple((f"HTTP_{name.decode().upper().replace('-', '_')}", name) for name in HEADERS_READ)


class StartResponse(Protocol):
    """What a server gives to begin a response with."""

    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object:
        """Begin."""
        ...


App = Callable[[Environ, Any], Iterable[bytes]]


class Door:
    """Stands in front of an application. A process that was forked from one that had started starts anew."""

    def __init__(self, app: App, auth: Auth, *, prefix: str = PREFIX, metrics: Metrics | None = None) -> None:
        self._app = app
        self._auth = auth
        self._check = auth.guard.check
        self._router = Router(auth, mount=Mount(prefix), metrics=metrics)
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
        asked = path(environ)
        if self.knows(asked):
            return respond(self.answer(asked, environ, partial(_read, environ)), environ, start_response)
        self.see(environ)
        return self._app(environ, start_response)

    def knows(self, path: str) -> bool:
        """Tell whether a path is one of ours."""
        return path.startswith(self._router.starts) and self._router.knows(path)

    def see(self, environ: Environ) -> None:
        """Put down with a request who is asking: `current` finds it there."""
        if not self.recall(environ):
            asked, method = _read_by_a_check(environ), environ["REQUEST_METHOD"]
            answer = self._check(asked, method) if self._is_started() else Denied(Reason.UNAVAILABLE)
            if isinstance(answer, Unsure):
                answer = self._auth.guard.ask(answer, asked, method)
            environ[WHO] = (answer, self._auth)

    def recall(self, environ: Environ) -> bool:
        """Put down who is asking if memory knows, and tell whether it does. It waits for nothing."""
        answer = self._check(_read_by_a_check(environ), environ["REQUEST_METHOD"]) if self._auth.started else None
        if isinstance(answer, Principal | Denied):
            environ[WHO] = (answer, self._auth)
            return True
        return False

    def answer(self, path: str, environ: Environ, read: Callable[[], bytes]) -> Response:
        """Answer a request to a path of ours. `read` reads its body."""
        method = environ["REQUEST_METHOD"]
        body = read() if self._router.reads_body(method, path) else b""
        self._is_started()
        return self._router.answer(
            Request(
                method=method,
                path=path,
                query=environ.get("QUERY_STRING", "").encode("latin-1"),
                headers=headers(environ),
                body=body,
                client=environ.get("REMOTE_ADDR", ""),
            )
        )

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


class Requires:
    """Lets through to an application only who meets a requirement. It needs a `Door` in front of it.

    With nothing named it asks for a session and nothing more.
    """

    def __init__(
        self,
        app: App,
        *,
        role: str | None = None,
        permission: str | None = None,
        scope: str | None = None,
        aal: int | None = None,
        fresh: timedelta | None = None,
    ) -> None:
        self._app = app
        requirement = Requirement(role=role, permission=permission, scope=scope, aal=aal, fresh=fresh)
        self._requirement = ANYBODY if requirement == ANYBODY else requirement

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse with a problem, or let the request through."""
        try:
            require(environ, self._requirement)
        except Barred as barred:
            return respond(problem.of(barred).response(language(environ)), environ, start_response)
        return self._app(environ, start_response)


class Protected:
    """Lets through only who has a session, but for what is open. It needs a `Door` in front of it."""

    def __init__(self, app: App, *, opened: Opened) -> None:
        self._app = app
        self._guarded = Requires(app)
        self._opened = opened
        log.info(said(opened.names))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse with a problem, or let the request through."""
        app = self._app if path(environ) in self._opened else self._guarded
        return app(environ, start_response)


class AsProblems:
    """Answers as a problem what an application lets through: `current`, `require` and the verbs of `auth` raise it.

    An application that answers bit by bit must have asked before the first bit.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer."""
        try:
            return self._app(environ, start_response)
        except OstiaryError as error:
            if isinstance(error, Misconfigured):
                raise
            return respond(problem.of(error).response(language(environ)), environ, start_response)


def install(
    app: App,
    auth: Auth,
    *,
    default: Default = "protected",
    open: Collection[str] = (),  # noqa: A002 - the word for it
    prefix: str = PREFIX,
) -> Door:
    """Put a door in front of an application, and return what is to be served in its place.

    Everything asks for a session but the paths in `open`; with `default="open"` nothing does that does not say so
    itself. Which are open is logged. What the application lets through of what `current`, `require` and the verbs of
    `auth` raise is answered as a problem.

    Raises:
        Misconfigured: `open` names what is no path, or anything where everything is open already.
        ValueError: the prefix is no path.
    """
    allowed = opened(default, open)
    answered = AsProblems(app)
    return Door(answered if allowed is None else Protected(answered, opened=allowed), auth, prefix=prefix)


def language(environ: Environ) -> Language:
    """Return the language that the client of a request asks for."""
    return languages.of(environ.get("HTTP_ACCEPT_LANGUAGE"))


def respond(response: Response, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Begin a response, and return its body."""
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
    if response.status != 204:
        sent.append(("content-length", str(len(response.body))))
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", sent)
    return () if environ["REQUEST_METHOD"] == "HEAD" else (response.body,)


def path(environ: Environ) -> str:
    """Return the path as it was meant. WSGI hands on the bytes of a text in letters of their own."""
    text: str = environ.get("PATH_INFO", "")
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def headers(environ: Environ) -> tuple[Header, ...]:
    """Return the headers as the guard reads them."""
    found = [
        (name[5:].replace("_", "-").lower().encode("latin-1"), str(value).encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    media = environ.get("CONTENT_TYPE")
    return (*found, (b"content-type", media.encode("latin-1"))) if media else tuple(found)


def _read_by_a_check(environ: Environ) -> list[Header]:
    return [(name, environ[key].encode("latin-1")) for key, name in _KEYS if key in environ]


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
