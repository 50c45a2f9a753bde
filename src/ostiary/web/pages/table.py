"""The table of all pages. What each line does is in `answers`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ostiary.web.pages import answers
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


PAGES: tuple[Page, ...] = (
    Page(path="/", show=answers.index, service=True),
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
    Page(path="/auth/sign-out", show=None, take=answers.leave, needs_session=True),
    Page(
        path="/auth/account",
        show=answers.account,
        take=answers.change_password,
        fields=("password", "new"),
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
