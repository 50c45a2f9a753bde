"""A service on another origin: it lets in who shows a token that the issuer knows, and remembers what it saw."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import httpx

from tests.browser.browsing import answering

_PROVE_AGAIN = b'{"code": "insufficient_user_authentication"}'


@dataclass
class Orders:
    """What it knows, and what it saw."""

    issuer: str
    origin: str = ""
    onward: str = ""
    """Where `/onward` leads to."""
    shown: list[str | None] = field(default_factory=list)
    """What stood in `Authorization`, in each request."""
    bodies: list[bytes] = field(default_factory=list)
    """What was sent by who was let in."""

    def judge(self, authorization: str | None) -> tuple[int, bytes]:
        """Say who is asking, as the issuer knows them."""
        self.shown.append(authorization)
        headers = {"authorization": authorization} if authorization else {}
        answer = httpx.get(f"{self.issuer}/auth/session", headers=headers, trust_env=False, timeout=20)
        return answer.status_code, answer.content


@contextmanager
def ordering(orders: Orders) -> Generator[Orders]:
    """Answer as this service, for pages of any origin."""

    class Counter(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._answer(204, b"")

        def do_GET(self) -> None:
            if self.path == "/onward":
                self._answer(302, b"", location=orders.onward)
            elif self.path == "/strict":
                orders.shown.append(self.headers["authorization"])
                self._answer(401, _PROVE_AGAIN)
            else:
                self._answer(*orders.judge(self.headers["authorization"]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, said = orders.judge(self.headers["authorization"])
            if status == 200:
                orders.bodies.append(body)
            self._answer(status, said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it overrides
            pass

        def _answer(self, status: int, body: bytes, **more: str) -> None:
            self.send_response(status)
            self.send_header("access-control-allow-origin", "*")
            self.send_header("access-control-allow-headers", "authorization, content-type")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with answering(Counter) as origin:
        orders.origin = origin
        yield orders
