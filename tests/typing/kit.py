"""What the two type checkers see of `ostiary.testing`. Nothing of this is run: `make check` reads it."""

from pathlib import Path
from typing import Any, assert_type

import flask.testing
import httpx
import litestar.testing
from starlette.testclient import TestClient

from ostiary import Auth, Issued, sync
from ostiary.core.user import Account
from ostiary.testing import auth_behind, in_memory, settle, sign_in


async def signing_in(
    *,
    awaited: httpx.AsyncClient,
    blocking: httpx.Client,
    starlette: TestClient,
    of_litestar: litestar.testing.TestClient[Any],
    of_flask: flask.testing.FlaskClient,
    user: Account,
) -> None:
    """What comes is awaited where requests are, and there at once where they are not."""
    assert_type(await sign_in(awaited, user), Issued)
    assert_type(sign_in(blocking, user), Issued)
    assert_type(sign_in(starlette, user, roles=["editor"]), Issued)
    assert_type(sign_in(of_litestar, user), Issued)
    assert_type(sign_in(of_flask, user), Issued)


async def making(folder: Path) -> None:
    """What is made has its own type."""
    auth = in_memory(folder)
    assert_type(auth, Auth)
    assert_type(await settle(auth, "ada@example.com"), Account)
    assert_type(auth_behind(print), Auth | sync.Auth)
