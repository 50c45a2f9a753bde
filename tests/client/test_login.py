"""A program that is signed in, against the real service."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ostiary.client import FilePlace, Login, MemoryPlace, NotSignedIn, Refusal, SignedOut
from ostiary.errors import Misconfigured, Unavailable
from tests.server.running import PASSWORD, Service

ADA = "ada@example.com"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one user."""
    with Service(tmp_path_factory.mktemp("client") / "data") as service:
        with service.client() as client:
            client.post("/auth/register", json={"email": ADA, "password": PASSWORD}).raise_for_status()
        yield service


class Line(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A line to the service that counts what goes over it, and loses what a test tells it to lose."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.loses: Callable[[str], bool] = lambda _: False
        self._sync = httpx.HTTPTransport()
        self._async = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=20))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.url.path)
        response = self._sync.handle_request(request)
        response.read()
        if self.loses(request.url.path):
            raise httpx.ReadError("lost")
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request.url.path)
        response = await self._async.handle_async_request(request)
        await response.aread()
        if self.loses(request.url.path):
            raise httpx.ReadError("lost")
        return response

    def close(self) -> None:
        """Stay open: one line serves a whole test."""

    async def aclose(self) -> None:
        """Stay open, too."""

    async def end(self) -> None:
        """Close it."""
        self._sync.close()
        await self._async.aclose()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A line that is closed after the test."""
    line = Line()
    yield line
    await line.end()


def refreshes(line: Line) -> int:
    """Say how often a refresh was sent."""
    return line.sent.count("/auth/refresh")


def old_login(service: Service, line: Line, place: MemoryPlace | FilePlace | None = None) -> Login:
    """Return a login that has no access token any more, as after a restart of its program."""
    place = place or MemoryPlace()
    Login(service.url, place=place).sign_in(ADA, PASSWORD)
    return Login(service.url, place=place, transport=line, async_transport=line)


def test_two_hundred_threads(service: Service, line: Line) -> None:
    """Two hundred requests at once without an access token refresh once, and all are answered."""
    login = old_login(service, line)
    with httpx.Client(auth=login, transport=line) as client, ThreadPoolExecutor(200) as many:
        answers = list(many.map(lambda _: client.get(f"{service.url}/auth/session").status_code, range(200)))

    assert answers == [200] * 200
    assert refreshes(line) == 1


async def test_two_hundred_tasks(service: Service, line: Line) -> None:
    """The same in an event loop."""
    login = await asyncio.to_thread(old_login, service, line)
    async with httpx.AsyncClient(auth=login, transport=line, timeout=30) as client:
        answers = await asyncio.gather(*(client.get(f"{service.url}/auth/session") for _ in range(200)))

    assert [answer.status_code for answer in answers] == [200] * 200
    assert refreshes(line) == 1


def test_access_token_refused(service: Service, line: Line) -> None:
    """Requests whose access token has died refresh once between them, and go again."""
    login = old_login(service, line)
    with httpx.Client(auth=login, transport=line) as client:
        client.get(f"{service.url}/auth/session").raise_for_status()
        client.post(f"{service.url}/auth/step-up", json={"password": PASSWORD}).raise_for_status()
        before = refreshes(line)
        with ThreadPoolExecutor(20) as many:
            answers = list(many.map(lambda _: client.get(f"{service.url}/auth/session").status_code, range(20)))

    assert answers == [200] * 20
    assert refreshes(line) == before + 1


def test_lost_answer(service: Service, line: Line) -> None:
    """A refresh whose answer is lost is asked again, and leads to the same session."""
    login = old_login(service, line)
    line.loses = lambda path: path == "/auth/refresh" and refreshes(line) == 1
    with httpx.Client(auth=login, transport=line) as client:
        answer = client.get(f"{service.url}/auth/session")

    assert answer.status_code == 200
    assert refreshes(line) == 2


def test_lost_login(service: Service, line: Line) -> None:
    """A login whose answer is lost is not sent twice: it would be two sessions."""
    line.loses = lambda path: path == "/auth/login"
    with pytest.raises(Unavailable):
        Login(service.url, transport=line).sign_in(ADA, PASSWORD)

    assert line.sent == ["/auth/login"]


def test_next_run_of_the_program(service: Service, line: Line, tmp_path: Path) -> None:
    """Another process with the same file is signed in, and both stay in."""
    place = FilePlace(tmp_path / "kept" / "token")
    one, two = old_login(service, line, place), Login(service.url, place=place, transport=line, async_transport=line)
    answers = []
    for login in (one, two, one, two):
        with httpx.Client(auth=login, transport=line) as client:
            answers.append(client.get(f"{service.url}/auth/session").json()["session"]["id"])

    assert len(set(answers)) == 1


def test_modes_of_the_file(tmp_path: Path) -> None:
    """The file is its owner's alone whatever the umask, also while it is written; one that others can read is not."""
    file = tmp_path / "token"
    before = os.umask(0)
    try:
        FilePlace(file).write("os1r.secret")
    finally:
        os.umask(before)
    mode = stat.S_IMODE(file.stat().st_mode)
    file.chmod(0o640)

    assert mode == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    with pytest.raises(Misconfigured, match="chmod 600"):
        FilePlace(file).read()


def test_not_through_a_link(tmp_path: Path) -> None:
    """A link that stands where the file should be is replaced, and what it leads to is not touched."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "token").symlink_to(elsewhere)
    FilePlace(tmp_path / "token").write("os1r.secret")

    assert elsewhere.read_text() == "mine"
    assert not (tmp_path / "token").is_symlink()


def test_signed_out(service: Service, line: Line) -> None:
    """After a logout elsewhere the next request says so, and nothing is kept."""
    place = MemoryPlace()
    login = old_login(service, line)
    login = Login(service.url, place=place, transport=line, async_transport=line)
    login.sign_in(ADA, PASSWORD)
    with service.client(auth=login) as client:
        client.request("DELETE", "/auth/sessions", params={"all": "true"}).raise_for_status()
        with pytest.raises(SignedOut):
            client.get("/auth/session")
        with pytest.raises(NotSignedIn):
            client.get("/auth/session")

    assert place.read() is None


def test_sign_out(service: Service) -> None:
    """Signing out ends the session on the service, and the copied refresh token with it."""
    place = MemoryPlace()
    login = Login(service.url, place=place)
    login.sign_in(ADA, PASSWORD)
    copied = place.read()
    assert copied
    login.sign_out()
    stolen = MemoryPlace()
    stolen.write(copied)

    assert place.read() is None
    with service.client(auth=Login(service.url, place=stolen)) as client, pytest.raises(SignedOut):
        client.get("/auth/session")


async def test_sign_in_and_out_async(service: Service) -> None:
    """All of it in an event loop."""
    login = Login(service.url)
    await login.sign_in_async(ADA, PASSWORD)
    async with httpx.AsyncClient(auth=login) as client:
        answer = await client.get(f"{service.url}/auth/session")
        await login.sign_out_async()
        with pytest.raises(NotSignedIn):
            await client.get(f"{service.url}/auth/session")

    assert answer.json()["user"]["email"] == ADA


def test_wrong_password(service: Service) -> None:
    """A refusal says why in a word for the program."""
    with pytest.raises(Refusal) as refused:
        Login(service.url).sign_in(ADA, "something else entirely")

    assert refused.value.code == "bad_credentials"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/there",
        "http://evil.example/",
        "https://127.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "http://user@evil.example/",
    ],
)
def test_only_for_its_origins(service: Service, url: str) -> None:
    """No other origin is ever sent the token: not another port, scheme or host."""
    login = Login(service.url)
    login.sign_in(ADA, PASSWORD)
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200)

    with httpx.Client(auth=login, transport=httpx.MockTransport(answer)) as client:
        client.get(url)

    assert [found for found in seen if found and "Bearer" in found] == []


def test_not_along_a_redirect(service: Service) -> None:
    """A redirect to another origin does not take the token along."""
    login = Login(service.url)
    login.sign_in(ADA, PASSWORD)
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[request.url.host] = request.headers.get("authorization")
        elsewhere = {"location": "https://evil.example/"}
        return httpx.Response(200) if request.url.host == "evil.example" else httpx.Response(302, headers=elsewhere)

    with httpx.Client(auth=login, transport=httpx.MockTransport(answer), follow_redirects=True) as client:
        client.get(f"{service.url}/start")

    assert seen["127.0.0.1"]
    assert seen["evil.example"] is None


def test_no_secret_in_a_repr(service: Service) -> None:
    """What is printed of a login shows no token."""
    place = MemoryPlace()
    login = Login(service.url, place=place)
    login.sign_in(ADA, PASSWORD)

    assert str(place.read()) not in repr(vars(login)) + repr(login)
    assert "eyJ" not in repr(vars(login))
