"""Without an event loop, too, letters leave by a real mail server, beside the requests, and none is lost."""

import time
from collections.abc import Callable
from pathlib import Path

from ostiary.core.letter import About
from ostiary.sync import Auth
from ostiary.sync.mail import Mail
from tests.mail.mailserver import MailServer
from tests.sync.conftest import make_auth

PATIENCE = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def write(auth: Auth, n: int) -> None:
    """Write letters."""
    for number in range(n):
        with auth._works.begin() as work:
            work.write(About.INVITATION, to=f"ada{number}@example.com", language="fr", link="https://id.example/x")


def is_empty(auth: Auth) -> bool:
    """Tell whether every letter has left."""
    with auth._store.read() as tx:
        return tx.outbox.first() is None


def test_sent(tmp_path: Path) -> None:
    """Letters are sent soon after they were written, in the reader's language, each once."""
    with MailServer() as server:
        mailer = Mail.at(f"smtp://127.0.0.1:{server.port}", sender="no-reply@id.example")
        with make_auth(tmp_path, mailer=mailer).running() as auth:
            write(auth, 5)
            until(lambda: is_empty(auth))

        assert sorted(taken.to[0] for taken in server.inbox) == [f"ada{n}@example.com" for n in range(5)]
        assert {taken.message["Content-Language"] for taken in server.inbox} == {"fr"}


def test_a_server_that_is_down(tmp_path: Path) -> None:
    """While the mail server is down every verb returns; when it is back, each letter arrives once."""
    server = MailServer()
    mailer = Mail.at(f"smtp://127.0.0.1:{server.port}", sender="no-reply@id.example")
    with make_auth(tmp_path, mailer=mailer).running() as auth:
        write(auth, 3)
        assert not is_empty(auth)
        with server:
            until(lambda: is_empty(auth))

            assert sorted(taken.to[0] for taken in server.inbox) == [f"ada{n}@example.com" for n in range(3)]


def test_into_a_folder(tmp_path: Path) -> None:
    """A folder takes letters, and a process that stops has sent what it had begun."""
    mailer = Mail.at(f"folder:{tmp_path}/letters", sender="no-reply@id.example")
    with make_auth(tmp_path, mailer=mailer).running() as auth:
        write(auth, 2)
        until(lambda: is_empty(auth))

    assert len(list((tmp_path / "letters").glob("*.eml"))) == 2
