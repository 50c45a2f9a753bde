"""`ostiary check`: what is unsafe for production is said, with what to do about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ostiary.core.keys import Purpose
from ostiary.core.policy import Algorithm
from ostiary.ports import KeyRecord
from ostiary.server.check import Facts, file_system, judge, look
from ostiary.server.settings import Settings
from ostiary.stores.sql import sqlite_url
from tests.mail.mailserver import MailServer
from tests.server.running import here
from tests.servers.redis import Redis

NOW = datetime(2026, 11, 1, tzinfo=UTC)

SETTINGS = Settings(
    data=Path("/srv/ostiary"),
    store="sqlite:////srv/ostiary/ostiary.db",
    redis=None,
    key_file=Path("/srv/ostiary/ostiary.db.key"),
    issuer="https://id.example",
    host="127.0.0.1",
    port=8000,
    workers=2,
    policy_name="nist-aal2",
    audience=None,
    trusted_origins=("https://app.example",),
    roles=None,
    log_level="info",
    log_format="json",
    trusted_proxies=("192.0.2.0/24",),
)


def key(purpose: Purpose, *, days: int) -> KeyRecord:
    """Make a key of an age."""
    made = NOW - timedelta(days=days)
    algorithm = Algorithm.ES256 if purpose is Purpose.ACCESS else None
    return KeyRecord(id=purpose, purpose=purpose, algorithm=algorithm, sealed=b"", created_at=made, signs_from=made)


FACTS = Facts(
    now=NOW,
    folder_trouble=None,
    store_trouble=None,
    keys_trouble=None,
    keys=[key(purpose, days=10) for purpose in Purpose],
    file_system="ext4",
)


def unsafe(settings: Settings, facts: Facts) -> list[tuple[str, str, str]]:
    """Return what is not safe."""
    findings = judge(settings, facts)
    return [(found.subject, found.sentence, found.remedy) for found in findings if not found.good]


def test_a_safe_service() -> None:
    """A service as it should be has nothing but good findings, and says what it looked at."""
    findings = judge(SETTINGS, FACTS)

    assert unsafe(SETTINGS, FACTS) == []
    assert {found.subject for found in findings} == {
        "issuer", "host", "trusted_origins", "trusted_proxies", "data", "store", "keys", "mail", "policy",
    }  # fmt: skip
    assert findings[-1].sentence == "policy nist-aal2: sessions last 24 h, 1 h without use"


@pytest.mark.parametrize(
    ("settings", "facts", "subjects", "words"),
    [
        ({"issuer": "http://localhost:8000"}, {}, ["issuer"], "name the https:// origin that users see"),
        ({"host": "0.0.0.0"}, {}, [], ""),  # noqa: S104 - behind a proxy on another machine, with https
        ({"host": "::", "issuer": "http://localhost"}, {}, ["issuer", "host"], "behind a proxy that speaks https"),
        ({"trusted_proxies": ()}, {}, ["trusted_proxies"], "name its address with OSTIARY_TRUSTED_PROXIES"),
        ({"trusted_origins": ("http://app.example",)}, {}, ["trusted_origins"], "trust no http:// origin"),
        (
            {"data": Path.cwd() / "ostiary-data", "store": sqlite_url("ostiary-data/ostiary.db")},
            {},
            ["data"],
            "name a fixed one",
        ),
        ({"data": Path.cwd() / "ostiary-data"}, {}, [], ""),
        ({}, {"folder_trouble": "it is open"}, ["data"], "it is open"),
        ({}, {"store_trouble": "it is old; run: ostiary migrate"}, ["store"], "run: ostiary migrate"),
        ({}, {"keys_trouble": "it is another"}, ["keys"], "it is another"),
        ({"mail": "smtp://x"}, {"mail_place": "it answers"}, [], ""),
        ({"mail": "smtp://x"}, {"mail_trouble": "it cannot be reached"}, ["mail"], "it cannot be reached"),
        ({"mail": "console:"}, {"mail_place": "they are shown"}, ["mail"], "they are shown; name a mail server"),
        ({}, {"file_trouble": "it can be read by others"}, ["settings"], "it can be read by others"),
        ({"redis": "redis://x"}, {}, [], ""),
        ({"redis": "redis://x"}, {"redis_trouble": "it is too old"}, ["redis"], "it is too old"),
        ({}, {"file_system": "nfs4"}, ["store"], "nfs4, a network file system"),
        ({}, {"file_system": "tmpfs"}, ["store"], "tmpfs, gone at a restart"),
        ({}, {"keys": []}, ["keys"] * 4, "there is no access key"),
        ({}, {"keys": [key(p, days=91) for p in Purpose]}, ["keys"], "run: ostiary keys rotate access"),
        ({}, {"keys": [key(p, days=366) for p in Purpose]}, ["keys"] * 4, "run: ostiary keys rotate session"),
        ({}, {"keys": [key(p, days=-1) for p in Purpose]}, ["clock"], "put the clock of this machine right"),
    ],
)
def test_what_is_unsafe(settings: dict[str, Any], facts: dict[str, Any], subjects: list[str], words: str) -> None:
    """Each thing that is unsafe is one finding with a remedy, and spoils no other."""
    found = unsafe(replace(SETTINGS, **settings), replace(FACTS, **facts))

    assert [subject for subject, _, _ in found] == subjects
    assert words in "\n".join(f"{sentence}; {remedy}" for _, sentence, remedy in found)


def test_a_rotated_key_is_young() -> None:
    """A rotation puts an old key right: the key that comes next is what counts."""
    old = replace(key(Purpose.ACCESS, days=200), id="old", verifies_until=NOW)
    others = [key(purpose, days=10) for purpose in Purpose if purpose is not Purpose.ACCESS]

    assert unsafe(SETTINGS, replace(FACTS, keys=[old, key(Purpose.ACCESS, days=0), *others])) == []


def test_the_command(tmp_path: Path) -> None:
    """The command says the findings, a line each, and its exit code says whether anything is unsafe."""
    here("init", "--data", "data", cwd=tmp_path)
    spoken = here("check", "--data", "data", cwd=tmp_path)
    as_json = here("check", "--data", "data", "--issuer", "https://id.example", "--json", cwd=tmp_path)
    findings = msgspec.json.decode(as_json.stdout)

    assert spoken.returncode == 1
    assert spoken.stdout.startswith("unsafe  the issuer is http://localhost:8000; name the https:// origin")
    assert {line.split()[0] for line in spoken.stdout.splitlines()} == {"ok", "unsafe"}
    assert as_json.returncode == (0 if findings["safe"] else 1)
    assert findings["safe"] is all(finding["good"] for finding in findings["findings"])
    assert all(finding["good"] for finding in findings["findings"] if finding["subject"] in {"issuer", "data", "keys"})
    assert set(findings["findings"][0]) == {"subject", "good", "sentence", "remedy"}


@pytest.mark.parametrize(
    ("spoilt", "mode", "sentence"),
    [
        ("app/app.db", 0o640, "the database {path} can be read or written by others; run: chmod 600 {path}"),
        ("app", 0o775, "the database's folder {path} can be written by others; run: chmod go-w {path}"),
        ("app/app.db.key", 0o604, "the key file {path} can be read or written by others; run: chmod 600 {path}"),
    ],
)
def test_a_database_elsewhere(tmp_path: Path, spoilt: str, mode: int, sentence: str) -> None:
    """Who can reach a database outside the data folder is looked at as well: itself, its folder and its key file."""
    (tmp_path / "app").mkdir(0o755)
    store = "--store", f"sqlite:///{tmp_path}/app/app.db"
    assert here("init", *store, cwd=tmp_path).returncode == 0
    before = here("check", "--json", *store, cwd=tmp_path)
    (tmp_path / spoilt).chmod(mode)
    after = here("check", "--json", *store, cwd=tmp_path)

    wanted = sentence.replace("{path}", str(tmp_path / spoilt))
    assert wanted not in [finding["sentence"] for finding in msgspec.json.decode(before.stdout)["findings"]]
    assert wanted in [f["sentence"] for f in msgspec.json.decode(after.stdout)["findings"] if not f["good"]]
    assert after.returncode == 1


@pytest.mark.parametrize("name", ["store", "redis", "mail"])
def test_a_settings_file_with_a_password(tmp_path: Path, name: str) -> None:
    """Whoever can read a settings file has the passwords in it. One without any may be read by all."""
    url = {"store": "postgresql://ada:s3cret@127.0.0.1:1/x", "redis": "redis://:s3cret@127.0.0.1:1"}
    file = tmp_path / "ostiary.toml"
    file.write_text(f'{name} = "{url.get(name, "smtp://ada:s3cret@127.0.0.1:1")}"\n')

    def said() -> str:
        done = here("check", "--json", cwd=tmp_path)
        findings = msgspec.json.decode(done.stdout)["findings"]
        assert "s3cret" not in done.stdout + done.stderr
        return "\n".join(found["sentence"] for found in findings if found["subject"] == "settings")

    file.chmod(0o600)
    closed = said()
    file.chmod(0o644)
    opened = said()
    file.write_text('host = "127.0.0.1"\n')
    harmless = said()

    assert (closed, harmless) == ("", "")
    assert opened == (
        f"the settings file {file} holds a password ({name}) and can be read by others; run: chmod 600 {file}"
    )


async def test_redis(tmp_path: Path, redis: Redis) -> None:
    """Whether Redis answers is found out, and nothing is left there."""
    redis.flush()
    settings = replace(SETTINGS, data=tmp_path, store=sqlite_url(tmp_path / "x.db"))
    there = await look(replace(settings, redis=redis.url()))
    gone = await look(replace(settings, redis="redis://:secret@127.0.0.1:1"))
    left = redis.query("KEYS", "*")

    assert (there.redis_trouble, gone.redis_trouble) == (None, "Redis at 127.0.0.1:1 cannot be reached")
    assert left.strip() == ""


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """A look at a service that was never set up makes nothing, and finds that everything is missing."""
    done = here("check", "--data", "data", "--json", cwd=tmp_path)
    bad = {finding["subject"] for finding in msgspec.json.decode(done.stdout)["findings"] if not finding["good"]}

    assert done.returncode == 1
    assert bad == {"issuer", "data", "store", "keys", "mail"}
    assert list(tmp_path.iterdir()) == []


def test_the_file_system_of_a_path() -> None:
    """The kind of file system is that of the innermost mount."""
    assert file_system(Path("/proc/self/status")) == "proc"
    assert file_system(Path("/")) not in {None, "proc"}


async def test_the_mail_server(tmp_path: Path) -> None:
    """Whether the mail server answers is found out; and the password in its address is not said."""
    settings = replace(SETTINGS, data=tmp_path, store=sqlite_url(tmp_path / "x.db"), mail_from="no-reply@id.example")
    with MailServer() as server:
        there = await look(replace(settings, mail=f"smtp://127.0.0.1:{server.port}"))
    gone = await look(replace(settings, mail=f"smtp://ada:secret@127.0.0.1:{server.port}"))

    assert (there.mail_trouble, there.mail_place) == (
        None,
        f"the mail server 127.0.0.1:{server.port} answers, on this machine",
    )
    assert gone.mail_trouble == f"the mail server 127.0.0.1:{server.port} cannot be reached"
