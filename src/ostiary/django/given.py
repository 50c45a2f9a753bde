"""What a project says in its setting `OSTIARY`, read once when the app is ready."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from sqlalchemy.engine import URL

from ostiary.core.mount import PREFIX
from ostiary.errors import Misconfigured
from ostiary.stores.sql import sqlite_url
from ostiary.sync import Auth
from ostiary.web.opening import Opened, opened
from ostiary.wsgi import Door

_FOR_AUTH: Final = ("issuer", "store", "key_file", "redis", "policy", "audience", "trusted_origins", "roles", "migrate")
_FOR_DOOR: Final = ("auth", "default", "open", "prefix", "login_url", "staff_role", "superuser_role")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was said, and what was made of it."""

    auth: Auth
    door: Door
    prefix: str
    opened: Opened | None
    """The paths that ask for no session; `None` when nothing does that does not say so itself."""
    names: frozenset[str]
    """The views that ask for none, as `reverse` names them."""
    login_url: str | None
    staff_role: str | None
    superuser_role: str | None


def read() -> Given:
    """Read the setting.

    Raises:
        ImproperlyConfigured: it cannot be used; one line says why and what to do.
    """
    said: dict[str, Any] = dict(getattr(settings, "OSTIARY", {}))
    unknown = said.keys() - {*_FOR_AUTH, *_FOR_DOOR}
    if unknown:
        raise ImproperlyConfigured(f"OSTIARY has what is not known: {', '.join(sorted(unknown))}")
    try:
        return _given(said)
    except (Misconfigured, ValueError) as error:
        raise ImproperlyConfigured(f"OSTIARY: {error}") from error


def _given(said: Mapping[str, Any]) -> Given:
    auth: Auth = said["auth"] if "auth" in said else _auth(said)
    prefix = said.get("prefix", PREFIX)
    default, names = said.get("default", "protected"), said.get("open", ())
    views = frozenset(name for name in names if "/" not in name)
    return Given(
        auth=auth,
        door=Door(_nobody, auth, prefix=prefix),
        prefix=prefix,
        opened=opened(default, names if default == "open" else [name for name in names if name not in views]),
        names=views,
        login_url=said.get("login_url"),
        staff_role=said.get("staff_role"),
        superuser_role=said.get("superuser_role"),
    )


def _auth(said: Mapping[str, Any]) -> Auth:
    if "issuer" not in said:
        raise Misconfigured('name the issuer, the origin that users see: "issuer": "https://app.example"')
    given: dict[str, Any] = {name: said[name] for name in _FOR_AUTH if name in said}
    given.setdefault("store", _beside(settings.DATABASES.get("default", {})))
    given.setdefault("key_file", Path(getattr(settings, "BASE_DIR", ".")) / "ostiary.key")
    return Auth.at(given.pop("store"), **given)


def _beside(database: Mapping[str, Any]) -> str:
    """Return where the tables are if nobody says: in Django's own PostgreSQL, or in a file beside its SQLite file."""
    engine, name = str(database.get("ENGINE", "")).rpartition(".")[2], str(database.get("NAME", ""))
    if engine == "sqlite3" and name:
        return sqlite_url(Path(name).with_name("ostiary.db"))
    if engine in ("postgresql", "postgis"):
        return URL.create(
            "postgresql",
            username=database.get("USER") or None,
            password=database.get("PASSWORD") or None,
            host=database.get("HOST") or None,
            port=int(database["PORT"]) if database.get("PORT") else None,
            database=name,
        ).render_as_string(hide_password=False)
    raise Misconfigured('name the store: "store": "postgresql://user@host/database"')


def _nobody(_environ: dict[str, Any], _start_response: object) -> Collection[bytes]:
    """Stand where an application would: Django's own handlers call the door."""
    raise NotImplementedError
