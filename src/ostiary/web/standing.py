"""Who is asking, as a door has put it down with the request, and what is required of them."""

from collections.abc import Mapping
from typing import Any, Final

from ostiary.core.access import Principal, Requirement, meets
from ostiary.core.decision import Denied, Reason
from ostiary.core.mount import Mount
from ostiary.core.site import Site
from ostiary.errors import Barred, Misconfigured
from ostiary.ports import Clock
from ostiary.web import problem

WHO: Final = "ostiary"
"""The one key we add: who is asking, and the `Auth` that said so. Two would make the table grow."""

ANYBODY: Final = Requirement()
"""A session, and nothing more."""


def current(request: Mapping[str, Any]) -> Principal:
    """Return who is asking. `request` is an ASGI scope, or the environment of a WSGI request.

    Raises:
        Barred: nobody is, or the session is not good. As a `Refused` it becomes a problem at the border.
        Misconfigured: no `Door` stands in front of this application.
    """
    answer, _ = request.get(WHO, (None, None))
    if isinstance(answer, Principal):
        return answer
    if isinstance(answer, Denied):
        raise Barred(answer.reason)
    raise Misconfigured("no ostiary door stands in front of this application: install it, or wrap the app in Door")


def optional(request: Mapping[str, Any]) -> Principal | None:
    """Return who is asking, or `None` for a visitor: who shows no session, or one that is over.

    Raises:
        Barred: the request was not meant, or shows two sessions, or nobody can judge it now.
        Misconfigured: no `Door` stands in front of this application.
    """
    try:
        return current(request)
    except Barred as barred:
        if problem.TABLE[barred.reason].status == 401:
            return None
        raise


def require(request: Mapping[str, Any], requirement: Requirement) -> Principal:
    """Return who is asking if they meet a requirement.

    Raises:
        Barred: nobody is asking, or they do not meet it.
        Misconfigured: no `Door` stands in front of this application.
    """
    principal = current(request)
    if requirement is ANYBODY:
        return principal
    clock: Clock = request[WHO][1].clock
    unmet = meets(requirement, principal, now=clock.now())
    if unmet is not None:
        raise Barred(
            unmet.reason,
            within=requirement.fresh if unmet.reason is Reason.NOT_FRESH else None,
            aal=requirement.aal if unmet.reason is Reason.NOT_STRONG else None,
        )
    return principal


def mount(request: Mapping[str, Any]) -> Mount:
    """Return where the routes of the door are that a request came through."""
    if WHO not in request:
        return Mount()
    site: Site = request[WHO][1].site
    return site.mount
