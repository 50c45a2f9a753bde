"""Threat: a logout that one path forgets, so that a session lives on where nobody looked (CVE-2025-29928).

Every way to revoke meets every carrier on every store: the process that did it refuses at once, and another process as
soon as the feed has told it. Clocks stand still here, so no lease runs out: nothing but the feed can be what refuses.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ostiary.core.access import Principal
from ostiary.core.keys import Purpose
from ostiary.core.letter import About, Letter
from ostiary.core.session import Carrier
from ostiary.web.endpoints import TABLE, Needs
from tests.attacks.visits import NEW_PASSWORD, Held, Street, code, street_of, taken
from tests.auth.mailing import token_of
from tests.conftest import PASSWORD, STORES, House, make_house

pytestmark = pytest.mark.xdist_group("timing")

PATIENCE = 1.0
"""Seconds. Milliseconds are usual; a busy machine gets this much."""


@dataclass
class Scene:
    """Three processes on one store: two that answer requests, and one in which an operator types a command."""

    here: Street
    there: Street
    operator: House


@dataclass
class Victim:
    """A session that is to end, and another one of the same user."""

    scene: Scene
    doomed: Held
    other: Held

    async def send(self, who: Held, method: str, path: str, **more: Any) -> None:
        """Do something over HTTP, successfully."""
        answer = await self.scene.here.send(method, path, held=who, **more)
        assert answer.is_success, answer.text

    @property
    def path(self) -> str:
        return f"/auth/sessions/{self.doomed.session_id}"


async def _by_reuse(victim: Victim) -> None:
    first = newest = victim.doomed
    for _ in range(3):
        newest = taken(await victim.scene.here.refresh(newest), newest)
    assert code(await victim.scene.here.refresh(first)) == (401, "invalid_grant")


async def _by_reset(victim: Victim) -> None:
    scene, email = victim.scene, f"{victim.doomed.carrier}@example.com"
    await victim.send(victim.other, "POST", "/auth/password/forgot", json={"email": email})
    boxes = [house.mail for house in (scene.here.house, scene.there.house, scene.operator)]
    letters: list[Letter] = []
    async with asyncio.timeout(20):  # any of the three may send it
        while not letters:
            await asyncio.sleep(0.01)
            everything = [letter for box in boxes for letter in box.letters]
            letters = [each for each in everything if (each.about, each.to) == (About.RESET_PASSWORD, email)]
    body = {"token": token_of(letters[0]), "new": NEW_PASSWORD}
    await victim.send(victim.other, "POST", "/auth/password/reset", json=body)


BY_HTTP: dict[str, Callable[[Victim], Awaitable[None]]] = {
    "POST /auth/logout": lambda v: v.send(v.doomed, "POST", "/auth/logout"),
    "DELETE /auth/sessions/{id} itself": lambda v: v.send(v.doomed, "DELETE", v.path),
    "DELETE /auth/sessions/{id} from another": lambda v: v.send(v.other, "DELETE", v.path),
    "DELETE /auth/sessions": lambda v: v.send(v.other, "DELETE", "/auth/sessions"),
    "DELETE /auth/sessions?all=true": lambda v: v.send(v.other, "DELETE", "/auth/sessions?all=true"),
    "POST /auth/password/change": lambda v: v.send(
        v.other, "POST", "/auth/password/change", json={"current": PASSWORD, "new": NEW_PASSWORD}
    ),
    "DELETE /auth/account": lambda v: v.send(v.other, "DELETE", "/auth/account", json={"password": PASSWORD}),
    "POST /auth/refresh, copied": _by_reuse,
    "POST /auth/password/reset": _by_reset,
}
BY_VERB: dict[str, Callable[[House, Held], Awaitable[object]]] = {
    "revoke": lambda house, held: house.auth.revoke(held.session_id, actor="test"),
    "revoke_all": lambda house, held: house.auth.revoke_all(held.user_id, actor="test"),
    "set_password": lambda house, held: house.auth.accounts.set_password(held.user_id, new=NEW_PASSWORD, actor="test"),
    "disable": lambda house, held: house.auth.accounts.disable(held.user_id, actor="test"),
    "delete": lambda house, held: house.auth.accounts.delete(held.user_id, actor="test"),
}


@pytest.fixture(params=STORES)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """Three processes that have started."""
    stores = [STORES[request.param](request, tmp_path)] * 3
    if request.param != "memory":
        stores = [STORES[request.param](request, tmp_path) for _ in range(3)]
    houses = [make_house(store, tmp_path) for store in stores]
    async with AsyncExitStack() as running:
        for house in houses:
            await running.enter_async_context(house.auth.running())
        yield Scene(street_of(houses[0]), street_of(houses[1]), houses[2])


async def victim_of(scene: Scene, carrier: Carrier) -> Victim:
    """Log a new user in twice, and let every process know both sessions."""
    email = f"{carrier}@example.com"
    await scene.here.house.user(email)
    doomed, other = await scene.here.login(carrier, email), await scene.here.login(Carrier.COOKIE, email)
    for street in (scene.here, scene.there):
        for held in (doomed, other):
            assert (await street.ask(held)).is_success
            assert is_known(street, held)
    return Victim(scene, doomed, other)


def is_known(street: Street, held: Held) -> bool:
    """Tell whether a guard lets a client in from memory alone."""
    headers = [(name.encode(), value.encode()) for name, value in held.headers().items()]
    return isinstance(street.house.auth.guard.check(headers, "GET"), Principal)


async def until_unknown(street: Street, held: Held) -> float:
    """Wait until a guard lets a client in no more, and return how long that took."""
    started = time.perf_counter()
    while is_known(street, held) and time.perf_counter() < started + PATIENCE:
        await asyncio.sleep(0.001)
    return time.perf_counter() - started


async def refuses(street: Street, held: Held) -> None:
    """See that a door refuses all that a client holds, whatever it is asked."""
    assert code(await street.ask(held)) == (401, "invalid_token")
    if held.refresh_token:
        assert code(await street.refresh(held)) == (401, "invalid_grant")


def test_the_ways() -> None:
    """Every route that can end a session is among the ways."""
    ending = {
        f"{route.method} {route.path}"
        for route in TABLE
        if route.method == "DELETE" or (route.forgets and route.needs is Needs.SESSION)
    }

    assert {way.partition(" from")[0].partition(" itself")[0].partition("?")[0] for way in BY_HTTP} >= ending


@pytest.mark.parametrize("way", BY_HTTP)
async def test_over_http(scene: Scene, way: str) -> None:
    """Once a request that ends a session has been answered, it is dead here at once and there within milliseconds."""
    for carrier in [Carrier.BEARER] if "copied" in way else Carrier:
        victim = await victim_of(scene, carrier)
        doomed = [victim.doomed]
        if carrier is Carrier.COOKIE:
            doomed.append(await scene.here.trade(victim.doomed))
            assert (await scene.there.ask(doomed[1])).is_success

        await BY_HTTP[way](victim)

        assert [is_known(scene.here, held) for held in doomed] == [False] * len(doomed)
        delay = max([await until_unknown(scene.there, held) for held in doomed])
        print(f"{way}, {carrier}: refused there after {delay * 1000:.1f} ms")
        assert delay < PATIENCE
        for held in doomed:
            await refuses(scene.here, held)
            await refuses(scene.there, held)


@pytest.mark.parametrize("way", BY_VERB)
async def test_by_verb(scene: Scene, way: str) -> None:
    """The same for who calls a verb in one of the processes."""
    for carrier in Carrier:
        doomed = (await victim_of(scene, carrier)).doomed

        await BY_VERB[way](scene.here.house, doomed)

        assert not is_known(scene.here, doomed)
        delay = await until_unknown(scene.there, doomed)
        print(f"{way}, {carrier}: refused there after {delay * 1000:.1f} ms")
        assert delay < PATIENCE
        await refuses(scene.here, doomed)
        await refuses(scene.there, doomed)


@pytest.mark.parametrize("way", BY_VERB)
async def test_by_an_operator(scene: Scene, way: str) -> None:
    """What a command beside the service ends, every process of the service refuses within milliseconds."""
    for carrier in Carrier:
        doomed = (await victim_of(scene, carrier)).doomed

        await BY_VERB[way](scene.operator, doomed)

        for street in (scene.here, scene.there):
            delay = await until_unknown(street, doomed)
            print(f"{way} by an operator, {carrier}: refused after {delay * 1000:.1f} ms")
            assert delay < PATIENCE
            await refuses(street, doomed)


@pytest.mark.parametrize("purpose", [Purpose.SESSION, Purpose.ACCESS])
async def test_a_retired_key(scene: Scene, purpose: Purpose) -> None:
    """What a retired key has signed is refused in every process within milliseconds, and nothing else is."""
    cookie = (await victim_of(scene, Carrier.COOKIE)).doomed
    bearer = (await victim_of(scene, Carrier.BEARER)).doomed
    doomed, spared = (cookie, bearer) if purpose is Purpose.SESSION else (bearer, cookie)

    await retire(scene.operator, purpose)

    for street in (scene.here, scene.there):
        delay = await until_unknown(street, doomed)
        print(f"a retired {purpose} key: refused after {delay * 1000:.1f} ms")
        assert delay < PATIENCE
        assert code(await street.ask(doomed)) == (401, "invalid_token")
        assert (await street.ask(spared)).is_success
    assert (await scene.here.refresh(bearer)).is_success is (purpose is Purpose.ACCESS)


@pytest.mark.parametrize("purpose", [Purpose.SESSION, Purpose.ACCESS])
async def test_a_retired_key_here(scene: Scene, purpose: Purpose) -> None:
    """The process that retires a key refuses what it has signed at once, as it does after a logout."""
    doomed = (await victim_of(scene, Carrier.COOKIE if purpose is Purpose.SESSION else Carrier.BEARER)).doomed

    await retire(scene.here.house, purpose)

    assert not is_known(scene.here, doomed)


async def retire(house: House, purpose: Purpose) -> None:
    """Retire the one key of a purpose."""
    (kid,) = [record.id for record in await house.auth.keys.all() if record.purpose is purpose]
    await house.auth.keys.retire(kid, actor="test")
