"""What a guard holds and does, measured on its own parts: real `Floors`, real entries of a real `Guard`."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from ostiary import Auth, Carrier
from ostiary.core.access import Roles
from ostiary.core.base64url import encode_base64url
from ostiary.core.floor import NONE_IS_GOOD, Entry, Floor, Floors, Head, Snapshot
from ostiary.core.policy import WEB
from ostiary.core.session import Session
from ostiary.core.token import AccessToken
from ostiary.core.user import User
from ostiary.feed.wire import FloorOut, SnapshotOut, event
from ostiary.system import SystemClock, SystemEntropy

MANY = 50_000
ROUNDS = 5
NOW = datetime(2026, 1, 1, tzinfo=UTC)
INCARNATION = "Zm9yIHRoZSBiZW5jaA.00000001.16384"  # as long as PostgreSQL's
ROLES = ("reader", "writer", "admin")


def measured(folder: Path) -> dict[str, Any]:
    """Return what memory and time a guard needs, by the names of `Costs`."""
    floors = tuple(Floor(_sid(), NONE_IS_GOOD, NOW + timedelta(seconds=seq % 600)) for seq in range(MANY))
    entries = [Entry(seq, floor) for seq, floor in enumerate(floors, 1)]
    text = _written(floors)

    def started() -> Floors:
        floors = Floors(WEB)
        floors.start(Snapshot(Head(INCARNATION, 0), ()), asked_at=0.0, elapsed=0.0)
        return floors

    return {
        "row_bytes": len(event(Head(INCARNATION, MANY), FloorOut.of(floors[-1]))),
        "snapshot_bytes": len(text) / MANY,
        "apply": _seconds(lambda: started().apply(entries, elapsed=1.0)),
        "start": _seconds(lambda: _taken_in(Snapshot(Head(INCARNATION, MANY), floors))),
        "build": _seconds(lambda: _written(floors)),
        "parse": _seconds(lambda: _read(text)),
        "floor_bytes": _bytes(lambda: _taken_in(_read(text))),  # names and times are held by nobody else
        **_entry_bytes(folder),
    }


def _written(floors: Sequence[Floor]) -> bytes:
    """Write a snapshot as a process that serves the feed does it."""
    return msgspec.json.encode(
        SnapshotOut(
            incarnation=INCARNATION,
            seq=MANY,
            issuer="https://id.example",
            lease=WEB.lease.total_seconds(),
            access_life=WEB.access_life.total_seconds(),
            leeway=WEB.leeway.total_seconds(),
            floors=tuple(FloorOut.of(floor) for floor in floors),
            documents=(),
        )
    )


def _read(text: bytes) -> Snapshot:
    snapshot = msgspec.json.decode(text, type=SnapshotOut)
    return Snapshot(snapshot.read(), tuple(floor.read() for floor in snapshot.floors))


def _taken_in(snapshot: Snapshot) -> Floors:
    floors = Floors(WEB)
    floors.start(snapshot, asked_at=1.0, elapsed=1.0)
    return floors


def _entry_bytes(folder: Path) -> dict[str, float]:
    """Have a guard remember cookies and tokens, each of a user of its own."""

    def guard() -> Auth:
        auth = Auth.embedded(folder / "memory.db", issuer="https://id.example")
        auth.guard.equip(keyring=auth.keyring, roles=Roles.of({"reader": ["read"], "writer": ["write"]}))
        auth.guard._verified._most = 2 * MANY  # noqa: SLF001 - so that one generation holds all
        return auth

    def cookies() -> Auth:
        auth = guard()
        for _ in range(MANY):
            auth.guard._remember_session(*_session(), 1.0, _digest())  # noqa: SLF001 - what a miss does in the end
        auth.guard.seen = {}
        return auth

    def tokens() -> Auth:
        auth = guard()
        for _ in range(MANY):
            auth.guard._remember_token(_token(), _digest())  # noqa: SLF001 - same
        return auth

    guard()  # what loads once is not counted
    return {"cookie_bytes": _bytes(cookies), "token_bytes": _bytes(tokens)}


# ------------------------------------------------------------------------------------------------ how


def _seconds(work: Callable[[], object]) -> float:
    """Return the processor's seconds for one of `MANY`: the median of some rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return sorted(times)[ROUNDS // 2] / MANY


def _bytes(make: Callable[[], object]) -> float:
    """Return the memory that one of `MANY` takes while it is held."""
    gc.collect()
    tracemalloc.start()
    held = make()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held is not None
    return size / MANY


# ------------------------------------------------------------------------------------------------ what

_entropy = SystemEntropy()
_clock = SystemClock()


def _sid() -> str:
    return encode_base64url(_entropy.bytes(16))


def _digest() -> bytes:
    return _entropy.bytes(32)


def _session() -> tuple[Session, User]:
    now = _clock.now()
    user = User(id=_sid(), name="Ada", roles=ROLES, created_at=now)
    session = Session(
        id=_sid(),
        user_id=user.id,
        carrier=Carrier.COOKIE,
        client_id="ostiary",
        amr=("pwd",),
        auth_time=now,
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(days=30),
        tokens_until=now,
        turned_at=now,
    )
    return session, user


def _token() -> AccessToken:
    """Return a token as it is read: every claim is a value of its own, as a decoder makes it."""
    now = int(_clock.now().timestamp())
    return AccessToken(
        iss="https://id.example",
        sub=_sid(),
        aud="https://id.example",
        client_id="ostiary",
        iat=now,
        exp=now + 600,
        jti=_sid(),
        sid=_sid(),
        rev=1,
        auth_time=now,
        acr="aal1",
        amr=tuple(msgspec.json.decode(b'["pwd"]')),
        roles=tuple(msgspec.json.decode(b'["reader","writer","admin"]')),
    )
