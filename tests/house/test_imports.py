"""What an import costs, counted in modules, and what it does without. A count is the same on a busy machine."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(300)  # each test is several programs

OPTIONAL = {
    *("aiosmtplib", "asyncpg", "babel", "django", "fastapi", "flask", "granian", "hiredis", "httpx", "jinja2"),
    *("litestar", "maxminddb", "psycopg", "pytest", "redis", "rich", "starlette", "structlog", "typer", "uvloop"),
}
"""What an application need not have."""

HEAVY = OPTIONAL | {"alembic", "argon2", "joserfc", "prometheus_client", "sqlalchemy", "ua_parser", "zxcvbn"}

ROOMS = {f"ostiary.{room}" for room in ("asgi", "auth", "methods", "server", "stores", "sync", "web", "wsgi")}


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program has loaded, beyond those of an empty one."""
    around = f"import sys; before = set(sys.modules)\n{program}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", around], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["ostiary", "ostiary.verify", "ostiary.testing", "ostiary.testing.plugin"])
def test_an_import_is_light(module: str) -> None:
    """Importing a package loads its names when they are asked for, and until then next to nothing."""
    program = "import pytest, asyncio, dataclasses\n" * (module == "ostiary.testing.plugin")
    beyond = loaded_by(f"{program}import {module}") - loaded_by(program or "pass")

    assert len(beyond) <= 12
    assert beyond & (HEAVY | ROOMS | {"asyncio", "cryptography", "msgspec", "ssl"}) == set()
    assert len({name for name in beyond if name.startswith("ostiary")}) <= 5


def test_a_name_is_there_when_it_is_asked_for() -> None:
    """The names load what they stand for; one that is not there is an error that says so."""
    assert "ostiary.auth" in loaded_by("from ostiary import Auth")
    assert "ostiary.verify.verifier" in loaded_by("from ostiary.verify import *; Verifier")
    for package in ("ostiary", "ostiary.verify", "ostiary.testing"):
        with pytest.raises(subprocess.CalledProcessError) as failed:
            loaded_by(f"import {package}; {package}.Manager")
        assert f"module '{package}' has no attribute 'Manager'" in failed.value.stderr


def test_a_verifier_is_light() -> None:
    """A verifier loads no database, no framework and none of our own rooms that it has no use for."""
    made = "Verifier('https://id.example', audience='a', key='osv1.x')"
    loaded = loaded_by(f"from ostiary.verify import Verifier; {made}")

    assert loaded & (HEAVY | ROOMS) == set()
    assert len(loaded) <= 260


@pytest.mark.parametrize(
    "program",
    [
        "import ostiary, ostiary.verify, ostiary.testing, ostiary.asgi, ostiary.wsgi, ostiary.sync",
        "from ostiary import Auth; Auth.embedded('app.db', issuer='http://localhost:8000')",
        "from ostiary.sync import Auth; Auth.embedded('app.db', issuer='http://localhost:8000')",
        "from ostiary.verify import Refused, Verifier",
    ],
    ids=["imports", "auth", "sync", "verifier"],
)
def test_what_is_optional_may_be_missing(program: str) -> None:
    """Without any framework, and without anything else that is an extra, all that needs none of them works."""
    missing = f"import sys; sys.modules.update(dict.fromkeys({sorted(OPTIONAL)}))"

    assert loaded_by(f"{missing}\n{program}")
    with pytest.raises(subprocess.CalledProcessError):
        loaded_by(f"{missing}\nimport ostiary.starlette")
