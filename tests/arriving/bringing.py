"""The command as an operator types it, and who can log in afterwards."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ostiary import Auth
from ostiary.core.decision import Reason
from ostiary.core.session import Carrier
from ostiary.core.user import Account
from ostiary.errors import Refused
from tests.server.running import here as ostiary


def bring(url: str, source: str, *more: str, cwd: Path) -> dict[str, Any]:
    """Bring accounts in, and return the report."""
    done = ostiary("import", "--data", "data", "--json", "--yes", "--from", source, url, *more, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def listed(cwd: Path) -> list[dict[str, Any]]:
    """Return all users, in the order of their addresses."""
    users = json.loads(ostiary("users", "list", "--data", "data", "--json", cwd=cwd).stdout)
    return sorted(users, key=lambda user: str(user["email"]))


def log_in(cwd: Path, attempts: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Account | None]:
    """Try addresses with passwords, one after the other. Returns the account of each that let somebody in."""

    async def tried() -> dict[tuple[str, str], Account | None]:
        found = dict[tuple[str, str], Account | None]()
        async with Auth.embedded(cwd / "data" / "ostiary.db", issuer="http://localhost:8000").running() as auth:
            for n, (address, password) in enumerate(attempts):
                try:
                    proof = await auth.prove(address, password, ip=f"192.0.2.{n}")  # nobody's tries are too many
                    await auth.login(proof, carrier=Carrier.COOKIE)
                except Refused as refused:
                    if refused.reason not in {Reason.BAD_CREDENTIALS, Reason.USER_DISABLED}:
                        raise
                    found[address, password] = None
                else:
                    account = await auth.accounts.find(address)
                    assert account is not None
                    assert account.user.id == proof.user_id
                    found[address, password] = account
        return found

    return asyncio.run(tried())
