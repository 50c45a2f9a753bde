"""Where a service keeps what it has, and the `Auth` made from it.

The data folder belongs to the service alone: mode 0700, with the database and the key file in it. Everything that can
be wrong with it is found before a worker starts, and said in one line. A database elsewhere is somebody else's, an
application's perhaps: its folder is used as it is.
"""

import asyncio
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ostiary.auth import Auth
from ostiary.errors import Misconfigured
from ostiary.geoip import Places
from ostiary.mail import Mail
from ostiary.ports import EventSink
from ostiary.server.settings import Settings, passwords_in
from ostiary.stores.sql import SqlStore


async def is_new(settings: Settings) -> bool:
    """Tell whether there is no database yet, or one without tables: a first start that was killed leaves that.

    Raises:
        Misconfigured, Unavailable: there is something that cannot be used.
    """
    if settings.database is not None and not await asyncio.to_thread(os.path.lexists, settings.database):
        return True
    return await SqlStore(settings.store).revision() is None


def make_folder(path: Path) -> None:
    """Make the data folder, for its owner only. One that is there already must be like that.

    Raises:
        Misconfigured: it cannot be made, or others can reach into it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        pass  # not a folder: found below
    except OSError as error:
        raise Misconfigured(f"cannot make the data folder {path}: {error.strerror}") from None
    check_folder(path)


def check_folder(path: Path) -> None:
    """See that the data folder is there, is ours, and is nobody else's.

    Raises:
        Misconfigured: it is not.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise Misconfigured(f"there is no data folder {path}; run: ostiary init") from None
    except OSError as error:
        raise Misconfigured(f"cannot look at the data folder {path}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise Misconfigured(f"{path} is not a folder; name another with --data")
    if found.st_uid != os.geteuid():
        raise Misconfigured(f"the data folder {path} belongs to another user; run ostiary as that user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise Misconfigured(f"the data folder {path} can be reached by others; run: chmod 700 {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise Misconfigured(f"the data folder {path} cannot be written to; run: chmod 700 {path}")


def check_files(settings: Settings) -> None:
    """See that nobody else can read or replace the database. What is not there is left to others to miss.

    Raises:
        Misconfigured: somebody can.
    """
    if settings.database is None:
        return
    file, folder = settings.database, settings.database.parent
    for path, kind, open_to, bits in (
        (file, "database", "read or written", 0o077),
        (folder, "database's folder", "written", 0o022),
    ):
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_uid != os.geteuid():
            raise Misconfigured(f"the {kind} {path} belongs to another user; run ostiary as that user")
        if found.st_mode & bits:
            remedy = "chmod 600" if path is file else "chmod go-w"
            raise Misconfigured(f"the {kind} {path} can be {open_to} by others; run: {remedy} {path}")


def check_settings_file(file: Path) -> None:
    """See that nobody else can read a settings file that holds a password.

    A group may read the file of somebody else: so a service is given what it may read and not change.

    Raises:
        Misconfigured: somebody can, or it cannot be read.
    """
    names, found = passwords_in(file), file.stat()
    others = 0o077 if found.st_uid == os.geteuid() else 0o007
    if names and found.st_mode & others:
        raise Misconfigured(
            f"the settings file {file} holds a password ({', '.join(names)}) and can be read by others; "
            f"run: chmod 600 {file}"
        )


async def try_redis(url: str) -> None:
    """Connect to Redis, and try what is needed of it.

    Raises:
        Misconfigured, Unavailable: it cannot be used; one line, which holds no password, says why.
    """
    from ostiary.redis import RedisPlace  # noqa: PLC0415 - the client is an extra
    from ostiary.stores.redis import connected  # noqa: PLC0415 - same

    await (await connected(RedisPlace(url))).aclose()


def open_auth(
    settings: Settings, *, sink: EventSink | None = None, migrate: bool = False, define_roles: bool = False
) -> Auth:
    """Make the `Auth` of these settings. It is not started yet.

    Only a server applies the table of roles: a command beside it may have been given other settings.
    """
    return Auth.at(
        settings.store,
        key_file=settings.key_file,
        redis=settings.redis,
        issuer=settings.issuer,
        policy=settings.policy,
        audience=settings.audience,
        trusted_origins=settings.trusted_origins,
        trusted_proxies=settings.trusted_proxies,
        prefix=settings.prefix,
        roles=settings.roles if define_roles else None,
        migrate=migrate,
        sink=sink,
        mailer=mail(settings),
    )


def mail(settings: Settings) -> Mail | None:
    """Return what letters leave by, if there is anything."""
    if settings.mail is None:
        return None
    templates = settings.templates / "mail" if settings.templates is not None else None
    return Mail.at(settings.mail, sender=settings.mail_from, brand=settings.brand, templates=templates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A place that can be used."""

    is_new: bool
    """Whether nothing was there before."""
    link: str | None = field(default=None, repr=False)
    """What makes the first administrator, where it was asked for and there is none."""


async def prepare(settings: Settings, *, begins: bool = False) -> Prepared:
    """Make what is missing (folder, schema, keys), and see that everything can be used.

    An old schema is not upgraded here: that is for a person to decide.

    Raises:
        Misconfigured, Unavailable: it cannot be used; one line says why and what to do.
    """
    Places(settings.geoip)
    if settings.owns_folder:
        make_folder(settings.data)
    fresh = await is_new(settings)
    async with open_auth(settings, migrate=fresh, define_roles=True).running(sends=False) as auth:
        return Prepared(is_new=fresh, link=await auth.beginning.link() if begins else None)
