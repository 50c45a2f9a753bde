"""Another service, as a verifier sees it: three routes of the feed and a key set, behind a real socket. It can lie."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec

from ostiary.core.floor import NONE_IS_GOOD, Floor, Head
from ostiary.core.keys import SignatureKey
from ostiary.core.policy import WEB
from ostiary.core.token import AccessToken, mint
from ostiary.feed.wire import BEAT, RESET, DocumentOut, FloorOut, HeadOut, SnapshotOut, event, read_id
from tests.core.vectors import CLAIMS, signature_key

KEY = "osv1.a-verifier.its-secret"
AUDIENCE = "orders"
LEASE = 1.0

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
_jti = count()


@dataclass
class Issuer:
    """What the service knows, and how it behaves. `instead` holds other answers than the right ones, by path."""

    port: int = 0
    prefix: str = "/auth"
    key: SignatureKey = field(default_factory=lambda: signature_key("es256"))
    incarnation: str = "one"
    changes: list[FloorOut | DocumentOut] = field(default_factory=list)
    documents: dict[str, DocumentOut] = field(default_factory=dict)
    left: float = LEASE
    asked: Counter[str] = field(default_factory=Counter)
    authorizations: set[str] = field(default_factory=set)
    instead: dict[str, Answer] = field(default_factory=dict)
    is_mute: bool = False
    """Whether streams bring nothing."""
    head_lags: int = 0
    streams: "list[asyncio.Queue[bytes]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.documents["keys"] = DocumentOut(name="keys", version=1, body=self.jwks())
        self.documents["roles"] = DocumentOut(name="roles", version=1, body={"editor": ["posts:write"]})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def seq(self) -> int:
        return len(self.changes)

    def jwks(self, *keys: SignatureKey) -> dict[str, Any]:
        """Return the public keys, those of this issuer if none are named."""
        return {"keys": [dict(key.jwk) for key in keys or (self.key,)]}

    def token(self, sid: str = "a-session", *, life: float = 300, key: SignatureKey | None = None, **more: Any) -> str:
        """Mint an access token that is good now."""
        now = int(time.time())
        ours = {"iss": self.url, "aud": AUDIENCE, "sid": sid, "jti": f"t{next(_jti)}", "roles": ["editor"]}
        times = {"iat": now - 5, "auth_time": now - 5, "exp": int(now + life)}
        claims = msgspec.convert({**CLAIMS, **ours, **times, **more}, AccessToken)
        token = mint(claims, key=key or self.key, policy=WEB)
        assert isinstance(token, str)
        return token

    # -------------------------------------------------------------------------------------------- what happens

    def change(self, what: FloorOut | DocumentOut) -> None:
        """Append to the feed, and tell every stream."""
        self.changes.append(what)
        if isinstance(what, DocumentOut):
            self.documents[what.name] = what
        if not self.is_mute:
            self.tell(event(Head(self.incarnation, self.seq), what))

    def tell(self, text: bytes) -> None:
        """Send something down every stream."""
        for stream in self.streams:
            stream.put_nowait(text)

    def revoke(self, sid: str = "a-session") -> None:
        """End a session."""
        self.change(FloorOut.of(Floor(sid, NONE_IS_GOOD, datetime.now(UTC) + timedelta(minutes=10))))

    def supersede(self, sid: str, revision: int) -> None:
        """Raise a session's floor."""
        self.change(FloorOut.of(Floor(sid, revision, datetime.now(UTC) + timedelta(minutes=10))))

    def publish(self, name: str, body: Any) -> None:
        """Put another version of a document on the feed."""
        self.change(DocumentOut(name=name, version=self.documents[name].version + 1, body=body))

    def begin_anew(self, incarnation: str) -> None:
        """Fail over to a store that has lost the end of the feed."""
        self.incarnation = incarnation
        self.changes = []

    # -------------------------------------------------------------------------------------------- HTTP

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a connection until it is closed."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                path = request.split(" ")[1]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                self.asked[path] += 1
                path = path.replace(self.prefix, "/auth", 1)
                self.authorizations.add(headers.get("authorization", ""))
                if path in self.instead:
                    await self.instead[path](writer)
                elif path == "/auth/feed":
                    await self._stream(writer, headers.get("last-event-id", ""))
                else:
                    await say(writer, self.body(path))
        writer.close()

    def body(self, path: str) -> Any:
        seq = self.seq - self.head_lags
        match path:
            case "/auth/feed/head":
                return HeadOut(incarnation=self.incarnation, seq=seq, lease=self.left)
            case "/auth/feed/snapshot":
                floors: dict[str, FloorOut] = {one.sid: one for one in self.changes if isinstance(one, FloorOut)}
                return SnapshotOut(
                    incarnation=self.incarnation,
                    seq=self.seq,
                    issuer=self.url,
                    lease=LEASE,
                    access_life=600,
                    leeway=30,
                    floors=tuple(floors.values()),
                    documents=tuple(self.documents.values()),
                )
            case _:
                return self.jwks()

    async def _stream(self, writer: asyncio.StreamWriter, last: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + BEAT)
        after, stream = read_id(last), asyncio.Queue[bytes]()
        if after is None or after.incarnation != self.incarnation or after.seq > self.seq:
            stream.put_nowait(RESET)
        elif not self.is_mute:
            for at in range(after.seq, self.seq):
                stream.put_nowait(event(Head(self.incarnation, at + 1), self.changes[at]))
        self.streams.append(stream)
        try:
            while True:
                await writer.drain()
                writer.write(await stream.get())
        finally:
            self.streams.remove(stream)


async def say(writer: asyncio.StreamWriter, body: Any, status: str = "200 OK", headers: str = "") -> None:
    """Answer with a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    writer.write(f"HTTP/1.1 {status}\r\n{headers}content-length: {len(content)}\r\n\r\n".encode() + content)
    await writer.drain()


async def hang(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def drop(writer: asyncio.StreamWriter) -> None:
    """Close the connection."""
    writer.close()
    raise ConnectionResetError


@asynccontextmanager
async def serving(issuer: Issuer) -> AsyncGenerator[Issuer]:
    """Serve on a port of this machine: the one that the issuer has, or any."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await issuer.answer(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            connections.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", issuer.port)
    issuer.port = server.sockets[0].getsockname()[1]
    try:
        yield issuer
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
