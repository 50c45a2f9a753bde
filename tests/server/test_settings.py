"""The settings of the service: where they come from, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ostiary.core.policy import PROFILES, Registration
from ostiary.errors import Misconfigured
from ostiary.server.data import open_auth
from ostiary.server.settings import KEYS, Settings, load
from ostiary.stores.sql import sqlite_url


def settings(folder: Path, toml: str = "", *, flags: dict[str, str] | None = None, **environ: str) -> Settings:
    """Load with a file in the working directory."""
    if toml:
        (folder / "ostiary.toml").write_text(toml)
    return load(flags=flags or {}, environ={"PATH": "/bin", **environ}, folder=folder)


def test_without_any_settings(tmp_path: Path) -> None:
    """Whoever says nothing gets a service for this machine alone, with all it has in one folder."""
    found = settings(tmp_path)

    assert found == Settings(
        data=tmp_path / "ostiary-data",
        store=sqlite_url(tmp_path / "ostiary-data" / "ostiary.db"),
        redis=None,
        key_file=tmp_path / "ostiary-data" / "ostiary.db.key",
        issuer="http://localhost:8000",
        host="127.0.0.1",
        port=8000,
        workers=1,
        policy_name="web",
        audience=None,
        trusted_origins=(),
        roles=None,
        log_level="info",
        log_format="console",
        mail="console:",
        mail_from="Ostiary <no-reply@localhost>",
    )
    assert found.key_file == tmp_path / "ostiary-data" / "ostiary.db.key"


def test_who_wins(tmp_path: Path) -> None:
    """A flag wins over the environment, the environment over the file, the file over the default."""
    toml = "port = 1001\nworkers = 2\nhost = '::1'"

    found = settings(tmp_path, toml, flags={"port": "1003"}, OSTIARY_PORT="1002", OSTIARY_WORKERS="3")

    assert (found.port, found.workers, found.host, found.log_level) == (1003, 3, "::1", "info")
    assert found.issuer == "http://localhost:1003"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"OSTIARY_DATA": "here"}, {"data": "{folder}/here", "database": "{folder}/here/ostiary.db"}),
        ({"OSTIARY_STORE": "sqlite:////srv/x.db"}, {"database": "/srv/x.db"}),
        ({"OSTIARY_STORE": "sqlite:////srv/a%20b%3F.db"}, {"database": "/srv/a b?.db"}),
        ({"OSTIARY_STORE": "sqlite:///x.db"}, {"database": "{folder}/x.db"}),
        (
            {"OSTIARY_STORE": "postgres://ada:pw@db:5433/id"},
            {"store": "postgresql://ada:pw@db:5433/id", "place": "id on db:5433", "database": None},
        ),
        ({"OSTIARY_REDIS": "redis://:pw@cache/1"}, {"redis": "redis://:pw@cache/1"}),
        ({"OSTIARY_KEY_FILE": "keys/master"}, {"key_file": "{folder}/keys/master"}),
        ({"OSTIARY_ISSUER": "https://id.example"}, {"issuer": "https://id.example"}),
        ({"OSTIARY_PREFIX": "/api/people"}, {"prefix": "/api/people"}),
        ({"OSTIARY_HOST": "0.0.0.0"}, {"host": "0.0.0.0"}),  # noqa: S104 - only read
        ({"OSTIARY_PORT": "81"}, {"port": 81, "issuer": "http://localhost:81"}),
        ({"OSTIARY_WORKERS": "4"}, {"workers": 4}),
        ({"OSTIARY_POLICY": "nist-aal2"}, {"policy_name": "nist-aal2"}),
        ({"OSTIARY_REGISTRATION": "closed"}, {"registration": "closed"}),
        ({"OSTIARY_AUDIENCE": "orders"}, {"audience": "orders"}),
        ({"OSTIARY_TRUSTED_ORIGINS": "https://a.example, https://b.example"}, {"trusted_origins": "ab"}),
        ({"OSTIARY_TRUSTED_ORIGINS": ""}, {"trusted_origins": ()}),
        ({"OSTIARY_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}, {"trusted_proxies": ("10.0.0.0/8", "::1/128")}),
        ({"OSTIARY_MAIL": "smtp://mail.example"}, {"mail": "smtp://mail.example"}),
        ({"OSTIARY_MAIL": "folder:letters"}, {"mail": "folder:{folder}/letters"}),
        ({"OSTIARY_MAIL": "console:"}, {"mail": "console:"}),
        ({"OSTIARY_ISSUER": "https://id.example"}, {"mail": None, "mail_from": "Ostiary <no-reply@id.example>"}),
        ({"OSTIARY_BRAND": "A", "OSTIARY_PORT": "81"}, {"mail": "console:", "mail_from": "A <no-reply@localhost>"}),
        ({"OSTIARY_MAIL_FROM": "door@id.example"}, {"mail_from": "door@id.example"}),
        ({"OSTIARY_LOG_LEVEL": "error"}, {"log_level": "error"}),
        ({"OSTIARY_LOG_FORMAT": "json"}, {"log_format": "json"}),
    ],
)
def test_every_key_in_the_environment(tmp_path: Path, words: dict[str, str], expected: dict[str, Any]) -> None:
    """Every key but the table of roles can stand in the environment."""
    found = load(flags={}, environ=words, folder=tmp_path)

    for name, value in expected.items():
        wanted = value.replace("{folder}", str(tmp_path)) if isinstance(value, str) else value
        if value == "ab":
            assert sorted(found.trusted_origins) == ["https://a.example", "https://b.example"]
        else:
            got = getattr(found, name)
            assert (str(got) if isinstance(got, Path) else got) == wanted


def test_every_key_in_the_file(tmp_path: Path) -> None:
    """Every key can stand in the file, and its relative paths start from the file's own folder."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "id.toml").write_text(
        'data = "d"\nstore = "sqlite:///s.db"\nissuer = "https://id.example"\nhost = "::"\nport = 9\nworkers = 3\n'
        'policy = "nist-aal3"\naudience = "orders"\ntrusted_origins = ["https://a.example"]\nlog_level = "debug"\n'
        'log_format = "json"\ntrusted_proxies = ["192.0.2.1"]\nmail = "smtps://ada:pw@mail.example"\n'
        'mail_from = "Example <door@id.example>"\nprefix = "/people"\n'
        '[roles]\neditor = ["posts:write", "posts:read"]\nnobody = []\n'
    )

    found = settings(tmp_path, OSTIARY_CONFIG="etc/id.toml")

    assert found == Settings(
        data=tmp_path / "etc" / "d",
        store=sqlite_url(tmp_path / "etc" / "s.db"),
        redis=None,
        key_file=tmp_path / "etc" / "s.db.key",
        issuer="https://id.example",
        host="::",
        port=9,
        workers=3,
        policy_name="nist-aal3",
        audience="orders",
        trusted_origins=("https://a.example",),
        roles={"editor": ("posts:write", "posts:read"), "nobody": ()},
        log_level="debug",
        log_format="json",
        trusted_proxies=("192.0.2.1/32",),
        mail="smtps://ada:pw@mail.example",
        mail_from="Example <door@id.example>",
        prefix="/people",
    )
    assert Settings.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("toml", "flags", "environ", "line"),
    [
        ("prot = 1", {}, {}, "{file}: the key 'prot' is not known; did you mean port?"),
        ("xyzzy = 1", {}, {}, "{file}: the key 'xyzzy' is not known; known are data, store, redis, key_file, issuer, "),
        (
            "",
            {},
            {"OSTIARY_ISUER": "x"},
            "the environment variable OSTIARY_ISUER is not known; did you mean OSTIARY_ISSUER?",
        ),
        (
            "",
            {},
            {"OSTIARY_CONFG": "x"},
            "the environment variable OSTIARY_CONFG is not known; did you mean OSTIARY_CONFIG?",
        ),
        (
            "mail = 'pop://x'",
            {},
            {},
            "{file}: mail cannot be used: mail leaves by smtp://USER@HOST, smtps://USER@HOST,",
        ),
        ("mail_from = 'nobody'", {}, {}, "{file}: mail_from cannot be used: the sender of letters, 'nobody', must be "),
        (
            "",
            {"mail": "smtp://ada:pw@mail.example"},
            {},
            "--mail holds a password, which everybody here could read; put it into OSTIARY_MAIL or the file",
        ),
        ("port = '80'", {}, {}, "{file}: port must be a whole number, not the text '80'"),
        ("port = true", {}, {}, "{file}: port must be a whole number, not true or false"),
        ("port = 80.0", {}, {}, "{file}: port must be a whole number, not the number 80.0"),
        ("port = 1979-05-27", {}, {}, "{file}: port must be a whole number, not a date or a time"),
        ("workers = 0", {}, {}, "{file}: workers must be from 1 to 256, not 0"),
        ("host = 1", {}, {}, "{file}: host must be a text, not the number 1"),
        ("host = ''", {}, {}, "{file}: host must not be empty, nor contain control characters"),
        ("trusted_origins = 'x'", {}, {}, "{file}: trusted_origins must be a list of texts, not the text 'x'"),
        ("trusted_origins = [1]", {}, {}, "{file}: trusted_origins must be a text, not the number 1"),
        (
            "trusted_proxies = ['0.0.0.0/0']",
            {},
            {},
            "{file}: trusted_proxies cannot be used: the trusted proxy '0.0.0.0/0' is everybody",
        ),
        ("roles = ['a']", {}, {}, "{file}: roles must be a table of roles, not a list"),
        (
            "[roles]\na = 'b'",
            {},
            {},
            "{file}: roles must give each role a list of permissions; that of 'a' must be a list",
        ),
        ("", {"port": "http"}, {}, "--port must be a whole number, not the text 'http'"),
        ("", {"port": "70000"}, {}, "--port must be from 1 to 65535, not 70000"),
        ("", {}, {"OSTIARY_WORKERS": "two"}, "OSTIARY_WORKERS must be a whole number, not the text 'two'"),
        ("", {}, {"OSTIARY_ROLES": "a"}, "OSTIARY_ROLES cannot be set here; roles is a table of the settings file"),
        (
            "",
            {},
            {"OSTIARY_POLICY": "cheapest"},
            "OSTIARY_POLICY must be one of web, nist-aal2, nist-aal3, not 'cheapest'",
        ),
        *(
            (
                "",
                {"store": url},
                {},
                "--store cannot be used: sqlite:///FILE and postgresql://USER@HOST/DATABASE are known",
            )
            for url in (
                "postgresql://u@x",
                "mysql://u@x/y",
                "x.db",
                "sqlite://x.db",
                "sqlite:///",
                "sqlite:///x.db?mode=ro",
            )
        ),
        *(
            (
                "",
                {name: url},
                {},
                f"--{name} holds a password, which everybody here could read; put it into {variable} or the file",
            )
            for name, variable, url in (
                ("store", "OSTIARY_STORE", "postgresql://u:pw@x/y"),
                ("store", "OSTIARY_STORE", "postgresql://u@x/y?password=pw"),
                ("redis", "OSTIARY_REDIS", "redis://:pw@x"),
            )
        ),
        *(
            ("", {"redis": url}, {}, "--redis cannot be used: redis://HOST and rediss://HOST (with TLS) are known")
            for url in ("cache", "http://cache", "redis://", "unix:///tmp/redis", "redis://[x:pw]", "redis://[x")
        ),
        *(
            ("", {}, {"OSTIARY_STORE": url}, f"OSTIARY_STORE cannot be used: {why}")
            for url, why in (
                ("postgresql://u@x:abc/y", "sqlite:///FILE and postgresql://USER@HOST/DATABASE are known"),
                ("postgresql://[u:pw/y", "sqlite:///FILE and postgresql://USER@HOST/DATABASE are known"),
                ("postgresql://u:p@w@x/y", "write an @ in the password as %40"),
            )
        ),
        (
            "",
            {"issuer": "http://id.example"},
            {},
            "--issuer cannot be used: the issuer 'http://id.example' must be https://",
        ),
        (
            "",
            {"issuer": "https://id.example/"},
            {},
            "--issuer cannot be used: the issuer 'https://id.example/' must be an",
        ),
        (
            "",
            {},
            {"OSTIARY_TRUSTED_ORIGINS": "a.example"},
            "OSTIARY_TRUSTED_ORIGINS cannot be used: the trusted origin",
        ),
        ("port = ", {}, {}, "the settings file {file} is not TOML: Invalid value (at "),
        (
            "",
            {"config": "gone.toml"},
            {},
            "cannot read the settings file {folder}/gone.toml: No such file or directory",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, toml: str, flags: dict[str, str], environ: dict[str, str], line: str) -> None:
    """What cannot be used is refused in one line that names the key and where it was written."""
    with pytest.raises(Misconfigured) as refused:
        settings(tmp_path, toml, flags=flags, **environ)

    expected = line.replace("{file}", str(tmp_path / "ostiary.toml")).replace("{folder}", str(tmp_path))
    assert str(refused.value).startswith(expected)
    assert "\n" not in str(refused.value)


def test_everything_wrong_at_once(tmp_path: Path) -> None:
    """Whoever made three mistakes reads three lines, and need not start three times."""
    with pytest.raises(Misconfigured) as refused:
        settings(tmp_path, "prot = 1\nworkers = 'x'", OSTIARY_HOTS="y")

    assert [line.partition(";")[0] for line in str(refused.value).splitlines()] == [
        "the environment variable OSTIARY_HOTS is not known",
        f"{tmp_path}/ostiary.toml: the key 'prot' is not known",
        f"{tmp_path}/ostiary.toml: workers must be a whole number, not the text 'x'",
    ]


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """A file of other bytes is refused, not guessed at."""
    (tmp_path / "ostiary.toml").write_bytes(b"host = '\xff'")

    with pytest.raises(Misconfigured, match="is not UTF-8 text"):
        settings(tmp_path)


def test_what_workers_receive_holds_no_secret(tmp_path: Path) -> None:
    """No key is a place for a secret, so the environment of a worker has none either."""
    assert {key.name for key in KEYS} == set(Settings.__slots__) - {"policy_name"} | {"policy"}
    assert settings(tmp_path).to_json().count("master") == 0


def test_the_reference() -> None:
    """Every key stands in the reference, with its default and what it means, as here."""
    rows = [
        f"| `{key.name}` | `{key.variable}` | {f'`{key.default}`' if key.default else ''} | {key.meaning} |"
        for key in KEYS
        if key.words is not None
    ]

    said = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()

    assert [line for line in said.splitlines() if line.startswith("| `")] == rows


@pytest.mark.parametrize("profile", ["web", "nist-aal2"])
@pytest.mark.parametrize("registration", Registration)
def test_who_may_make_an_account(tmp_path: Path, profile: str, registration: Registration) -> None:
    """Who may make an account is said beside the profile, and every profile can be asked for it."""
    found = settings(tmp_path, OSTIARY_POLICY=profile, OSTIARY_REGISTRATION=registration.value)

    assert found.policy == replace(PROFILES[profile], registration=registration)


def test_links_of_letters(tmp_path: Path) -> None:
    """The links of letters lead to the origin that users see, and to where the pages are there."""
    auth = open_auth(settings(tmp_path, OSTIARY_ISSUER="https://id.example", OSTIARY_PREFIX="/people"))

    assert auth.site.link("/auth/reset", token="x") == "https://id.example/people/reset?token=x"
