"""What many tests start from: an `Auth` on each store, with time and reports in the test's hand."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings, settings

from ostiary import Auth, Issued
from ostiary.auth import Minted
from ostiary.core.access import Principal
from ostiary.core.decision import Denied
from ostiary.core.policy import Policy
from ostiary.core.session import Carrier, Device
from ostiary.core.site import Site
from ostiary.core.user import Account
from ostiary.feed.redis import RedisStream
from ostiary.guard import Headers
from ostiary.keys.vault import SealedVault
from ostiary.methods.password import Password
from ostiary.ports import Entropy, Mailer, Store
from ostiary.stores.memory import MemoryStore
from ostiary.stores.redis import RedisBeside
from ostiary.stores.sql import SqlStore, sqlite_url
from ostiary.stores.sql.migrations import upgrade
from ostiary.stores.sql.schema import metadata
from ostiary.sync import Auth as SyncAuth
from ostiary.system import SystemEntropy
from ostiary.testing import CHEAPEST, CountedEntropy, FakeClock, Mailbox, Recorder
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

PASSWORD = "a lantern in the harbour"
ISSUER = "https://id.example"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test that reads the real clock try again: on a busy machine a measurement may be of the neighbours.

    What is promised within a time is broken when it is missed three times in a row. pytest reports each new try.
    """
    for item in items:
        module = item.getparent(pytest.Module)
        reads_clock = module is not None and getattr(module.obj, "time", None) is time
        if reads_clock or any(mark.args == ("timing",) for mark in item.iter_markers("xdist_group")):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


@dataclass
class House:
    """An `Auth` and what it was made from."""

    auth: Auth
    clock: FakeClock
    recorder: Recorder
    store: Store
    folder: Path
    mail: Mailbox

    async def user(self, email: str = "ada@example.com", **more: Any) -> Account:
        """Register a user, with the password that all test users have."""
        return await self.auth.accounts.register(email=email, password=PASSWORD, **more)

    async def login(self, carrier: Carrier, email: str = "ada@example.com", password: str = PASSWORD) -> Issued:
        """Log a user in."""
        proof = await self.auth.prove(email, password)
        return await self.auth.login(proof, carrier=carrier, device=Device(name="a test"))

    async def check(self, issued: Issued | Minted, method: str = "GET") -> Principal | Denied:
        """Present what was issued: the access token if there is one, else the cookie."""
        return await self.auth.authenticate(headers_of(self.auth, issued), method)


def headers_of(auth: Auth | SyncAuth, issued: Issued | Minted) -> Headers:
    """Return the headers in which a client carries its session, as a page of ours sends them."""
    if isinstance(issued, Minted) or issued.access_token is not None:
        return [(b"authorization", f"Bearer {issued.access_token}".encode())]
    cookie = f"{auth.site.cookie_name}={issued.session_token}".encode()
    return [(b"cookie", cookie), (b"sec-fetch-site", b"same-origin")]


def sqlite_store(folder: Path) -> Store:
    """Return a store on a file in a folder."""
    return SqlStore(sqlite_url(folder / "ostiary.db"), migrate=True)


Make = Callable[[pytest.FixtureRequest, Path], Store]
"""Makes a store for a test, which has a folder of its own."""

STORES: dict[str, Make] = {
    "memory": lambda *_: MemoryStore(),
    "sqlite": lambda _, folder: sqlite_store(folder),
    "postgres": lambda request, _: SqlStore(request.getfixturevalue("postgres_url")),
}


def make_house(
    store: Store,
    folder: Path,
    *,
    policy: Policy = CHEAPEST,
    clock: FakeClock | None = None,
    redis: str | None = None,
    site: Site = Site.of(ISSUER),  # noqa: B008 - frozen
    password: Password | None = None,
    mailer: Mailer | None = None,
    has_mail: bool = True,
    entropy: Entropy | None = None,
) -> House:
    """Put an `Auth` together. Two houses on one folder share their keys, as two worker processes do."""
    clock, recorder, mail = clock or FakeClock(), Recorder(), Mailbox()
    vault = SealedVault(folder / "master.key", entropy=SystemEntropy())
    stream = None
    if redis is not None:
        store = RedisBeside(store, redis, clock=clock, secrets=partial(vault.derive, "challenges"))
        stream = RedisStream(redis, secrets=partial(vault.derive, "stream"))
    auth = Auth(
        store=store,
        stream=stream,
        vault=vault,
        password=password or Password(policy.password),
        site=site,
        clock=clock,
        entropy=entropy or CountedEntropy(),
        sink=recorder,
        mailer=(mailer or mail) if has_mail else None,
        policy=policy,
    )
    return House(auth, clock, recorder, store, folder, mail)


@pytest.fixture(params=STORES)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A started `Auth`, once on each store."""
    house = make_house(STORES[request.param](request, tmp_path), tmp_path)
    async with house.auth.running():
        yield house


@pytest.fixture(scope="session")
def django_settings(tmp_path_factory: pytest.TempPathFactory) -> LazySettings:
    """The settings of the example project, on a database of this process. Django has one set of them in a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE", str(tmp_path_factory.mktemp("django") / "app.db"))
        patch.setenv("DJANGO_SETTINGS_MODULE", "examples.django_project.settings")
        assert settings.INSTALLED_APPS  # which reads them
    return settings


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for all tests of this process. Who stops or breaks a server makes one of their own."""
    with Postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database in PostgreSQL."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The URL of a database that has our schema."""
    url = postgres.database()
    with ThreadPoolExecutor(1) as elsewhere:  # a test that asks for it may run in an event loop already
        elsewhere.submit(upgrade, url).result()
    return url


@pytest.fixture
def postgres_url(postgres: Postgres, migrated: str) -> str:
    """The URL of a database in PostgreSQL that has our schema and nothing else. It is emptied for each test."""
    tables = ", ".join(table for table in metadata.tables if table != "feed_head")
    emptied = f"TRUNCATE {tables}; UPDATE feed_head SET seq = 0, incarnation = md5(random()::text)"  # noqa: S608 - ours
    postgres.query(emptied, database=urlsplit(migrated).path[1:])
    return migrated


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis for all tests of this process. Nobody has emptied it: `flush` does."""
    with Redis() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that a test may break. It has a password."""
    with Redis(password="correct-horse") as server:
        yield server
