"""The table of all pages. What each line does is in `answers`, and in `letters` for those of letters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ostiary.auth.beginning import PAGE
from ostiary.web.pages import answers, letters
from ostiary.web.pages.visit import Shown, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: what it shows, and what its form does."""

    path: str
    show: Callable[[Visit], Awaitable[Shown]] | None
    """`None`: it has a form somewhere else, and nothing of its own to show."""
    take: Callable[[Visit], Awaitable[Shown]] | None = None
    fields: tuple[str, ...] = ()
    """What its form may send, beside the session's token."""
    query: tuple[str, ...] = ("done",)
    needs_session: bool = False
    service: bool = False
    """It is shown by the stand-alone service only."""


_LETTER = ("token", "email", "code")
"""What a form sends of a letter: what its link holds, or the address that it went to and its code."""

PAGES: tuple[Page, ...] = (
    Page(path="/", show=answers.index, service=True),
    Page(
        path=PAGE,
        show=letters.beginning,
        take=letters.begin,
        fields=("token", "name", "email", "password"),
        query=("token",),
        service=True,
    ),
    Page(
        path="/auth/sign-in",
        show=answers.sign_in,
        take=answers.enter,
        fields=("email", "password", "next"),
        query=("done", "next"),
    ),
    Page(
        path="/auth/sign-up",
        show=answers.sign_up,
        take=answers.register,
        fields=("email", "password", "name", "next"),
        query=("next",),
    ),
    Page(path="/auth/forgot", show=letters.forgot, take=letters.ask_reset, fields=("email",)),
    Page(
        path="/auth/reset",
        show=letters.reset,
        take=letters.set_password,
        fields=(*_LETTER, "new"),
        query=("done", "token", "email"),
    ),
    Page(
        path="/auth/verify",
        show=letters.verify,
        take=letters.prove_address,
        fields=(*_LETTER, "password", "do"),
        query=("done", "token", "email"),
    ),
    Page(
        path="/auth/confirm-email",
        show=letters.confirm,
        take=letters.take_address,
        fields=(*_LETTER, "password"),
        query=("done", "token", "email"),
    ),
    Page(
        path="/auth/invitation",
        show=letters.invitation,
        take=letters.accept,
        fields=("token", "name", "password"),
        query=("token",),
    ),
    Page(path="/auth/sign-out", show=None, take=answers.leave, needs_session=True),
    Page(
        path="/auth/account",
        show=answers.account,
        take=answers.change_password,
        fields=("password", "new"),
        needs_session=True,
    ),
    Page(
        path="/auth/account/profile",
        show=answers.profile,
        take=answers.change_profile,
        fields=("name", "language"),
        needs_session=True,
    ),
    Page(
        path="/auth/account/delete",
        show=answers.farewell,
        take=answers.delete,
        fields=("password",),
        needs_session=True,
    ),
    Page(
        path="/auth/account/email",
        show=letters.change_address,
        take=letters.ask_change,
        fields=("do", "email", "password"),
        needs_session=True,
    ),
    Page(
        path="/auth/devices",
        show=answers.devices,
        take=answers.change_device,
        fields=("do", "id", "name"),
        needs_session=True,
    ),
    Page(path="/auth/activity", show=answers.activity, needs_session=True),
)
