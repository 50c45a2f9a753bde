"""The service with a real mail server: letters leave from whichever worker, and an outage loses none."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.mail.mailserver import MailServer, Taken
from tests.server.running import Service, register

PATIENCE = 20.0


def letter(server: MailServer, to: str) -> Taken:
    """Return the one letter to somebody, as soon as it has come."""
    _until(lambda: any(taken.to == [to] for taken in server.inbox))
    [found] = [taken for taken in server.inbox if taken.to == [to]]
    return found


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_letters_of_a_service(tmp_path: Path) -> None:
    """Who registers is written to, in the service's name; an outage only makes it late."""
    server = MailServer()
    environ = {"OSTIARY_MAIL": f"smtp://127.0.0.1:{server.port}", "OSTIARY_BRAND": "Harbour"}
    with Service(tmp_path / "data", workers=2, environ=environ) as service, service.client() as client:
        register(client, "early@example.com")
        with server:
            register(client, "ada@example.com")
            letters = [letter(server, address) for address in ("ada@example.com", "early@example.com")]

            for taken in letters:
                assert taken.sender == "no-reply@localhost"
                assert taken.message["From"] == "Harbour <no-reply@localhost>"
                assert f"http://localhost:{service.port}/auth/verify?token=" in taken.text
            assert len(server.inbox) == 2


def test_letters_in_a_folder(tmp_path: Path) -> None:
    """With a folder in the place of a mail server each letter is a file there."""
    letters = tmp_path / "letters"
    with (
        Service(tmp_path / "data", environ={"OSTIARY_MAIL": f"folder:{letters}"}) as service,
        service.client() as client,
    ):
        register(client, "ada@example.com")
        _until(lambda: any(letters.glob("*.eml")))

    [file] = letters.glob("*.eml")
    assert b"ada@example.com" in file.read_bytes()
