"""`ostiary verifiers`: the services that check access tokens by themselves, and follow the feed for that."""

from typing import Annotated, Any

import typer

from ostiary.auth import Auth
from ostiary.cli.options import ACTOR, Given, group, shared
from ostiary.ports import VerifierRecord

verifiers = typer.Typer(
    name="verifiers", help="Services that follow the feed: add, list, remove.", no_args_is_help=True
)
verifiers.callback()(group)

_COLUMNS = ("name", "created_at", "id")
_Name = Annotated[str, typer.Argument(help="What the service is called.")]


def shown(record: VerifierRecord) -> dict[str, Any]:
    """Return a verifier as a person or a program reads it."""
    return {"id": record.id, "name": record.name, "created_at": record.created_at}


@verifiers.command("add")
@shared
def add(given: Given, name: _Name) -> None:
    """Let a service follow the feed, and show the key that it does so with."""

    async def act(auth: Auth) -> dict[str, Any]:
        record, key = await auth.verifiers.add(name, actor=ACTOR)
        return shown(record) | {"key": key}

    record = given.run(act)
    given.out.done(
        f"{record['key']}\nThis is the key of {name}. It is shown only now: nobody can read it again.", record
    )


@verifiers.command("list")
@shared
def list_(given: Given) -> None:
    """List the services that may follow the feed. None of them shows its key."""

    async def act(auth: Auth) -> list[dict[str, Any]]:
        return [shown(record) for record in await auth.verifiers.all()]

    given.out.rows(_COLUMNS, given.run(act), none="there are no verifiers")


@verifiers.command("remove")
@shared
def remove(given: Given, name: _Name) -> None:
    """Shut a service out at once. Its key is refused, and its streams are cut."""

    async def act(auth: Auth) -> None:
        await auth.verifiers.remove(name, actor=ACTOR)

    given.run(act)
    given.out.done(f"removed {name}; its key is refused from now on", {"name": name})
