"""A WebSocket as a client opens it (RFC 6455): enough to talk, and to see how it was closed."""

import os
import socket
from base64 import b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

TEXT, CLOSE, PING = 1, 8, 9


class Refused(Exception):
    """The handshake was not answered with 101. The status is in it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Closed(Exception):
    """The other side has closed. The code is in it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Talk:
    """An open WebSocket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.stream = connection.makefile("rb")

    def read_status(self) -> int:
        """Read the answer to the handshake."""
        status = int(self.stream.readline().split()[1])
        while self.stream.readline().strip():
            pass
        return status

    def say(self, text: str) -> None:
        """Send a text. What a client sends is masked; a mask of zeros leaves it as it is."""
        body = text.encode()
        assert len(body) < 126
        self._connection.sendall(bytes((0x80 | TEXT, 0x80 | len(body), 0, 0, 0, 0)) + body)

    def hear(self) -> str:
        """Wait for a text.

        Raises:
            Closed: there is none to come.
        """
        while True:
            head = self.stream.read(2)
            if len(head) < 2:
                raise Closed(1006)
            body = self.stream.read(head[1] & 0x7F)
            if head[0] & 0x0F == CLOSE:
                raise Closed(int.from_bytes(body[:2]))
            if head[0] & 0x0F == TEXT:
                return body.decode()


@contextmanager
def talking(url: str, headers: Mapping[str, str]) -> Generator[Talk]:
    """Open a WebSocket.

    Raises:
        Refused: it was not let in.
    """
    where = urlsplit(url)
    sent = {"Host": where.netloc, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    sent |= {"Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(), **headers}
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        talk = Talk(connection)
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        connection.sendall(f"GET {where.path} HTTP/1.1\r\n{lines}\r\n".encode())
        with talk.stream:
            status = talk.read_status()
            if status != 101:
                raise Refused(status)
            yield talk
