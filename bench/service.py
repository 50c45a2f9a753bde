"""A service of our own: where it keeps things, who is logged in, and its processes that answer over HTTP."""

import asyncio
import contextlib
import http.client
import sys
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from bench.process import free_port, running
from ostiary import Auth, Carrier
from ostiary.core.policy import CHEAPEST

PASSWORD = "a lantern in the harbour"
MOST_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Login:
    """A session that was begun, and the access token that carries it."""

    sid: str
    token: str


@dataclass(frozen=True, slots=True)
class Service:
    """What all its processes are told."""

    store: str
    folder: Path
    issuer: str
    redis: str | None = None

    @classmethod
    def at(cls, store: str, folder: Path, *, redis: str | None = None) -> "Service":
        """Make one that will answer on a free port of this machine."""
        return cls(store, folder, f"http://127.0.0.1:{free_port()}", redis)

    def auth(self) -> Auth:
        """Make one process's `Auth`. Passwords cost nothing in it: they are not what is measured."""
        policy = replace(CHEAPEST, most_sessions=MOST_SESSIONS)
        key_file = self.folder / "bench.key"
        return Auth.at(self.store, key_file=key_file, redis=self.redis, issuer=self.issuer, policy=policy)

    async def log_in(self, *, users: int, each: int) -> list[Login]:
        """Begin sessions of new users, and return them: first one of each user, then the second ones."""
        async with self.auth().running() as auth:
            by_user = await asyncio.gather(*(_log_in(auth, f"user{n}@example.com", each) for n in range(users)))
        return [login for logins in zip(*by_user, strict=True) for login in logins]

    async def let_in(self) -> str:
        """Let another service follow the feed, and return its key."""
        async with self.auth().running() as auth:
            _, key = await auth.verifiers.add("bench", actor="bench")
        return key

    @contextlib.contextmanager
    def served(self, *, workers: int) -> Generator["Client"]:
        """Serve it over HTTP, and connect to one of its workers."""
        place = urlsplit(self.issuer)
        assert place.port is not None
        command = [str(Path(sys.executable).with_name("ostiary")), "serve", "--port", str(place.port)]
        command += ["--workers", str(workers), "--issuer", self.issuer]
        settings = {"OSTIARY_STORE": self.store, "OSTIARY_KEY_FILE": str(self.folder / "bench.key")}
        settings["OSTIARY_LOG_LEVEL"] = "warning"
        if self.redis is not None:
            settings["OSTIARY_REDIS"] = self.redis
        with running(command, place.port, settings):
            client = Client(http.client.HTTPConnection("127.0.0.1", place.port))
            yield client
            client.connection.close()


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the service, and the connection that it keeps."""

    connection: http.client.HTTPConnection

    def log_out(self, login: Login) -> None:
        """End a session, and wait for the answer."""
        self._ask("POST", "/auth/logout", login)

    def log_out_everywhere(self, login: Login) -> None:
        """End all sessions of a user, and wait for the answer."""
        self._ask("DELETE", "/auth/sessions?all=true", login)

    def _ask(self, method: str, path: str, login: Login) -> None:
        self.connection.request(method, path, headers={"authorization": f"Bearer {login.token}"})
        answer = self.connection.getresponse()
        said = answer.read()
        assert answer.status in {200, 204}, said


async def _log_in(auth: Auth, address: str, count: int) -> list[Login]:
    await auth.accounts.register(email=address, password=PASSWORD)
    proof = replace(await auth.prove(address, PASSWORD), taken=())
    logins: list[Login] = []
    for _ in range(count):
        issued = await auth.login(proof, carrier=Carrier.BEARER)
        assert issued.access_token is not None
        logins.append(Login(issued.session.id, issued.access_token))
    return logins
