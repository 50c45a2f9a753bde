"""A login or a logout by Django's own functions begins or ends a session of Ostiary."""

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest

from ostiary.core.session import Carrier
from ostiary.django.apps import given
from ostiary.django.asked import asked
from ostiary.django.users import User
from ostiary.web import device
from ostiary.web.cookies import clear_cookie, device_token, held_by_cookie


def connect() -> None:
    """Listen."""
    user_logged_in.connect(_begin, dispatch_uid="ostiary")
    user_logged_out.connect(_end, dispatch_uid="ostiary")


def _begin(*, request: HttpRequest, user: User, **_: object) -> None:
    proof = user.__dict__.pop("ostiary_proof", None)
    if proof is not None:
        auth = given().auth
        here = asked(request, auth.site)
        told = device.describe(here.header(b"user-agent") or "", client=here.client)
        known = device_token(auth.site, here)
        issued = auth.login(proof, carrier=Carrier.COOKIE, device=told, device_token=known)
        request.ostiary_cookies = held_by_cookie(auth.site, issued)


def _end(*, request: HttpRequest, **_: object) -> None:
    principal = getattr(request, "principal", None)
    if principal is not None:
        auth = given().auth
        auth.logout(principal)
        request.ostiary_cookies = (clear_cookie(auth.site),)
