"""The command line, on a store that no service uses at the moment."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ostiary.auth import Auth
from ostiary.cli import main
from ostiary.server.settings import KEY
from tests.server.running import OSTIARY, PASSWORD, clean_environment, here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a store that has a user."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "ostiary.toml").write_text('data = "data"\n')
    assert here("init", cwd=folder).returncode == 0
    command(folder, "users", "add", "ada@example.com", "--name", "Ada", "--role", "admin", stdin=PASSWORD)
    return folder


def command(folder: Path, *arguments: str, stdin: str = "") -> Any:
    """Run a command, and return what it says as JSON: one document, and nothing else on stdout or stderr."""
    done = here(*arguments, "--json", cwd=folder, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return msgspec.json.decode(done.stdout)


def test_a_user_from_first_to_last(folder: Path) -> None:
    """Everything that can be done to an account, and what each command says as JSON."""
    added = command(folder, "users", "add", "Bob@Example.com", "--role", "b", "--role", "a", stdin=PASSWORD + "\n")
    who = added["id"]
    listed = command(folder, "users", "list")
    roles = command(folder, "users", "roles", "bob@example.com", "editor")
    no_roles = command(folder, "users", "roles", who, "--none")
    disabled = command(folder, "users", "disable", who)
    while_disabled = command(folder, "users", "show", who)
    enabled = command(folder, "users", "enable", who)
    changed = command(folder, "users", "set-password", who, stdin="another lantern, another harbour")
    shown = command(folder, "users", "show", who)
    deleted = command(folder, "users", "delete", who, "--yes")
    gone = here("users", "show", who, cwd=folder)

    assert added == {
        "id": who,
        "email": "Bob@Example.com",
        "name": "",
        "roles": ["a", "b"],
        "created_at": added["created_at"],
        "disabled_at": None,
    }
    assert added in listed
    assert [set(user) for user in listed] == [set(added)] * 2
    assert roles == {"id": who, "roles": ["editor"]}
    assert no_roles == {"id": who, "roles": []}
    assert disabled == {"id": who, "sessions_ended": 0}
    assert while_disabled["disabled_at"] is not None
    assert enabled == {"id": who}
    assert changed == {"id": who, "sessions_ended": 0}
    assert (shown["disabled_at"], shown["roles"], shown["sessions"]) == (None, [], 0)
    assert [(event["kind"], event["actor"]) for event in reversed(shown["activity"])] == [
        ("registered", "cli"),
        ("roles_changed", "cli"),
        ("roles_changed", "cli"),
        ("user_disabled", "cli"),
        ("user_enabled", "cli"),
        ("password_set", "cli"),
    ]
    assert deleted == {"id": who}
    assert (gone.returncode, gone.stderr) == (1, f"ostiary: user: there is nobody called {who}\n")


def test_keys_from_first_to_last(folder: Path) -> None:
    """A rotation publishes a key that signs later, and retiring one ends it; each key says where it stands."""
    before = command(folder, "keys", "list")
    new = command(folder, "keys", "rotate")
    during = {key["id"]: key for key in command(folder, "keys", "list")}
    old = next(key["id"] for key in before if key["purpose"] == "access")
    retired = command(folder, "keys", "retire", old, "--yes")
    after = {key["id"]: key["state"] for key in command(folder, "keys", "list") if key["purpose"] == "access"}

    assert sorted((key["purpose"], key["state"], key["algorithm"]) for key in before) == [
        ("access", "current", "ES256"),
        ("csrf", "current", None),
        ("device", "current", None),
        ("session", "current", None),
    ]
    assert set(before[0]) == {
        "id",
        "purpose",
        "algorithm",
        "state",
        "created_at",
        "signs_from",
        "verifies_until",
    }
    assert (new["state"], new["verifies_until"]) == ("published", None)
    assert during[new["id"]] == new
    assert during[old]["state"] == "current"
    assert during[old]["verifies_until"] is not None
    assert retired["state"] == "over"
    assert after.pop(old) == "over"
    assert after.pop(new["id"]) == "published"
    assert list(after.values()) == ["current"]


def test_verifiers_from_first_to_last(folder: Path) -> None:
    """A verifier is added, listed and removed. Its key is shown once, and no other command shows it again."""
    added = command(folder, "verifiers", "add", "orders")
    twice = here("verifiers", "add", "orders", cwd=folder)
    said = here("verifiers", "add", "bills", cwd=folder)
    listed = command(folder, "verifiers", "list")
    plain = here("verifiers", "list", cwd=folder)
    removed = [command(folder, "verifiers", "remove", name) for name in ("orders", "bills")]
    gone = here("verifiers", "remove", "orders", cwd=folder)

    assert re.fullmatch(rf"osv1\.{added['id']}\.[A-Za-z0-9_-]{{43}}", added["key"])
    assert (twice.returncode, twice.stderr) == (1, "ostiary: name: another verifier has this name\n")
    assert re.fullmatch(r"osv1\.[A-Za-z0-9_.-]{55}\nThis is the key of bills\. It is shown only now.+\n", said.stdout)
    assert [verifier["name"] for verifier in listed] == ["bills", "orders"]
    assert {*listed[0]} == {"id", "name", "created_at"}
    assert added["key"].rpartition(".")[2] not in plain.stdout
    assert removed == [{"name": "orders"}, {"name": "bills"}]
    assert (gone.returncode, gone.stderr) == (1, "ostiary: name: there is no such verifier\n")
    assert here("verifiers", "list", cwd=folder).stdout == "there are no verifiers\n"


def test_a_lead_of_ages(folder: Path) -> None:
    """A lead that no calendar holds is one line, and no key."""
    before = command(folder, "keys", "list")
    done = here("keys", "rotate", "--lead", "999999999999", cwd=folder)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ostiary: --lead: at most 31536000 seconds, which is a year\n"
    assert command(folder, "keys", "list") == before


def test_a_lead_that_is_too_short(folder: Path) -> None:
    """A key must be known in every worker before it signs, so a shorter lead than the lease is refused."""
    done = here("keys", "rotate", "--lead", "1", cwd=folder)

    assert done.returncode == 1
    assert done.stderr.startswith("ostiary: --lead: at least 2 seconds")


def test_a_migration_with_nothing_to_do(folder: Path) -> None:
    """Migrating twice is safe, and says that nothing was to do."""
    spoken = here("migrate", cwd=folder)
    as_json = command(folder, "migrate")

    assert spoken.returncode == 0
    assert spoken.stdout.endswith("already; nothing to do\n")
    assert as_json["before"] == as_json["after"]


def test_version(folder: Path) -> None:
    """The version names what matters in a report of a bug."""
    assert set(command(folder, "version")) == {"ostiary", "python", "sqlite", "granian"}


def test_what_help_says_of_settings(folder: Path) -> None:
    """The help of an option is what the table of settings says, with its default."""
    said = " ".join(re.sub(r"[^\w:/().,-]+", " ", here("serve", "--help", cwd=folder).stdout).split())

    for name in ("data", "host", "port", "workers"):
        assert f"(default: {KEY[name].default})" in said
        assert KEY[name].meaning[1:] in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "{there}", "users", "list"],
        ["users", "--data", "{there}", "list"],
        ["users", "list", "--data", "{there}"],
        ["--data", "nowhere", "users", "list", "--data", "{there}"],
    ],
)
def test_where_shared_options_stand(folder: Path, tmp_path: Path, arguments: list[str]) -> None:
    """Shared options stand before or after the command's name; the one nearest to the command wins."""
    words = [argument.replace("{there}", str(folder / "data")) for argument in arguments]

    done = here(*words, "--json", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "ada@example.com" in [user["email"] for user in msgspec.json.decode(done.stdout)]


async def _an_application(database: Path) -> None:
    async with Auth.embedded(database, issuer="https://app.example").running() as auth:
        await auth.accounts.register(email="ada@example.com", password=PASSWORD, actor="test")


def test_the_database_of_an_application(tmp_path: Path) -> None:
    """The URL of a database is all it takes to look after an application that has Ostiary as a library."""
    theirs, elsewhere = tmp_path / "app", tmp_path / "elsewhere"
    theirs.mkdir(0o755)
    elsewhere.mkdir()
    asyncio.run(_an_application(theirs / "app.db"))
    store = "--store", f"sqlite:///{theirs}/app.db"
    listed = command(elsewhere, "users", "list", *store)
    disabled = here("users", "disable", "ada@example.com", *store, cwd=elsewhere)
    rotated = here("keys", "rotate", *store, cwd=elsewhere)
    migrated = here("migrate", *store, cwd=elsewhere)
    made = here("init", *store, cwd=elsewhere)
    found = {
        f["sentence"] for f in msgspec.json.decode(here("check", "--json", *store, cwd=elsewhere).stdout)["findings"]
    }

    assert [user["email"] for user in listed] == ["ada@example.com"]
    assert (disabled.returncode, rotated.returncode, migrated.returncode) == (0, 0, 0)
    assert made.stdout == f"everything was there already: {theirs}/app.db and {theirs}/app.db.key\n"
    assert f"only this user can read {theirs}/app.db" in found
    assert "the key file opens the keys of this store" in found
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in theirs.glob("*[!lm]")) == ["app.db", "app.db.key"]  # not SQLite's -wal and -shm


def test_json_before_the_command(folder: Path) -> None:
    """`--json` works before the command's name as well."""
    done = here("--json", "sessions", "list", cwd=folder)

    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_plain_text_for_people_and_pipes(folder: Path) -> None:
    """Without a terminal a table is aligned text without a single control character."""
    done = here("users", "list", cwd=folder)

    header, first = done.stdout.splitlines()[:2]
    assert header.split() == ["email", "name", "roles", "disabled", "at", "created", "at", "id"]
    assert first.split()[:3] == ["ada@example.com", "Ada", "admin"]
    assert header.index("roles") == first.index("admin")
    assert done.stdout.replace("\n", "").isprintable()


@pytest.mark.parametrize("command", [["users", "delete", "ada@example.com"], ["keys", "retire", "x"]])
def test_what_cannot_be_undone(folder: Path, command: list[str]) -> None:
    """What cannot be undone is not done where nobody can be asked, unless `--yes` is said."""
    done = here(*command, cwd=folder)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Nobody can be asked here; confirm with --yes\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("stdin", "line"),
    [
        ("", "password: stdin gave none"),
        ("\n", "password: stdin gave none"),
        ("short\n", "password: Use at least 8 characters."),
    ],
)
def test_a_password_that_will_not_do(folder: Path, stdin: str, line: str) -> None:
    """A password that is missing or weak is one line, and no account."""
    done = here("users", "add", "eve@example.com", cwd=folder, stdin=stdin)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"ostiary: {line}\n")
    assert here("users", "show", "eve@example.com", cwd=folder).returncode == 1


def test_an_invitation(folder: Path) -> None:
    """Who is invited gets a letter; where no mail is sent, the link is shown instead, to be handed over."""
    mailed = command(folder, "users", "invite", "bob@example.com", "--role", "editor", "--name", "Bob")
    unmailed = here("users", "invite", "eve@example.com", "--issuer", "https://id.example", cwd=folder)
    known = here("users", "invite", "ada", cwd=folder)

    assert mailed == {"email": "bob@example.com", "by_letter": True}
    said, _, link = unmailed.stdout.strip().partition("\n")
    assert said.startswith("invited eve@example.com; no mail is sent here")
    assert link.startswith("https://id.example/auth/invitation?token=")
    assert (known.returncode, known.stdout) == (1, "")


def test_a_password_among_the_arguments(folder: Path) -> None:
    """No command takes a password as an argument, where every user of the machine could read it."""
    for words in (["add", "eve@example.com"], ["set-password", "ada@example.com"]):
        done = here("users", *words, "--password", PASSWORD, cwd=folder)
        extra = here("users", *words, PASSWORD, cwd=folder)

        assert done.returncode == extra.returncode == 2
        assert "No such option" in done.stderr


def test_an_answer_that_does_not_come(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wait that is over is one line, never a traceback."""
    monkeypatch.chdir(folder)
    ours, theirs = socket.socketpair()
    ours.settimeout(0.01)
    with ours, theirs, ours.makefile() as silent:
        monkeypatch.setattr(sys, "stdin", silent)
        with pytest.raises(SystemExit) as ended:
            main(["users", "add", "eve@example.com"])

    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "ostiary: no answer in time; try again\n")


def test_a_reader_that_has_seen_enough(folder: Path) -> None:
    """A broken pipe ends a command without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [OSTIARY, "users", "list"],
            cwd=folder,
            env=clean_environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=20,
            check=False,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (1, b"")
