"""What is unsafe for production, of settings and of what they name.

`look` finds out and changes nothing; `judge` decides.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ostiary.core.keys import Purpose
from ostiary.core.network import is_loopback
from ostiary.errors import Misconfigured, OstiaryError
from ostiary.keys.vault import SealedVault
from ostiary.ports import KeyRecord
from ostiary.server.data import check_files, check_folder, check_settings_file, mail, try_redis
from ostiary.server.settings import Settings
from ostiary.stores.sql import SqlStore
from ostiary.system import SystemClock, SystemEntropy

OLD: Final = {
    Purpose.ACCESS: timedelta(days=90),
    Purpose.SESSION: timedelta(days=365),
    Purpose.CSRF: timedelta(days=365),
    Purpose.DEVICE: timedelta(days=365),
}
"""When a key that signs is due to be replaced."""

NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs"}
)
"""Network file systems. SQLite's write-ahead log needs memory that all who write share."""

FLEETING: Final = frozenset({"tmpfs", "ramfs"})

_MOUNTS: Final = Path("/proc/self/mountinfo")
_CLOCKS: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what to do if it is not safe."""

    subject: str
    good: bool
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found where the settings point. `*_trouble` is what cannot be used, in one line."""

    now: datetime
    folder_trouble: str | None
    store_trouble: str | None
    keys_trouble: str | None
    keys: Sequence[KeyRecord]
    file_system: str | None
    mail_trouble: str | None = None
    mail_place: str = ""
    """What the way that letters leave by says of itself."""
    file_trouble: str | None = None
    """What is wrong with the settings file."""
    redis_trouble: str | None = None


async def look(settings: Settings, *, file: Path | None = None) -> Facts:
    """Find out. Nothing is made, and nothing is changed. `file` is where the settings were read, if it was a file."""
    keys: Sequence[KeyRecord] = ()
    folder_trouble = store_trouble = keys_trouble = None
    try:
        if settings.owns_folder:
            await asyncio.to_thread(check_folder, settings.data)
        await asyncio.to_thread(check_files, settings)
    except Misconfigured as error:
        folder_trouble = str(error)
    store, database = SqlStore(settings.store), settings.database
    try:
        await store.open()
        async with store.read() as tx:
            keys = await tx.keys.all()
    except OstiaryError as error:
        store_trouble = str(error)
    finally:
        await store.close()
    try:
        SealedVault(settings.key_file, entropy=SystemEntropy()).open(keys)
    except Misconfigured as error:
        keys_trouble = str(error)
    mail_trouble, mail_place = None, ""
    try:
        way = mail(settings)
        mail_place = await way.transport.check() if way is not None else ""
    except OstiaryError as error:
        mail_trouble = str(error)
    return Facts(
        now=SystemClock().now(),
        folder_trouble=folder_trouble,
        store_trouble=store_trouble,
        keys_trouble=keys_trouble,
        keys=keys,
        file_system=None if database is None else await asyncio.to_thread(file_system, database),
        mail_trouble=mail_trouble,
        mail_place=mail_place,
        file_trouble=None if file is None else await _refusal(asyncio.to_thread(check_settings_file, file)),
        redis_trouble=None if settings.redis is None else await _refusal(try_redis(settings.redis)),
    )


async def _refusal(looking: Awaitable[None]) -> str | None:
    """Return in which line a look ends that finds trouble."""
    try:
        await looking
    except OstiaryError as error:
        return str(error)
    return None


def judge(settings: Settings, facts: Facts) -> list[Finding]:
    """Say of everything whether it is safe for production."""
    return [
        *_reach(settings),
        *_places(settings, facts),
        *_keys(facts),
        _mail(settings, facts),
        Finding(
            "policy",
            good=True,
            sentence=f"policy {settings.policy.name}: sessions last {_said(settings.policy.session_life)}, "
            f"{_said(settings.policy.idle_life)} without use",
        ),
    ]


def file_system(path: Path) -> str | None:
    """Return the kind of file system that a path is on, if this machine tells."""
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
        real = path.resolve()
    except OSError:
        return None
    best: tuple[int, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = Path(before.split()[4].replace("\\040", " "))
        depth = len(mount.parts)
        if real.is_relative_to(mount) and (best is None or depth >= best[0]):
            best = depth, after.split()[0]
    return None if best is None else best[1]


# ------------------------------------------------------------------------------------------------ the findings


def _reach(settings: Settings) -> Iterator[Finding]:
    https = settings.issuer.startswith("https://")
    yield Finding(
        "issuer",
        good=https,
        sentence=f"the issuer is {settings.issuer}",
        remedy="" if https else "name the https:// origin that users see, with --issuer or OSTIARY_ISSUER",
    )
    here = is_loopback(settings.host)
    yield Finding(
        "host",
        good=here or https,
        sentence=f"it listens on {settings.host}" + ("" if here else ", which other machines can reach"),
        remedy="" if here or https else "listen on 127.0.0.1, behind a proxy that speaks https",
    )
    for origin in settings.trusted_origins:
        good = origin.startswith("https://")
        yield Finding(
            "trusted_origins",
            good=good,
            sentence=f"the origin {origin} may act for users",
            remedy="" if good else "trust no http:// origin: whoever is on the network between can write its pages",
        )
    if https:
        named = ", ".join(settings.trusted_proxies)
        yield Finding(
            "trusted_proxies",
            good=bool(named),
            sentence=f"{named} is believed about where a request came from"
            if named
            else "the proxy that speaks https is not named, so everybody is throttled as one address",
            remedy="" if named else "name its address with OSTIARY_TRUSTED_PROXIES",
        )


def _places(settings: Settings, facts: Facts) -> Iterator[Finding]:
    place = f"reach the data folder {settings.data}" if settings.owns_folder else f"read {settings.place}"
    yield _trouble("data", facts.folder_trouble, f"only this user can {place}")
    if settings.owns_folder and settings.data == Path.cwd() / "ostiary-data":
        yield Finding(
            "data",
            good=False,
            sentence="the data folder is ./ostiary-data, another one from each working directory",
            remedy="name a fixed one, with --data or OSTIARY_DATA",
        )
    yield _trouble("store", facts.store_trouble, f"the database {settings.place} has the schema of this version")
    if facts.file_trouble is not None:
        yield _trouble("settings", facts.file_trouble, "")
    if settings.redis is not None:
        yield _trouble("redis", facts.redis_trouble, "Redis answers, and permits what is needed")
    kind = facts.file_system
    if kind in NETWORK:
        yield Finding(
            "store", good=False, sentence=f"the database is on {kind}, a network file system", remedy="move it"
        )
    elif kind in FLEETING:
        yield Finding("store", good=False, sentence=f"the database is on {kind}, gone at a restart", remedy="move it")


def _keys(facts: Facts) -> Iterator[Finding]:
    yield _trouble("keys", facts.keys_trouble, "the key file opens the keys of this store")
    for purpose in Purpose:
        of_it = [key for key in facts.keys if key.purpose is purpose and key.verifies_until is None]
        newest = max(of_it, key=lambda key: key.created_at, default=None)
        if newest is None:
            yield Finding("keys", good=False, sentence=f"there is no {purpose} key", remedy="run: ostiary init")
            continue
        days = max(0, (facts.now - newest.created_at).days)
        good = facts.now - newest.created_at <= OLD[purpose]
        yield Finding(
            "keys",
            good=good,
            sentence=f"the {purpose} key is {days} days old",
            remedy="" if good else f"run: ostiary keys rotate {purpose}",
        )
    if any(key.created_at > facts.now + _CLOCKS for key in facts.keys):
        yield Finding(
            "clock", good=False, sentence="a key was made in the future", remedy="put the clock of this machine right"
        )


def _mail(settings: Settings, facts: Facts) -> Finding:
    if settings.mail is None:
        return Finding("mail", good=True, sentence="no letters are sent, so a lost password stays lost")
    if facts.mail_trouble is None and not settings.mail.startswith("smtp"):
        return Finding("mail", good=False, sentence=facts.mail_place, remedy="name a mail server, with OSTIARY_MAIL")
    return _trouble("mail", facts.mail_trouble, facts.mail_place)


def _trouble(subject: str, trouble: str | None, good: str) -> Finding:
    return Finding(subject, good=trouble is None, sentence=good if trouble is None else trouble)


def _said(life: timedelta) -> str:
    hours = life / timedelta(hours=1)
    if hours >= 48:
        return f"{hours / 24:g} days"
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"
