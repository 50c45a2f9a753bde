"""The table of all routes.

From it come the answers, the OpenAPI document and the tests that go through every route. What each line does is in
`answers`, in the same order.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from ostiary.feed.wire import HeadOut, SnapshotOut
from ostiary.web import answers
from ostiary.web.bodies import (
    AcceptInvitationIn,
    AccountIn,
    ActivityOut,
    AskIn,
    BearerOut,
    CallerOut,
    ChangeEmailIn,
    ChangePasswordIn,
    CookieOut,
    DeleteAccountIn,
    EndedOut,
    In,
    LetterOut,
    LoginIn,
    RefreshIn,
    RegisteredOut,
    RegisterIn,
    RenameIn,
    ResetPasswordIn,
    SessionOut,
    SessionsOut,
    StatusOut,
    StepUpIn,
    TokenOut,
    UserOut,
    VerifyEmailIn,
)
from ostiary.web.call import Does
from ostiary.web.metrics import MEDIA_TYPE as METRICS_MEDIA_TYPE
from ostiary.web.problem import Place
from ostiary.web.steps import CHANGE_EMAIL, FORGOT_PASSWORD, SEND_VERIFICATION, Step

EVENT_ID = re.compile(r"^[A-Za-z0-9._-]{1,180}:[0-9]{1,19}$")
"""What `Last-Event-ID` looks like."""


class Needs(Enum):
    """What a route asks of who calls it."""

    NOTHING = auto()
    SESSION = auto()
    """A session, held by either carrier."""
    PERHAPS_SESSION = auto()
    """Nothing, but a session makes a difference. One that is over is refused all the same."""
    COOKIE = auto()
    """A session, held by its cookie."""
    VERIFIER = auto()
    """The key of a verifier. No session opens such a route, and the key opens no other."""


class Part(Enum):
    """Where a route is served."""

    AUTH = auto()
    """Everywhere."""
    SERVICE = auto()
    """By the stand-alone service only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table."""

    method: str
    path: str
    does: Does
    """Its docstring's first line is what the OpenAPI document says of the route."""
    needs: Needs = Needs.NOTHING
    sets_cookie: bool = False
    """It may set the cookie for a caller who holds none: then it must have been meant, as if one came with it."""
    guarded: bool = False
    """It must have been meant by its sender too, although it needs no session: no other site may have letters sent."""
    forgets: bool = False
    """It clears the cookie also when the session is over already."""
    throttled: bool = False
    resumes: bool = False
    """It goes on after the event that `Last-Event-ID` names."""
    takes: type[In] | None = None
    query: tuple[str, ...] = ()
    gives: tuple[type[msgspec.Struct], ...] = ()
    """What it answers on success: one of these, or nothing."""
    writes: bool = False
    """It may answer 202 instead: what comes next is in a letter."""
    again: tuple[Step, ...] = ()
    """Where another letter is asked for, if what came back of one is void."""
    status: int = 200
    media: str = "application/json"
    cache: str = "no-store"
    place: Place = Place.CARRIER
    """Where its refusals are met; see `problem`."""
    part: Part = Part.AUTH


_KEPT = "public, max-age=3600"
"""By a browser, for an hour; then it asks whether the file has changed."""

TABLE: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/auth/register",
        does=answers.register,
        sets_cookie=True,
        throttled=True,
        takes=RegisterIn,
        gives=(RegisteredOut, CookieOut, BearerOut),
        status=201,
        writes=True,
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/login",
        does=answers.login,
        sets_cookie=True,
        throttled=True,
        takes=LoginIn,
        gives=(CookieOut, BearerOut),
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/step-up",
        does=answers.step_up,
        needs=Needs.SESSION,
        throttled=True,
        takes=StepUpIn,
        gives=(CookieOut, BearerOut),
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/password/change",
        does=answers.change_password,
        needs=Needs.SESSION,
        throttled=True,
        takes=ChangePasswordIn,
        status=204,
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/password/forgot",
        does=answers.forgot_password,
        guarded=True,
        throttled=True,
        takes=AskIn,
        gives=(LetterOut,),
        status=202,
        writes=True,
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/password/reset",
        does=answers.reset_password,
        guarded=True,
        throttled=True,
        takes=ResetPasswordIn,
        status=204,
        again=(FORGOT_PASSWORD,),
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/email/send",
        does=answers.send_verification,
        guarded=True,
        throttled=True,
        takes=AskIn,
        gives=(LetterOut,),
        status=202,
        writes=True,
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/email/verify",
        does=answers.verify_email,
        needs=Needs.PERHAPS_SESSION,
        forgets=True,
        throttled=True,
        takes=VerifyEmailIn,
        status=204,
        again=(SEND_VERIFICATION,),
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/email/change",
        does=answers.change_email,
        needs=Needs.SESSION,
        throttled=True,
        takes=ChangeEmailIn,
        gives=(LetterOut,),
        status=202,
        writes=True,
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/email/confirm",
        does=answers.confirm_email,
        needs=Needs.PERHAPS_SESSION,
        forgets=True,
        throttled=True,
        takes=VerifyEmailIn,
        status=204,
        again=(CHANGE_EMAIL,),
        place=Place.PROOF,
    ),
    Route(
        method="POST",
        path="/auth/invitation/accept",
        does=answers.accept_invitation,
        guarded=True,
        takes=AcceptInvitationIn,
        gives=(RegisteredOut,),
        status=201,
        place=Place.PROOF,
    ),
    Route(
        method="PATCH",
        path="/auth/account",
        does=answers.change_account,
        needs=Needs.SESSION,
        takes=AccountIn,
        gives=(UserOut,),
    ),
    Route(
        method="DELETE",
        path="/auth/account",
        does=answers.delete_account,
        needs=Needs.SESSION,
        throttled=True,
        takes=DeleteAccountIn,
        status=204,
        place=Place.PROOF,
    ),
    Route(
        method="GET",
        path="/auth/activity",
        does=answers.activity,
        needs=Needs.SESSION,
        gives=(ActivityOut,),
    ),
    Route(
        method="POST",
        path="/auth/refresh",
        does=answers.refresh,
        takes=RefreshIn,
        gives=(BearerOut,),
        place=Place.GRANT,
    ),
    Route(
        method="POST",
        path="/auth/token",
        does=answers.token,
        needs=Needs.COOKIE,
        gives=(TokenOut,),
    ),
    Route(
        method="GET",
        path="/.well-known/jwks.json",
        does=answers.jwks,
        media="application/jwk-set+json",
        cache="public, max-age=300",
    ),
    Route(
        method="POST",
        path="/auth/logout",
        does=answers.logout,
        needs=Needs.SESSION,
        forgets=True,
        status=204,
    ),
    Route(
        method="GET",
        path="/auth/session",
        does=answers.session,
        needs=Needs.SESSION,
        gives=(CallerOut,),
    ),
    Route(
        method="GET",
        path="/auth/sessions",
        does=answers.sessions,
        needs=Needs.SESSION,
        gives=(SessionsOut,),
    ),
    Route(
        method="DELETE",
        path="/auth/sessions",
        does=answers.end_sessions,
        needs=Needs.SESSION,
        query=("all",),
        gives=(EndedOut,),
    ),
    Route(
        method="DELETE",
        path="/auth/sessions/{id}",
        does=answers.end_session,
        needs=Needs.SESSION,
        status=204,
    ),
    Route(
        method="PATCH",
        path="/auth/sessions/{id}",
        does=answers.rename_session,
        needs=Needs.SESSION,
        takes=RenameIn,
        gives=(SessionOut,),
    ),
    Route(
        method="GET",
        path="/auth/static/ostiary.js",
        does=answers.browser_module,
        media="text/javascript; charset=utf-8",
        cache=_KEPT,
    ),
    Route(
        method="GET",
        path="/auth/static/ostiary.d.ts",
        does=answers.browser_types,
        media="text/plain; charset=utf-8",
        cache=_KEPT,
    ),
    Route(
        method="GET",
        path="/auth/feed/snapshot",
        does=answers.feed_snapshot,
        needs=Needs.VERIFIER,
        gives=(SnapshotOut,),
    ),
    Route(
        method="GET",
        path="/auth/feed/head",
        does=answers.feed_head,
        needs=Needs.VERIFIER,
        gives=(HeadOut,),
    ),
    Route(
        method="GET",
        path="/auth/feed",
        does=answers.feed,
        needs=Needs.VERIFIER,
        resumes=True,
        media="text/event-stream",
    ),
    Route(
        method="GET",
        path="/healthz",
        does=answers.healthz,
        gives=(StatusOut,),
        part=Part.SERVICE,
    ),
    Route(
        method="GET",
        path="/readyz",
        does=answers.readyz,
        gives=(StatusOut,),
        part=Part.SERVICE,
    ),
    Route(
        method="GET",
        path="/metrics",
        does=answers.metrics,
        media=METRICS_MEDIA_TYPE,
        part=Part.SERVICE,
    ),
    Route(
        method="GET",
        path="/openapi.json",
        does=answers.openapi,
        cache="public, max-age=300",
        part=Part.SERVICE,
    ),
)
