"""Where accounts come from: each source reads another system's own tables, one account at a time, and changes nothing.

| `--from`        | reads                                            | says of the password                           |
|-----------------|--------------------------------------------------|------------------------------------------------|
| `django`        | `auth_user`, its groups                          | all of Django's hashers                        |
| `simplejwt`     | the same: its tokens do not come along           |                                                |
| `fastapi-users` | `user`                                           | Argon2 and bcrypt                              |
| `flask-security`| `user`, `role`, `roles_users`                    | with its `SECURITY_PASSWORD_SALT`              |
| `flask-login`   | a table of the application's own                 | Werkzeug's hashes                              |
| `csv`           | a file with a header                             | any of these                                   |
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.cli.arriving import django, fastapi_users, flask_login, flask_security, table
from ostiary.cli.arriving.source import AT_ONCE, Broken, Options
from ostiary.core.arrival import Arrival

__all__ = ["AT_ONCE", "SOURCES", "Broken", "Options"]

Read = Callable[[str, Options], Iterator[Arrival | Broken]]

SOURCES: Final[Mapping[str, Read]] = MappingProxyType(
    {
        "django": django.read,
        "simplejwt": django.read,
        "fastapi-users": fastapi_users.read,
        "flask-security": flask_security.read,
        "flask-login": flask_login.read,
        "csv": table.read,
    }
)
