"""`ostiary users`: accounts. Whoever is disabled or deleted here is out of a running service within milliseconds."""

from typing import Annotated, Any

import typer

from ostiary.auth import Auth
from ostiary.cli.options import ACTOR, Given, group, shared
from ostiary.cli.output import confirm, new_password
from ostiary.core.user import Account
from ostiary.errors import Invalid

users = typer.Typer(name="users", help="Accounts: add, show, shut out.", no_args_is_help=True)
users.callback()(group)

Who = Annotated[str, typer.Argument(metavar="USER", help="An e-mail address, or an id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_PAGE = 200
_COLUMNS = ("email", "name", "roles", "disabled_at", "created_at", "id")


async def find(auth: Auth, who: str) -> Account:
    """Return the account with this e-mail address or id."""
    account = await (auth.accounts.find(who) if "@" in who else auth.accounts.get(who))
    if account is None:
        raise Invalid("user", f"there is nobody called {who}")
    return account


def shown(account: Account) -> dict[str, Any]:
    """Return an account as a person or a program reads it."""
    user = account.user
    return {
        "id": user.id,
        "email": None if account.email is None else account.email.typed,
        "name": user.name,
        "roles": list(user.roles),
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }


@users.command("add")
@shared
def add(
    given: Given,
    email: Annotated[str, typer.Argument(help="The e-mail address.")],
    name: Annotated[str, typer.Option(help="What to call them.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="A role; may be said more than once.")] = None,
) -> None:
    """Add an account. The password is asked for, or read from stdin."""
    password = new_password()

    async def act(auth: Auth) -> Account:
        return await auth.accounts.register(email=email, password=password, name=name, roles=role or (), actor=ACTOR)

    account = given.run(act)
    given.out.done(f"added {email} as {account.user.id}", shown(account))


@users.command("invite")
@shared
def invite(
    given: Given,
    email: Annotated[str, typer.Argument(help="The e-mail address.")],
    name: Annotated[str, typer.Option(help="What to call them; they may choose another name.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="A role; may be said more than once.")] = None,
    language: Annotated[str, typer.Option(help="The language of the letter, such as fr.")] = "",
) -> None:
    """Invite somebody to make an account, by letter. The link in it is good for seven days, and once."""

    async def act(auth: Auth) -> tuple[str, bool]:
        to_open = await auth.flows.invite(email, roles=role or (), name=name, language=language, actor=ACTOR)
        return to_open, auth.flows.has_mail

    to_open, has_mail = given.run(act)
    shown_link = {} if has_mail else {"link": to_open}
    how = "a letter is on its way" if has_mail else "no mail is sent here, so hand this link over yourself"
    said = f"invited {email}; {how}"
    given.out.done("\n".join((said, *shown_link.values())), {"email": email, "by_letter": has_mail, **shown_link})


@users.command("list")
@shared
def list_(given: Given) -> None:
    """List all accounts."""

    async def act(auth: Auth) -> list[Account]:
        found: list[Account] = []
        while page := await auth.accounts.page(after=found[-1].user.id if found else "", limit=_PAGE):
            found += page
        return found

    given.out.rows(_COLUMNS, map(shown, given.run(act)), none="there are no users")


@users.command("show")
@shared
def show(given: Given, who: Who) -> None:
    """Show an account: its roles, how many sessions it has, and what happened to it last."""

    async def act(auth: Auth) -> dict[str, Any]:
        account = await find(auth, who)
        events = await auth.accounts.activity(account.user.id, limit=10)
        return {
            **shown(account),
            "sessions": len(await auth.sessions(account.user.id)),
            "activity": [{"at": event.at, "kind": event.kind.value, "actor": event.actor} for event in events],
        }

    record = given.run(act)
    if given.out.json:
        given.out.record(record)
        return
    activity = record.pop("activity")
    given.out.record(record)
    given.out.done("", {})
    given.out.rows(("at", "kind", "actor"), activity, none="nothing has happened yet")


@users.command("disable")
@shared
def disable(given: Given, who: Who) -> None:
    """Shut a user out: every session ends at once, and no new one begins."""

    async def act(auth: Auth) -> tuple[str, int]:
        user_id = (await find(auth, who)).user.id
        return user_id, await auth.accounts.disable(user_id, actor=ACTOR)

    user_id, ended = given.run(act)
    given.out.done(f"disabled {who}; {ended} sessions ended", {"id": user_id, "sessions_ended": ended})


@users.command("enable")
@shared
def enable(given: Given, who: Who) -> None:
    """Let a user in again. The sessions that ended stay ended."""

    async def act(auth: Auth) -> str:
        user_id = (await find(auth, who)).user.id
        await auth.accounts.enable(user_id, actor=ACTOR)
        return user_id

    user_id = given.run(act)
    given.out.done(f"enabled {who}", {"id": user_id})


@users.command("delete")
@shared
def delete(given: Given, who: Who, yes: Yes = False) -> None:  # noqa: FBT002 - typer calls it by keyword
    """Delete an account with everything that belongs to it. Its audit records stay."""
    user_id = given.run(lambda auth: find(auth, who)).user.id
    confirm(f"Delete {who} for ever?", yes=yes)
    given.run(lambda auth: auth.accounts.delete(user_id, actor=ACTOR))
    given.out.done(f"deleted {who}", {"id": user_id})


@users.command("set-password")
@shared
def set_password(given: Given, who: Who) -> None:
    """Give a user another password. It is asked for, or read from stdin. All their sessions end."""
    user_id = given.run(lambda auth: find(auth, who)).user.id
    password = new_password()
    ended = given.run(lambda auth: auth.accounts.set_password(user_id, new=password, actor=ACTOR))
    given.out.done(f"{who} has another password; {ended} sessions ended", {"id": user_id, "sessions_ended": ended})


@users.command("roles")
@shared
def roles(
    given: Given,
    who: Who,
    names: Annotated[list[str] | None, typer.Argument(metavar="[ROLE]...", help="All the roles to have.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Take all roles away.")] = False,  # noqa: FBT002 - by keyword
) -> None:
    """Show a user's roles, or give them these and no others. Nobody is logged out; it is in force at once."""
    if names and none:
        raise Invalid("--none", "say either which roles, or none")

    async def act(auth: Auth) -> dict[str, Any]:
        user = (await find(auth, who)).user
        if names or none:
            user = await auth.accounts.set_roles(user.id, names or (), actor=ACTOR)
        return {"id": user.id, "roles": list(user.roles)}

    record = given.run(act)
    given.out.done(" ".join(record["roles"]) or f"{who} has no roles", record)
