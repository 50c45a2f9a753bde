"""`ostiary keys`: what signs. A new key is known everywhere before it signs, so that a rotation refuses nobody."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from ostiary.auth import Auth
from ostiary.cli.options import ACTOR, Given, group, shared
from ostiary.cli.output import confirm
from ostiary.core.keys import Purpose
from ostiary.errors import Invalid
from ostiary.ports import KeyRecord

keys = typer.Typer(name="keys", help="What signs: list, rotate, retire.", no_args_is_help=True)
keys.callback()(group)

_COLUMNS = ("purpose", "state", "algorithm", "signs_from", "verifies_until", "id")
_LONGEST_LEAD: Final = 365 * 24 * 60 * 60


def shown(record: KeyRecord, records: Sequence[KeyRecord], now: datetime) -> dict[str, Any]:
    """Return a key as a person or a program reads it."""
    return {
        "id": record.id,
        "purpose": record.purpose.value,
        "algorithm": None if record.algorithm is None else record.algorithm.value,
        "state": _state(record, records, now),
        "created_at": record.created_at,
        "signs_from": record.signs_from,
        "verifies_until": record.verifies_until,
    }


@keys.command("list")
@shared
def list_(given: Given) -> None:
    """List all keys. None of them shows its secret."""

    async def act(auth: Auth) -> list[dict[str, Any]]:
        records, now = await auth.keys.all(), auth.clock.now()
        return [shown(record, records, now) for record in records]

    given.out.rows(_COLUMNS, given.run(act), none="there are no keys")


@keys.command("rotate")
@shared
def rotate(
    given: Given,
    purpose: Annotated[Purpose, typer.Argument(help="What the key is for.")] = Purpose.ACCESS,
    lead: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="How long it is published before it signs.")
    ] = None,
) -> None:
    """Publish a new key. It signs a little later; what the old one signed stays good until it dies by itself."""
    if lead is not None and lead > _LONGEST_LEAD:
        raise Invalid("--lead", f"at most {_LONGEST_LEAD} seconds, which is a year")

    async def act(auth: Auth) -> dict[str, Any]:
        least = math.ceil(auth.policy.lease.total_seconds())
        if lead is not None and lead < least:
            raise Invalid("--lead", f"at least {least} seconds, or a worker may meet a key that it does not know yet")
        new = await auth.keys.rotate(purpose, actor=ACTOR, lead=None if lead is None else timedelta(seconds=lead))
        return shown(new, [new], auth.clock.now())

    record = given.run(act)
    given.out.done(f"published {record['id']}; it signs from {record['signs_from']:%Y-%m-%d %H:%M:%S} UTC", record)


@keys.command("retire")
@shared
def retire(
    given: Given,
    key: Annotated[str, typer.Argument(help="The key's id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - typer calls it by keyword
) -> None:
    """End a key at once, with everything it signed. For a key that was stolen."""
    confirm(f"Retire {key}? All that it signed is refused from now on.", yes=yes)

    async def act(auth: Auth) -> dict[str, Any]:
        old = await auth.keys.retire(key, actor=ACTOR)
        return shown(old, [old], auth.clock.now())

    record = given.run(act)
    given.out.done(f"retired {key}; nothing that it signed is good any more", record)


def _state(record: KeyRecord, records: Sequence[KeyRecord], now: datetime) -> str:
    """Say where a key stands in the table of `ostiary.core.keys`."""
    if record.verifies_until is not None and now >= record.verifies_until:
        return "over"
    if now < record.signs_from:
        return "published"
    live = [
        other
        for other in records
        if other.purpose is record.purpose
        and other.signs_from <= now
        and (other.verifies_until is None or now < other.verifies_until)
    ]
    return "current" if record is max(live, key=lambda other: (other.signs_from, other.id)) else "old"
