"""The plugin of pytest. It is loaded in every run where Ostiary is installed, so it loads nothing; each fixture does.

| fixture   | is                                                                                                  |
|-----------|-----------------------------------------------------------------------------------------------------|
| `auth`    | an `Auth` in memory, not started: give it to the factory of your application, or put your own there |
| `user`    | the account of `ada@example.com` in it                                                              |
| `sign_in` | `ostiary.testing.sign_in`                                                                           |
"""
# ruff: noqa: PLC0415 - see above

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ostiary.auth import Auth
    from ostiary.core.user import Account
    from ostiary.sync import Auth as SyncAuth

pytest.register_assert_rewrite("ostiary.testing.conformance")


@pytest.fixture
def auth(tmp_path: Path) -> "Auth":
    """An `Auth` in memory, not started. A project that has one of its own puts that into a fixture of this name."""
    from ostiary.testing.memory import in_memory

    return in_memory(tmp_path)


@pytest.fixture
def user(auth: "Auth | SyncAuth") -> "Account":
    """The account of `ada@example.com`. It has no password: `sign_in` needs none."""
    import asyncio

    from ostiary.sync import Auth as SyncAuth
    from ostiary.sync.testing.sessions import settle as settle_at_once
    from ostiary.testing.loops import in_loop_of
    from ostiary.testing.sessions import settle

    if isinstance(auth, SyncAuth):
        with nullcontext() if auth.started else auth.running():
            return settle_at_once(auth, "ada@example.com")

    if auth.started:
        return in_loop_of(auth, lambda: settle(auth, "ada@example.com"))

    async def made(auth: "Auth") -> "Account":
        async with auth.running():
            return await settle(auth, "ada@example.com")

    return asyncio.run(made(auth))


@pytest.fixture
def sign_in() -> Callable[..., Any]:
    """`ostiary.testing.sign_in`, for who would rather ask for it than import it."""
    from ostiary.testing.signing_in import sign_in

    return sign_in
