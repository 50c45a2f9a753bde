"""Threat: a secret turns up where nobody was given it: in a log, a traceback, an audit record, a metric, a file.

One run mints every kind of secret and fails in every way that can be forced. Each secret, in each form that it is
usually written in, is then searched for in all that was left behind.
"""

import asyncio
import traceback
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ostiary.asgi import Door
from ostiary.core.keys import Purpose
from ostiary.core.letter import About
from ostiary.core.session import Carrier
from ostiary.errors import OstiaryError
from ostiary.keys.vault import SealedVault
from ostiary.methods.password import Password
from ostiary.server.app import not_found
from ostiary.system import SystemEntropy
from ostiary.testing import CHEAPEST
from ostiary.web import bodies
from ostiary.web.http import Request, Response
from ostiary.web.metrics import Metrics
from tests.attacks.traces import Run, listening
from tests.attacks.visits import BROWSER, NEW_PASSWORD, SECRETS, Held, Street, taken
from tests.auth.mailing import token_of
from tests.conftest import PASSWORD, House, make_house, sqlite_store

WRONG = "another lantern in the harbour"
SET = "a third lantern, on the pier"
TYPED = (PASSWORD, NEW_PASSWORD, WRONG, SET)
EMAIL = "ada@example.com"
JSON = {"content-type": "application/json"}


class Clumsy(Password):
    """A method that fails for one user, and says in its message all that it knew."""

    async def prove(self, *args: Any, address: str, password: str, **more: Any) -> Any:
        if address == "clumsy@example.com":
            raise ValueError(f"cannot check {password!r} of {address!r}") from KeyError(password)
        return await super().prove(*args, address=address, password=password, **more)


class Heard(Street):
    """A street on which every answer is kept. What an answer is meant to give is taken out of it first."""

    run: Run

    async def send(self, *args: Any, **more: Any) -> httpx.Response:
        answer = await super().send(*args, **more)
        kept = f"{answer.status_code} {answer.headers.multi_items()}"
        body = answer.text
        if answer.is_success:
            given = [answer.headers.get("set-cookie", "").partition(";")[0].rpartition("=")[2]]
            if "json" in answer.headers.get("content-type", ""):
                given += [value for name, value in answer.json().items() if name in SECRETS]
            for value in filter(None, given):
                self.run.hide("token", value.rpartition(".")[2])
                kept, body = kept.replace(value, ""), body.replace(value, "")
        self.run.leave("answers", f"{kept} {body}")
        return answer


async def live(run: Run, folder: Path) -> None:
    """Do everything once, well and badly."""
    asyncio.get_running_loop().slow_callback_duration = 0  # then all that runs is slow, and is logged
    house = make_house(sqlite_store(folder), folder)
    metrics = Metrics()
    method = Clumsy(CHEAPEST.password)
    house.auth._password = method
    street = Heard(house, Door(not_found, house.auth, service=True, metrics=metrics))
    street.run = run
    for password in TYPED:
        run.hide("password", password)
    async with house.auth.running():
        await succeed(run, street)
        await fail(run, street)
        await keep(run, house)
        run.leave("metrics", metrics.text(house.auth))
        leave_files(run, folder)
    leave_files(run, folder)
    for path in ("/auth/session", "/auth/login", "/readyz"):
        await street.send("GET", path, headers=BROWSER)


async def succeed(run: Run, street: Heard) -> None:
    """Mint every kind of secret."""
    body = {"email": EMAIL, "password": PASSWORD}
    assert (await street.send("POST", "/auth/register", json=body)).is_success
    cookie = run.hide_held(await street.login(Carrier.COOKIE))
    bearer = run.hide_held(await street.login(Carrier.BEARER))
    run.hide_held(await street.trade(cookie))
    newer = run.hide_held(taken(await street.refresh(bearer), bearer))
    cookie = run.hide_held(
        taken(await street.send("POST", "/auth/step-up", held=cookie, json={"password": PASSWORD}), cookie)
    )
    for path in ("/auth/session", "/auth/sessions"):
        for held in (cookie, newer):
            assert (await street.send("GET", path, held=held)).is_success
    for path in ("/.well-known/jwks.json", "/metrics", "/healthz"):
        assert (await street.send("GET", path)).is_success
    change = {"current": PASSWORD, "new": NEW_PASSWORD}
    assert (await street.send("POST", "/auth/password/change", held=cookie, json=change)).is_success
    assert (await street.send("POST", "/auth/logout", held=cookie)).is_success
    auth = street.house.auth
    await auth.accounts.set_password(cookie.user_id, new=SET, actor="test")
    assert (await street.send("POST", "/auth/password/forgot", json={"email": EMAIL})).is_success
    link = token_of(await street.house.mail.letter(About.RESET_PASSWORD, to=EMAIL))
    run.hide("link", link)
    resets = [
        await street.send("POST", "/auth/password/reset", json=body)
        for body in ({"token": link, "new": "short"}, {"token": [link], "new": SET}, {"token": link, "new": SET})
    ]
    assert [answer.status_code for answer in resets] == [422, 422, 204]
    for purpose in Purpose:
        await auth.keys.rotate(purpose, actor="test")
    await auth.upkeep._follower.round()


async def fail(run: Run, street: Heard) -> None:
    """Fail in every way that can be forced, with a secret at hand."""
    right = {"email": EMAIL, "password": SET, "carrier": "bearer"}
    held = run.hide_held(taken(await street.send("POST", "/auth/login", json=right)))
    older = held
    for _ in range(3):
        held = run.hide_held(taken(await street.refresh(held), held))
    tries: list[dict[str, Any]] = [
        {"json": right | {"password": WRONG}},
        {"json": right | {"email": SET}},
        {"json": right | {"email": "clumsy@example.com"}},
        {"json": right | {"carrier": SET}},
        {"json": right | {"password": [SET]}},
        {"json": right | {"device": SET + "\x00"}},
        {"json": right | {"surprise": SET}},
        {"content": f'{{"password": "{SET}", "email', "headers": JSON},
        {"content": f'{{"password": "{SET}", "password": "{SET}"}}', "headers": JSON},
        {"data": right},
    ]
    answers = [await street.send("POST", "/auth/login", **each) for each in tries]
    answers += [
        await street.send("POST", "/auth/register", json={"email": EMAIL, "password": SET}),
        await street.send("POST", "/auth/register", json={"email": "a@b.example", "password": PASSWORD[:9] * 2}),
        await street.send("POST", "/auth/refresh", json={"refresh_token": held.refresh_token[:-1]}),
        await street.send("POST", "/auth/refresh", json={"refresh_token": [held.refresh_token]}),
        await street.send("GET", "/auth/session", headers={"authorization": f"Bearer {held.access_token}x"}),
        await street.send("GET", "/auth/session", headers={"authorization": f"Basic {held.access_token}"}),
        await street.send("GET", "/auth/session", held=held, headers={"cookie": f"__Host-ostiary={held.cookie}x"}),
        await street.send("POST", "/auth/login", json=right, params={"refresh": held.refresh_token}),
        await street.refresh(older),
        await street.send("GET", "/auth/session", held=held),
    ]
    assert {answer.status_code for answer in answers} >= {400, 401, 409, 415, 422, 500}
    await raise_errors(run, street.house, held)


async def raise_errors(run: Run, house: House, held: Held) -> None:
    """Raise the errors of the verbs, as an application would see them."""
    auth = house.auth
    other = house.folder / "other.key"
    stray = SealedVault(other, entropy=SystemEntropy())
    stray.create()
    run.hide("master key", other.read_text().split()[1])
    records = await auth.keys.all()
    verbs: list[Callable[[], Any]] = [
        lambda: auth.prove(EMAIL, WRONG),
        lambda: auth.prove("clumsy@example.com", SET),
        lambda: auth.refresh(held.refresh_token),
        lambda: auth.accounts.register(email=EMAIL, password=SET),
        lambda: auth.accounts.register(email="b@example.com", password="password"),
        lambda: auth.accounts.set_password("nobody", new=SET, actor="test"),
        lambda: asyncio.to_thread(stray.open, records),
    ]
    for verb in verbs:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
            await verb()
        if isinstance(raised.value, OstiaryError):  # the clumsy method's own words are its own fault
            run.leave("tracebacks", "".join(traceback.format_exception(raised.value)))
    other.unlink()


async def keep(run: Run, house: House) -> None:
    """Take note of all keys, hashes and audit records, and of the records that hold them."""
    auth = house.auth
    proof = await auth.prove(EMAIL, SET)
    master = (house.folder / "master.key").read_text().split()[1]
    run.hide("master key", master)
    vault = auth._vault
    assert isinstance(vault, SealedVault)
    run.hide("master key", vault._master._versions[1])
    macs, signatures = auth.keyring._macs, auth.keyring._signatures
    for mac in macs:
        run.hide("MAC key", mac.secret)
    for key in signatures:
        assert key.private is not None
        der = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        run.hide("private key", der)
        run.hide("private key", der[36:68])  # the number itself
        run.hide("private key", pem.splitlines()[1])
    issued = [await auth.login(proof, carrier=carrier) for carrier in Carrier]
    for each in issued:
        for secret in (each.session_token, each.access_token or "", each.csrf_token):
            if secret:
                run.hide("token", secret.rpartition(".")[2])
    async with house.store.read() as tx:
        credentials = await tx.credentials.of(proof.user_id, "password")
        run.leave("audit", repr(await tx.events.of(proof.user_id, limit=1000)))
        rows = [await tx.keys.all(), await tx.users.get(proof.user_id), await tx.sessions.of(proof.user_id)]
    for credential in credentials:
        run.hide("hash", credential.secret.rpartition("$")[2])
    run.leave("audit", repr(house.recorder.events))
    run.records = [
        *(*issued, *credentials, *rows, *macs, *signatures, proof),
        *(auth, auth.keyring, auth.guard, auth.floors, auth.keys, auth.accounts, vault, vault._master, house.store),
        await auth.accounts.get(proof.user_id),
    ]


def leave_files(run: Run, folder: Path) -> None:
    """Take note of every byte on disk, save those of the key file."""
    names = [path.name for path in folder.iterdir()]
    assert {"ostiary.db", "master.key"} <= set(names)
    for path in folder.iterdir():
        if path.name != "master.key":
            run.leave("files", path.read_bytes())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run, in which asyncio too says all that it does."""
    run = Run()
    with listening(run):
        asyncio.run(live(run, tmp_path_factory.mktemp("leak")), debug=True)
    return run


@pytest.mark.parametrize("place", ["answers", "audit", "files", "logs", "metrics", "tracebacks"])
def test_nowhere(run: Run, place: str) -> None:
    """No secret stands in any place that can be read by who was not given it."""
    assert set(run.secrets) >= {"password", "hash", "cookie", "access_token", "refresh_token", "token", "MAC key"}
    assert run.places[place]

    assert [name for text in run.places[place] for name in run.found(place, text)] == []


def test_no_repr(run: Run) -> None:
    """No record shows a secret when it is printed."""
    assert len(run.records) > 20

    assert {type(each).__name__ for each in run.records if run.found("reprs", repr(each).encode())} == set()


def test_no_repr_of_http(run: Run) -> None:
    """Neither does what came over HTTP or goes out over it: a framework's error page may print any of them."""
    login = {"email": EMAIL, "password": PASSWORD, "carrier": "cookie"}
    refresh = next(iter(run.secrets["refresh_token"])).decode("latin-1")
    records = [
        msgspec.convert(login, bodies.LoginIn),
        msgspec.convert(login, bodies.RegisterIn),
        bodies.StepUpIn(password=PASSWORD),
        bodies.ChangePasswordIn(current=PASSWORD, new=NEW_PASSWORD),
        bodies.RefreshIn(refresh_token=refresh),
        bodies.TokenOut(access_token=refresh, expires_in=1),
        Request(method="POST", path="/", body=msgspec.json.encode(login)),
        Response(status=200, headers=((b"set-cookie", refresh.encode("latin-1")),)),
    ]

    assert {type(each).__name__ for each in records if run.found("reprs", repr(each).encode())} == set()


def test_the_search(run: Run) -> None:
    """The run has left what it was meant to leave, and the search finds what is there: or nothing would be proved."""
    secret = PASSWORD.encode()
    texts = [
        secret,
        secret.hex().encode(),
        b64encode(secret),
        b64encode(b"x" + secret),
        b64encode(b"xy" + secret + b"z"),
    ]

    assert any(b"POST /auth/login failed" in text and b"ValueError" in text for text in run.places["logs"])
    assert any(b"token_reused" in text for text in run.places["audit"])
    for text in texts:
        assert run.found("logs", b"before" + text + b"after") == ["password in logs"]
