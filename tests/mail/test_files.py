"""Mail for development: a file a letter, or the console."""

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ostiary.core.letter import About, Letter
from ostiary.errors import Misconfigured, Unavailable
from ostiary.mail import Mail

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def letter(id: str = "l1", to: str = "ada@example.com") -> Letter:  # noqa: A002 - a record's own word
    """Return a letter with a code."""
    return Letter(id=id, to=to, about=About.VERIFY_EMAIL, language="", values={"code": "123456"}, created_at=NOW)


async def test_folder(tmp_path: Path) -> None:
    """Each letter is a file that only its owner can read, in a folder that only its owner can enter."""
    mail = Mail.at(f"folder:{tmp_path}/deep/letters", sender="no-reply@id.example")
    await mail.send(letter("b"))
    await mail.send(letter("a", to="zoë@example.com"))

    folder = tmp_path / "deep" / "letters"
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["20260203T040506-a.eml", "20260203T040506-b.eml"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "\r\nTo: zoë@example.com\r\n".encode() in files[0].read_bytes()


async def test_sent_again(tmp_path: Path) -> None:
    """A letter that is sent again is one file, and a draft that a killed process left is no letter."""
    mail = Mail.at(f"folder:{tmp_path}", sender="no-reply@id.example")
    (tmp_path / ".20260203T040506-l1.eml.new").write_text("half")
    await mail.send(letter())
    await mail.send(letter())

    assert [file.name for file in tmp_path.iterdir()] == ["20260203T040506-l1.eml"]


async def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """Where no folder can be, that is said, by a check and with each letter, which waits."""
    (tmp_path / "file").write_text("")
    mail = Mail.at(f"folder:{tmp_path}/file", sender="no-reply@id.example")

    with pytest.raises((Misconfigured, Unavailable), match="letters"):
        await mail.send(letter())
    with pytest.raises(Misconfigured, match="is not a folder"):
        await mail.transport.check()


async def test_check_makes_nothing(tmp_path: Path) -> None:
    """To look whether letters can be put somewhere changes nothing."""
    told = await Mail.at(f"folder:{tmp_path}/letters", sender="no-reply@id.example").transport.check()

    assert told == f"letters are put into {tmp_path}/letters"
    assert list(tmp_path.iterdir()) == []


async def test_console(capsys: pytest.CaptureFixture[str]) -> None:
    """On the console a letter is what a person reads: whom it is to, its subject and its text."""
    await Mail.at("console:", sender="no-reply@id.example").send(letter())

    shown = capsys.readouterr().out
    assert "To: ada@example.com\n  Subject: Confirm your address\n" in shown
    assert "123456" in shown
    assert "<html" not in shown


async def test_a_console_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody reads what is written, a letter waits in the outbox, and no thread waits with it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    mail = Mail.at("console:", sender="no-reply@id.example")
    with os.fdopen(writing, "w") as console:
        monkeypatch.setattr("sys.stdout", console)
        with pytest.raises(Unavailable, match="nobody reads the console"):
            await mail.send(letter())
        os.read(reading, 65536)
        await mail.send(letter())
    monkeypatch.undo()

    rest = b""
    while more := os.read(reading, 65536):
        rest += more
    os.close(reading)
    assert rest.count(b"123456") == 1
