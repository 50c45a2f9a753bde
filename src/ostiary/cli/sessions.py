"""`ostiary sessions`: logins. What is revoked here is dead in every worker within milliseconds."""

from typing import Annotated, Any

import typer

from ostiary.auth import Auth
from ostiary.cli.options import ACTOR, Given, group, shared
from ostiary.cli.users import find
from ostiary.core.session import Session
from ostiary.core.user import Account
from ostiary.errors import Invalid

sessions = typer.Typer(name="sessions", help="Logins: list, end.", no_args_is_help=True)
sessions.callback()(group)

_PAGE = 200
_COLUMNS = ("user", "carrier", "device", "ip", "created_at", "last_seen_at", "id")


def shown(session: Session, account: Account) -> dict[str, Any]:
    """Return a session as a person or a program reads it."""
    return {
        "id": session.id,
        "user": account.user.id if account.email is None else account.email.typed,
        "user_id": account.user.id,
        "carrier": session.carrier.value,
        "device": session.device.name,
        "ip": session.device.ip,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
    }


@sessions.command("list")
@shared
def list_(
    given: Given,
    who: Annotated[str | None, typer.Argument(metavar="[USER]", help="Only theirs: an e-mail or id.")] = None,
) -> None:
    """List the live sessions of a user, or of everybody."""

    async def act(auth: Auth) -> list[dict[str, Any]]:
        if who is not None:
            return await _of(auth, await find(auth, who))
        found: list[dict[str, Any]] = []
        after = ""
        while page := await auth.accounts.page(after=after, limit=_PAGE):
            for account in page:
                found += await _of(auth, account)
            after = page[-1].user.id
        return found

    given.out.rows(_COLUMNS, given.run(act), none="there are no sessions")


@sessions.command("revoke")
@shared
def revoke(
    given: Given,
    session: Annotated[str | None, typer.Argument(metavar="[SESSION]", help="The session's id.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="All sessions of this user.")] = None,
) -> None:
    """End a session, or all sessions of a user."""
    if (session is None) == (user is None):
        raise Invalid("session", "say either a session's id or --user")

    async def act(auth: Auth) -> int:
        if user is not None:
            return await auth.revoke_all((await find(auth, user)).user.id, actor=ACTOR)
        if not await auth.revoke(session or "", actor=ACTOR):
            raise Invalid("session", "there is no such live session")
        return 1

    ended = given.run(act)
    given.out.done(f"{ended} sessions ended", {"sessions_ended": ended})


async def _of(auth: Auth, account: Account) -> list[dict[str, Any]]:
    return [shown(session, account) for session in await auth.sessions(account.user.id)]
