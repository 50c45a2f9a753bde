"""An `Auth` that forgets everything: for the factory of an application that is tested."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ostiary.auth import Auth
from ostiary.core.mount import PREFIX
from ostiary.core.policy import CHEAPEST, Policy
from ostiary.core.site import Site
from ostiary.keys.vault import SealedVault
from ostiary.methods.password import Password
from ostiary.ports import Clock, EventSink
from ostiary.stores.memory import MemoryStore
from ostiary.system import SystemClock, SystemEntropy


def in_memory(
    folder: Path,
    *,
    issuer: str = "http://localhost:8000",
    policy: Policy = CHEAPEST,
    clock: Clock | None = None,
    audience: str | None = None,
    prefix: str = PREFIX,
    roles: Mapping[str, Sequence[str]] | None = None,
    sink: EventSink | None = None,
) -> Auth:
    """Make an `Auth` on a store in memory, with its key file in a folder. Its passwords are hashed at no cost.

    `clock`: a `FakeClock`, for a test that lets time pass. The rest is as for `Auth.embedded`.
    """
    entropy = SystemEntropy()
    return Auth(
        store=MemoryStore(),
        vault=SealedVault(folder / "ostiary.key", entropy=entropy),
        password=Password(policy.password),
        site=Site.of(issuer, prefix=prefix),
        clock=clock or SystemClock(),
        entropy=entropy,
        policy=policy,
        audience=audience,
        roles=roles,
        sink=sink,
    )
