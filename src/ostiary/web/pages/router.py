"""From a request to a page, by the table. The first step that fails answers, with a page too.

| step                                                              | answered with                        |
|-------------------------------------------------------------------|--------------------------------------|
| the path is a file's                                              | the file, to be kept for ever        |
| the method is one of the page's                                   | 405, with `Allow`                    |
| the form is one, small, and has what the page knows               | 415, 413, 422                        |
| a form was meant by its sender: header, or the token in it        | 403                                  |
| the page needs a session, and there is one                        | 303 to the sign-in page              |
| what the form does                                                | 303, or the page again with what is wrong |
"""

from dataclasses import replace
from functools import cached_property
from urllib.parse import parse_qsl, quote

from ostiary import languages
from ostiary.auth import Auth
from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.policy import Registration
from ostiary.core.session import Carrier
from ostiary.errors import Barred, Misconfigured, OstiaryError, Unavailable
from ostiary.languages import Language
from ostiary.web import problem
from ostiary.web.cookies import clear_cookie
from ostiary.web.http import Header, Request, Response
from ostiary.web.pages import forms
from ostiary.web.pages.look import File, Look
from ostiary.web.pages.table import PAGES, Page
from ostiary.web.pages.visit import Shown, Visit
from ostiary.web.problem import Problem

_POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with `no-referrer` a form of ours would be sent with `Origin: null`
    (b"content-security-policy", _POLICY),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_FOR_EVER: Header = (b"cache-control", b"public, max-age=31536000, immutable")
_NEVER: Header = (b"cache-control", b"no-store")
_TOKEN = "csrf"  # noqa: S105 - the name of a field
_SHOWN_TOKEN = b"x-csrf-token"
_HTML: Header = (b"content-type", b"text/html; charset=utf-8")


class Pages:
    """Answers every request to a page or to one of its files."""

    def __init__(self, auth: Auth, look: Look | None = None, *, service: bool = False) -> None:
        """Show the pages for one `Auth`; with `service`, those of the stand-alone service too."""
        self._auth = auth
        self._look = look or Look()
        self._mount = auth.site.mount
        pages = (page for page in PAGES if service or not page.service)
        self._pages = {at: replace(page, path=at) for page in pages if (at := self._mount.at(page.path))}

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the pages are. Their files are beside them."""
        return tuple(self._pages)

    def knows(self, path: str) -> bool:
        """Tell whether a path is a page's or a file's."""
        return path in self._pages or path in self._files

    def takes(self, path: str, method: str) -> bool:
        """Tell whether there is a page that takes this method."""
        return path in self._pages and method in _methods(self._pages[path])

    async def answer(self, request: Request) -> Response:
        """Answer a request. Whatever goes wrong is a page too."""
        file = self._files.get(request.path)
        if file is not None and request.method in ("GET", "HEAD"):
            media = (b"content-type", file.media.encode())
            return Response(status=200, headers=(media, _FOR_EVER, *HEADERS), body=file.body)
        page = self._pages.get(request.path)
        methods = _methods(page)
        if page is None or request.method not in methods:
            allow = (b"allow", ", ".join(methods).encode())
            return self._refusal(Problem(problem.METHOD_NOT_ALLOWED, headers=(allow,)), request)
        try:
            return await self._go(page, request)
        except Problem as refused:
            return self._refusal(refused, request)
        except Misconfigured as error:
            return self._refusal(problem.on_record(error, page.path), request)
        except OstiaryError as error:
            return self._refusal(problem.of(error), request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person reads one sentence
            return self._refusal(problem.on_record(error, page.path), request)

    def nowhere(self, request: Request) -> Response:
        """Say, with a page, that there is nothing where a request leads."""
        return self._refusal(Problem(problem.NOT_FOUND), request)

    @cached_property
    def _files(self) -> dict[str, File]:
        return {self._mount.at(name): file for name, file in self._look.served.items()}

    # -------------------------------------------------------------------------------------------- the steps

    async def _go(self, page: Page, request: Request) -> Response:
        if not self._auth.started:
            raise Unavailable("not started, or stopped")
        is_form = request.method == "POST"
        form = forms.read(request, (*page.fields, _TOKEN)) if is_form else {}
        shown_token = form.pop(_TOKEN, "")
        if shown_token and request.header(_SHOWN_TOKEN) is None:
            token = (_SHOWN_TOKEN, shown_token.encode("utf-8", "replace"))
            request = replace(request, headers=(*request.headers, token))
        caller = await self._caller(page, request)
        account = await self._auth.accounts.get(caller.user_id) if caller is not None else None
        if page.needs_session and account is None:
            return self._to_the_door(page, request)
        visit = Visit(
            auth=self._auth,
            at=self._mount.at,
            request=request,
            caller=caller if account is not None else None,
            account=account,
            query=_read_query(page, request),
            form=form,
        )
        does = page.take if is_form else page.show
        if does is None:
            raise Problem(problem.METHOD_NOT_ALLOWED)
        try:
            shown = await does(visit)
        except OstiaryError as error:
            if isinstance(error, Barred | Misconfigured) or not is_form or page.show is None:
                raise
            return await self._again(page, visit, problem.of(error))
        return self._response(shown, visit)

    async def _caller(self, page: Page, request: Request) -> Principal | None:
        """Say who is there. A form that would set a cookie must be meant also when nobody is."""
        if not page.needs_session and not self._auth.guard.is_meant(request.headers, request.method, None):
            raise Barred(Reason.CROSS_SITE)
        # Where only the token in the form can show that it was meant, a session without it is none: a login needs none.
        answer = await self._auth.authenticate(request.headers, request.method)
        if isinstance(answer, Denied):
            if page.needs_session and problem.TABLE[answer.reason].status != 401:
                raise Barred(answer.reason)
            return None
        return answer if answer.carrier is Carrier.COOKIE else None

    def _to_the_door(self, page: Page, request: Request) -> Response:
        """Send who is not in, or not any more, to the sign-in page, and from there back."""
        back = f"?next={quote(page.path, safe='/')}" if page.show is not None else ""
        gone = (clear_cookie(self._auth.site),) if request.header(b"cookie") is not None else ()
        to = self._mount.at("/auth/sign-in") + back
        return Response(status=303, headers=((b"location", to.encode()), _NEVER, *HEADERS, *gone))

    async def _again(self, page: Page, visit: Visit, refused: Problem) -> Response:
        """Show the page of a form again, with what was wrong, and with what was typed but no password."""
        if page.show is None:
            raise refused
        query = {name: visit.form[name] for name in page.query if visit.form.get(name)}
        asked = replace(visit, query=query, caller=visit.caller if page.needs_session else None)
        shown = await page.show(asked)
        errors = {error.field: error.said(visit.spoken) for error in refused.errors}
        typed = {name: value for name, value in visit.form.items() if name not in ("password", "new", "token")}
        values = {**shown.values, "errors": errors, "sentence": refused.row.sentence, "typed": typed}
        values["problem"] = refused.row.code
        kept = tuple(header for header in refused.headers if header[0] == b"retry-after")
        return self._render(replace(shown, values=values, headers=kept), visit, visit.spoken, status=refused.row.status)

    # -------------------------------------------------------------------------------------------- what is sent

    def _response(self, shown: Shown, visit: Visit) -> Response:
        if shown.to:
            return Response(status=303, headers=((b"location", shown.to.encode()), _NEVER, *HEADERS, *shown.headers))
        return self._render(shown, visit, visit.spoken, status=200)

    def _render(self, shown: Shown, visit: Visit | None, language: Language, *, status: int) -> Response:
        values: dict[str, object] = {
            "language": language,
            "at": self._mount.at,
            "static": {name: self._mount.at(path) for name, path in self._look.names.items()},
            "now": self._auth.clock.now(),
            "signed_in": visit is not None and visit.caller is not None,
            "csrf": visit.token if visit is not None else "",
            "path": visit.request.path if visit is not None else "",
            "done": visit.query.get("done", "") if visit is not None else "",
            "has_mail": self._auth.flows.has_mail,
            "is_open": self._auth.policy.registration is not Registration.CLOSED,
            "problem": "",
            "errors": {},
            "sentence": "",
            "typed": {},
            **shown.values,
        }
        body = self._look.environment.get_template(shown.template).render(values).encode()
        spoken = (b"content-language", language.tag.encode())
        return Response(status=status, headers=(_HTML, spoken, _NEVER, *HEADERS, *shown.headers), body=body)

    def _refusal(self, refused: Problem, request: Request) -> Response:
        kept = tuple(header for header in refused.headers if header[0] in (b"retry-after", b"allow"))
        language = languages.of(request.header(b"accept-language"))  # who asks may not be known
        values: dict[str, object] = {"row": refused.row, "id": refused.id}
        return self._render(
            Shown(template="error.html", values=values, headers=kept), None, language, status=refused.row.status
        )


def _methods(page: Page | None) -> tuple[str, ...]:
    if page is None or page.take is None:
        return ("GET", "HEAD")
    return ("GET", "HEAD", "POST") if page.show is not None else ("POST",)


def _read_query(page: Page, request: Request) -> dict[str, str]:
    """Read what a page knows. A link may have grown on its way (`?utm_source=…`): the rest means nothing."""
    try:
        pairs = parse_qsl(request.query.decode("ascii"), errors="strict", max_num_fields=20)
    except ValueError:
        return {}
    return {name: value for name, value in reversed(pairs) if name in page.query}
