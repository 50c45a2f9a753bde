"""The settings of the stand-alone service: one table, read from four places.

A flag wins over the environment, the environment over the settings file, the file over the default. A key that nobody
knows is refused, so that a misspelt one is never silently without effect.

The file is what `--config` or `OSTIARY_CONFIG` names, or `ostiary.toml` in the working directory. Its relative paths
start from its own folder, all others from the working directory.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ostiary.core import mount
from ostiary.core.policy import PROFILES, Policy, Registration
from ostiary.errors import Misconfigured
from ostiary.keys.master import master_key_file
from ostiary.server import values as v
from ostiary.stores.sql.place import is_postgres, named, postgres_url, sqlite_path, sqlite_url

FILE: Final = "ostiary.toml"
PREFIX: Final = "OSTIARY_"
CONFIG: Final = "config"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("console", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a service is started with. The URLs of the store, of Redis and of mail may hold a password."""

    data: Path
    """The folder that the service makes, unless nothing of it is kept there. Absolute, like every path here."""
    store: str = field(repr=False)
    redis: str | None = field(repr=False)
    key_file: Path
    """The file of the master key. All machines of a service have the same."""
    issuer: str
    host: str
    port: int
    workers: int
    policy_name: str
    audience: str | None
    trusted_origins: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]] | None
    """What each role permits. `None`: what was defined last stays."""
    log_level: str
    log_format: str
    trusted_proxies: tuple[str, ...] = ()
    """The networks of the proxies in front of the service."""
    registration: str = Registration.OPEN.value
    """Who may make an account."""
    brand: str = "Ostiary"
    """What the pages call the service."""
    accent: str = ""
    logo: Path | None = None
    templates: Path | None = None
    geoip: Path | None = None
    mail: str | None = field(default=None, repr=False)
    """Where letters leave. Its URL may hold a password. `None`: none are written."""
    mail_from: str = ""
    prefix: str = mount.PREFIX
    """Where the routes and pages are."""

    @property
    def database(self) -> Path | None:
        """The file of the database, if it is one."""
        return None if is_postgres(self.store) else sqlite_path(self.store)

    @property
    def place(self) -> str:
        """What to call the database in a message. It holds no password."""
        return str(self.database or named(postgres_url(self.store)))

    @property
    def owns_folder(self) -> bool:
        """Whether anything is kept in the data folder. If not, it is neither made nor looked at."""
        return self.data in (self.key_file.parent, self.database and self.database.parent)

    @property
    def policy(self) -> Policy:
        """The policy that is named."""
        return replace(PROFILES[self.policy_name], registration=Registration(self.registration))

    def to_json(self) -> str:
        """Write the settings down for a worker process."""
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Read what `to_json` wrote."""
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


# ------------------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: what it is called in the file, what it means, and how it is read."""

    name: str
    default: str | None
    """In the words of the environment. `None`: it follows from others, in `_complete`."""
    meaning: str
    read: v.Read[object]
    words: v.Words | None = v.as_text
    """`None`: it can only stand in the file."""
    may_hold_password: bool = False
    """If it does, it is no flag: everybody on the machine can read those."""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper()

    @property
    def help(self) -> str:
        """What `--help` says of it."""
        default = f" (default: {self.default})" if self.default else ""
        return f"{self.meaning[0].upper()}{self.meaning[1:]}{default}."


KEYS: Final = (
    Key("data", "ostiary-data", "the folder of the database and the keys", v.path),
    Key(
        "store",
        None,
        "another database than the one in the data folder: sqlite:///FILE, postgresql://USER@HOST/DATABASE",
        v.store,
        may_hold_password=True,
    ),
    Key(
        "redis", None, "where the feed is carried and tries are counted: redis://HOST", v.redis, may_hold_password=True
    ),
    Key("key_file", None, "the master key; if not said, beside the database or in the data folder", v.path),
    Key("issuer", None, "the origin that users see, https://id.example; if not said, this machine", v.issuer),
    Key("prefix", mount.PREFIX, "the path that the routes and pages are under", v.prefix),
    Key("host", "127.0.0.1", "the address to listen on", v.text),
    Key("port", "8000", "the port to listen on", v.whole(1, 65535), v.as_whole),
    Key("workers", "1", "how many processes answer", v.whole(1, 256), v.as_whole),
    Key("policy", "web", f"how long and how strong: {', '.join(PROFILES)}", v.one_of(tuple(PROFILES))),
    Key(
        "registration",
        "open",
        "who may make an account: open, verified (who proves their address first) or closed (who is invited)",
        v.one_of(tuple(Registration)),
    ),
    Key("audience", None, "who access tokens are for; if not said, the issuer", v.text),
    Key(
        "trusted_origins", "", "other origins whose pages may act for a user and read our answers", v.origins, v.as_list
    ),
    Key("trusted_proxies", "", "the addresses or networks of the proxies in front of it", v.networks, v.as_list),
    Key("roles", None, "a table: what each role permits; if not said, what was defined last", v.roles, None),
    Key("log_level", "info", f"what is logged: {', '.join(LOG_LEVELS)}", v.one_of(LOG_LEVELS)),
    Key("log_format", "console", f"how it is logged: {', '.join(LOG_FORMATS)}", v.one_of(LOG_FORMATS)),
    Key("brand", "Ostiary", "what the pages call the service", v.text),
    Key("accent", None, "the colour of buttons, such as #24456b", v.colour),
    Key("logo", None, "the picture above the door: .svg, .png or .webp", v.path),
    Key("templates", None, "a folder of templates that take the place of ours", v.path),
    Key(
        "mail",
        None,
        "where letters leave: smtp://USER@HOST, smtps://USER@HOST, folder:PATH, console:; if not said, the console for "
        "an issuer on this machine, and else nowhere",
        v.mail,
        may_hold_password=True,
    ),
    Key("mail_from", None, "who letters come from, as Name <address>; if not said, no-reply at the issuer", v.sender),
    Key("geoip", None, "a file of places (.mmdb), to say where a device is", v.path),
)

KEY: Final = MappingProxyType({key.name: key for key in KEYS})


# ------------------------------------------------------------------------------------------------ loading


def load(*, flags: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> Settings:
    """Read the settings. `flags` has the names of the table, and `config`; `folder` is the working directory.

    Raises:
        Misconfigured: some of them cannot be used. One line for each, naming the key and where it was written.
    """
    variables = {key.variable: key for key in KEYS}
    problems = [
        f"the environment variable {name} is not known; {v.nearest(name, (*variables, PREFIX + CONFIG.upper()))}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in variables and name != PREFIX + CONFIG.upper()
    ]
    file = settings_file(flags=flags, environ=environ, folder=folder)
    written: Mapping[str, object] = _read_file(file) if file is not None else {}
    problems += [
        f"{file}: the key {name!r} is not known; {v.nearest(name, tuple(KEY))}" for name in written if name not in KEY
    ]
    values: dict[str, Any] = {}
    for key in KEYS:
        try:
            value = _value(key, flags, environ, written, folder=folder, file=file)
        except _Wrong as wrong:
            problems.append(str(wrong))
            continue
        if value is not None:
            values[key.name] = value
    if problems:
        raise Misconfigured("\n".join(problems))
    return _complete(values)


def settings_file(*, flags: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> Path | None:
    """Return the settings file, if there is one. Only one that was named may be missing."""
    named = flags.get(CONFIG) or environ.get(PREFIX + CONFIG.upper())
    if named is not None:
        return folder / Path(named).expanduser()
    return folder / FILE if (folder / FILE).is_file() else None


def passwords_in(file: Path) -> tuple[str, ...]:
    """Return the names of the keys in a settings file whose values hold a password.

    Raises:
        Misconfigured: it cannot be read.
    """
    written = _read_file(file)
    return tuple(key.name for key in KEYS if key.may_hold_password and v.has_password(str(written.get(key.name, ""))))


class _Wrong(Exception):
    """A value that cannot be used: one line that names the key, the place and the reason."""


def _value(
    key: Key,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    written: Mapping[str, object],
    *,
    folder: Path,
    file: Path | None,
) -> object:
    """Return a key's value from the first place that has one, its default being the last, or `None`."""
    if key.name in flags:
        place, words, base = f"--{key.name.replace('_', '-')}", flags[key.name], folder
    elif key.variable in environ:
        place, words, base = key.variable, environ[key.variable], folder
    elif file is not None and key.name in written:
        return _read(key, written[key.name], f"{file}: {key.name}", file.parent)
    elif key.default is not None:
        place, words, base = key.name, key.default, folder
    else:
        return None
    if key.may_hold_password and key.name in flags and v.has_password(words):
        raise _Wrong(
            f"{place} holds a password, which everybody here could read; put it into {key.variable} or the file"
        )
    if key.words is None:
        raise _Wrong(f"{place} cannot be set here; {key.name} is a table of the settings file")
    return _read(key, key.words(words), place, base)


def _read(key: Key, value: object, place: str, base: Path) -> object:
    try:
        return key.read(value, base)
    except v.Unfit as unfit:
        raise _Wrong(f"{place} {unfit}") from None


def _read_file(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"cannot read the settings file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"the settings file {file} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"the settings file {file} is not TOML: {error}") from None


def _complete(values: Mapping[str, Any]) -> Settings:
    """Fill in what follows from other values."""
    data, store = values["data"], values.get("store", sqlite_url(values["data"] / "ostiary.db"))
    key_file = data / "ostiary.key" if is_postgres(store) else master_key_file(sqlite_path(store))
    issuer: str = values.get("issuer", f"http://localhost:{values['port']}")
    return Settings(
        data=data,
        store=store,
        redis=values.get("redis"),
        key_file=values.get("key_file", key_file),
        issuer=issuer,
        host=values["host"],
        port=values["port"],
        workers=values["workers"],
        policy_name=values["policy"],
        audience=values.get("audience"),
        trusted_origins=values["trusted_origins"],
        roles=values.get("roles"),
        log_level=values["log_level"],
        log_format=values["log_format"],
        trusted_proxies=values["trusted_proxies"],
        registration=values["registration"],
        brand=values["brand"],
        accent=values.get("accent", ""),
        logo=values.get("logo"),
        templates=values.get("templates"),
        geoip=values.get("geoip"),
        mail=values.get("mail", None if issuer.startswith("https://") else "console:"),
        prefix=values["prefix"],
        mail_from=values.get("mail_from", f"{values['brand']} <no-reply@{urlsplit(issuer).hostname}>"),
    )
