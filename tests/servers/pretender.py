"""Something that listens where a PostgreSQL server is expected."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], None]


@contextmanager
def pretending(answer: Answer) -> Generator[int]:
    """Listen on a port, which is returned, and give each caller the answer. Then nothing more is said to them."""
    callers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listening.accept()
                    callers.append(caller)
                    with suppress(OSError):
                        answer(caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for caller in callers:
                caller.close()


def silence(_: socket.socket) -> None:
    """Say nothing."""


def http(caller: socket.socket) -> None:
    """Answer as a web server does."""
    caller.recv(1024)
    caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    caller.shutdown(socket.SHUT_RDWR)


def of_version(version: str) -> Answer:
    """Let a caller in as a PostgreSQL server of a version does: no TLS, no password, ready for the first query."""
    settings = {"server_version": version, "in_hot_standby": "off", "default_transaction_read_only": "off"}

    def answer(caller: socket.socket) -> None:
        caller.recv(1024)
        caller.sendall(b"N")
        caller.recv(1024)
        said = [_message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items()]
        caller.sendall(_message(b"R", bytes(4)) + b"".join(said) + _message(b"K", bytes(8)) + _message(b"Z", b"I"))

    return answer


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body
