"""A verifier in a program without an event loop: a thread of its own, which can be asked from any other."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ostiary.core.decision import Reason
from ostiary.verify import Unavailable, Verifier
from tests.core.vectors import signature_key
from tests.verify.asking import SOON, outcome, until
from tests.verify.issuer import AUDIENCE, KEY, Issuer, hang


def mine() -> list[threading.Thread]:
    """Return the threads that verifiers have started."""
    return [thread for thread in threading.enumerate() if thread.name == "ostiary-verifier"]


async def test_a_program_without_a_loop(issuer: Issuer) -> None:
    """Entered with a plain `with`, a verifier follows in a thread; when it is left, the thread has ended."""
    token, gone = issuer.token(), issuer.token("gone")
    said: list[object] = []
    is_in = threading.Event()

    def program() -> None:
        with Verifier(issuer.url, audience=AUDIENCE, key=KEY) as verifier:
            verifier.wait_ready(SOON)
            said.extend((outcome(verifier, token), outcome(verifier, gone), len(mine())))
            is_in.set()
            end = time.monotonic() + 20
            while outcome(verifier, gone) == "in" and time.monotonic() < end:
                time.sleep(0.001)
            said.append(outcome(verifier, gone))
        said.extend((outcome(verifier, token), len(mine())))

    running = asyncio.get_running_loop().run_in_executor(None, program)
    await asyncio.to_thread(is_in.wait)
    issuer.revoke("gone")
    await running

    assert said == ["in", "in", 1, Reason.REVOKED, "unavailable", 0]


async def test_asking_from_a_thread(issuer: Issuer) -> None:
    """To ask is to wait for the thread that follows. All who wait share one question, and it is short."""
    token = issuer.token()

    def ask(verifier: Verifier) -> str:
        return str(outcome(verifier, token, stale="ask"))

    def program() -> tuple[list[str], float, int]:
        with Verifier(issuer.url, audience=AUDIENCE, key=KEY) as verifier, ThreadPoolExecutor(8) as pool:
            verifier.wait_ready(SOON)
            issuer.instead["/auth/feed/head"] = hang
            while verifier.ready:
                time.sleep(0.01)
            asked, began = issuer.asked["/auth/feed/head"], time.monotonic()
            answers = list(pool.map(ask, [verifier] * 8))
            took, shared = time.monotonic() - began, issuer.asked["/auth/feed/head"] - asked
            issuer.instead.clear()
            return [*answers, ask(verifier)], took, shared

    answers, took, shared = await asyncio.to_thread(program)

    assert answers == ["unavailable"] * 8 + ["in"]
    assert took < 10
    assert shared <= 2


async def test_asking_from_a_thread_beside_a_loop(issuer: Issuer, verifier: Verifier) -> None:
    """Entered in an event loop, a verifier can be asked from other threads; in the loop's own that is an error."""
    issuer.instead["/auth/feed/head"] = hang
    await until(lambda: not verifier.ready)
    issuer.instead.clear()

    assert await asyncio.to_thread(outcome, verifier, issuer.token(), stale="ask") == "in"
    with pytest.raises(RuntimeError, match="check"):
        verifier.verify(issuer.token(), stale="ask")
    with pytest.raises(RuntimeError, match="until_ready"):
        verifier.wait_ready(SOON)


async def test_it_is_started_once(issuer: Issuer, verifier: Verifier) -> None:
    """A verifier that follows already is not started again; one that was not started is not waited for."""
    with pytest.raises(RuntimeError, match="already"):
        verifier.start()
    with pytest.raises(RuntimeError, match="already"):
        await verifier.__aenter__()
    with pytest.raises(Unavailable):
        Verifier(issuer.url, audience=AUDIENCE, key=KEY).wait_ready(timedelta(hours=1))


async def test_it_stops_while_asked(issuer: Issuer) -> None:
    """Who waits for an answer when the verifier is stopped is told that there is none."""

    def program() -> tuple[str, float]:
        verifier = Verifier(issuer.url, audience=AUDIENCE, key=KEY)
        verifier.start()
        verifier.wait_ready(SOON)
        issuer.instead["/auth/feed/head"] = hang
        while verifier.ready:
            time.sleep(0.01)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(outcome, verifier, issuer.token(), stale="ask")
            time.sleep(0.1)
            began = time.monotonic()
            verifier.stop()
            verifier.stop()
            return str(asked.result(10)), time.monotonic() - began

    said, took = await asyncio.to_thread(program)

    assert said == "unavailable"
    assert took < 10
    assert mine() == []


async def test_keys_change_under_many_threads(issuer: Issuer) -> None:
    """Under threads that verify, a key is retired: no token of it is let in after one was refused."""
    old, other = issuer.key, signature_key("ed25519")
    ends = threading.Event()

    def look(verifier: Verifier) -> list[bool]:
        seen: list[bool] = []
        while not ends.is_set():
            seen.append(outcome(verifier, issuer.token(f"s{len(seen)}", key=old)) == "in")
        return seen

    verifier = Verifier(issuer.url, audience=AUDIENCE, key=KEY)
    await asyncio.to_thread(verifier.start)
    await asyncio.to_thread(verifier.wait_ready, SOON)
    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(look, verifier) for _ in range(3)]
        await asyncio.sleep(0.2)
        issuer.publish("keys", issuer.jwks(other))
        await until(lambda: outcome(verifier, issuer.token("mine")) is Reason.UNKNOWN_KEY)
        await asyncio.sleep(0.1)
        ends.set()
    await asyncio.to_thread(verifier.stop)

    for seen in (done.result() for done in looking):
        assert seen[0]
        assert not seen[-1]
        assert seen == sorted(seen, reverse=True)
