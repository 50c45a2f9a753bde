"""A verifier and the service it follows: what it takes to be answered, and what ends that."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from ostiary.core.decision import Reason
from ostiary.core.session import Carrier
from ostiary.verify import Principal, Unavailable, Verifier
from ostiary.verify.view import View
from tests.core.vectors import CLAIMS
from tests.verify.asking import SOON, outcome, until
from tests.verify.issuer import AUDIENCE, KEY, LEASE, Issuer, drop, hang, say

# ------------------------------------------------------------------------------------------------ ready


async def test_ready(issuer: Issuer, verifier: Verifier) -> None:
    """A token of the issuer, for this audience, says who is asking; roles are expanded from the feed's table."""
    who = verifier.verify(issuer.token("a-session"))

    assert isinstance(who, Principal)
    assert (who.user_id, who.session_id, who.carrier) == (CLAIMS["sub"], "a-session", Carrier.BEARER)
    assert (who.roles, who.permissions, who.stale) == (("editor",), frozenset({"posts:write"}), None)
    assert verifier.ready
    assert timedelta(0) < verifier.lease <= timedelta(seconds=LEASE)
    assert (verifier.lag.entries, verifier.lag.since) == (0, timedelta(0))


async def test_not_ready(issuer: Issuer) -> None:
    """With a snapshot and no renewed lease nobody is answered, and neither before it is entered or after it is left."""
    issuer.instead["/auth/feed/head"] = hang
    verifier, token = Verifier(issuer.url, audience=AUDIENCE, key=KEY), issuer.token()

    never = outcome(verifier, token)
    async with verifier:
        await until(lambda: issuer.asked["/auth/feed/head"] > 0)
        with_snapshot = outcome(verifier, token, stale=timedelta.max)
        with pytest.raises(Unavailable):
            await verifier.until_ready(timedelta(seconds=0.1))
        del issuer.instead["/auth/feed/head"]
        await verifier.until_ready(SOON)
        ready = outcome(verifier, token)
    left = outcome(verifier, token)

    assert (never, with_snapshot, ready, left) == ("unavailable", "unavailable", "in", "unavailable")
    assert not verifier.ready


async def test_never_empty(issuer: Issuer) -> None:
    """What was revoked before a verifier began is refused from its first answer on."""
    issuer.revoke("gone")

    async with Verifier(issuer.url, audience=AUDIENCE, key=KEY) as verifier:
        await verifier.until_ready(SOON)

        assert outcome(verifier, issuer.token("gone")) is Reason.REVOKED
        assert outcome(verifier, issuer.token("here")) == "in"


async def test_revoked_within_milliseconds(issuer: Issuer, verifier: Verifier) -> None:
    """A logout reaches the verifier by the stream, not by the next question."""
    tokens = [issuer.token(f"s{i}") for i in range(20)]
    assert {outcome(verifier, token) for token in tokens} == {"in"}
    asked, took, unasked = issuer.asked["/auth/feed/head"], [], 0

    for i, token in enumerate(tokens):
        before = issuer.asked["/auth/feed/head"]
        issuer.revoke(f"s{i}")
        took.append(await until(lambda token=token: outcome(verifier, token) is Reason.REVOKED))  # type: ignore[misc]
        unasked += issuer.asked["/auth/feed/head"] == before

    print(f"a logout took {sorted(took)[10] * 1000:.1f} ms in the median, {max(took) * 1000:.1f} ms at most")
    assert unasked > 0
    assert issuer.asked["/auth/feed/head"] - asked <= 1 + sum(took) * 4 / LEASE


async def test_an_older_revision(issuer: Issuer, verifier: Verifier) -> None:
    """A floor that rises refuses the tokens below it, and no others."""
    old, new = issuer.token(rev=1), issuer.token(rev=2)
    assert {outcome(verifier, old), outcome(verifier, new)} == {"in"}

    issuer.supersede("a-session", 2)
    await until(lambda: outcome(verifier, old) is Reason.SUPERSEDED)

    assert outcome(verifier, new) == "in"


async def test_two_verifiers(issuer: Issuer, verifier: Verifier) -> None:
    """Two audiences do not take each other's tokens, and hear of the same logout."""
    ours, theirs = issuer.token(), issuer.token(aud="stock")
    async with Verifier(issuer.url, audience="stock", key=KEY) as other:
        await other.until_ready(SOON)
        answers = [outcome(who, token) for who in (verifier, other) for token in (ours, theirs)]
        issuer.revoke()
        await until(lambda: outcome(verifier, ours) is Reason.REVOKED)
        await until(lambda: outcome(other, theirs) is Reason.REVOKED)

    assert answers == ["in", Reason.WRONG_AUDIENCE, Reason.WRONG_AUDIENCE, "in"]


# ------------------------------------------------------------------------------------------------ the lease


@pytest.mark.parametrize("how", [drop, hang])
async def test_the_lease_runs_out(issuer: Issuer, verifier: Verifier, how: Callable[..., None]) -> None:
    """Cut off, a verifier answers until the lease is over, and then nobody; whole again, it recovers by itself."""
    token = issuer.token()
    for path in ("/auth/feed", "/auth/feed/head", "/auth/feed/snapshot"):
        issuer.instead[path] = how  # type: ignore[assignment]
    issuer.tell(b"")
    cut_at = time.monotonic()

    await until(lambda: not verifier.ready)
    took = time.monotonic() - cut_at
    refused = outcome(verifier, token)
    issuer.instead.clear()
    await until(lambda: outcome(verifier, token) == "in")

    assert took <= 10 * LEASE
    assert refused == "unavailable"


async def test_stale(issuer: Issuer, verifier: Verifier) -> None:
    """A route may accept up to so long after the lease ran out: the principal says how stale, a fresh one does not."""
    token, gone = issuer.token(), issuer.token("gone")
    issuer.revoke("gone")
    await until(lambda: outcome(verifier, gone) is Reason.REVOKED)
    before = verifier.verify(token, stale=timedelta(hours=1))
    issuer.instead["/auth/feed/head"] = drop
    await until(lambda: not verifier.ready)

    stale = verifier.verify(token, stale=timedelta(hours=1))
    expired = issuer.token(life=1)

    assert outcome(verifier, token) == "unavailable"
    assert outcome(verifier, token, stale=timedelta(0)) == "unavailable"
    assert outcome(verifier, gone, stale=timedelta.max) is Reason.REVOKED
    await until(lambda: outcome(verifier, expired, stale=timedelta.max) is Reason.EXPIRED)
    assert before.stale is None
    assert stale.stale is not None
    assert timedelta(0) <= stale.stale < timedelta(seconds=5)
    del issuer.instead["/auth/feed/head"]
    await until(lambda: verifier.ready)
    assert verifier.verify(token) == before
    assert verifier.verify(token).stale is None


async def test_ask(issuer: Issuer, verifier: Verifier) -> None:
    """Who asks waits for one question that all share; when nobody answers, that is short."""
    token = issuer.token()
    answer = asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        await answer.wait()
        await drop(writer)

    issuer.instead["/auth/feed/head"] = held
    await until(lambda: not verifier.ready)
    issuer.asked.clear()
    asked = [asyncio.create_task(verifier.check(token, stale="ask")) for _ in range(50)]
    await asyncio.sleep(0.1)
    del issuer.instead["/auth/feed/head"]
    answer.set()
    await asyncio.wait(asked)
    shared = issuer.asked["/auth/feed/head"]

    # What they shared failed. The next question does not.
    assert all(isinstance(task.exception(), Unavailable) for task in asked)
    assert (await verifier.check(token, stale="ask")).stale is None
    assert shared <= 2

    issuer.instead["/auth/feed/head"] = hang
    await until(lambda: not verifier.ready)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await verifier.check(token, stale="ask")
    assert time.monotonic() - began < 20 * LEASE


async def test_what_is_left_is_what_counts(issuer: Issuer, verifier: Verifier) -> None:
    """A lease is never longer than what was left of the answerer's, nor than one of the service."""
    issuer.left = 0.3
    await until(lambda: verifier.lease < timedelta(seconds=0.3))
    shorter = verifier.lease
    issuer.left = 1e9
    await until(lambda: verifier.lease > timedelta(seconds=0.9))

    assert shorter < timedelta(seconds=0.3)
    assert verifier.lease <= timedelta(seconds=LEASE)


async def test_a_lease_is_counted_from_the_asking(issuer: Issuer, verifier: Verifier) -> None:
    """However long an answer was on its way: the lease counts from before it was asked for."""

    async def slowly(writer: asyncio.StreamWriter) -> None:
        body = issuer.body("/auth/feed/head")
        await asyncio.sleep(0.4 * LEASE)
        await say(writer, body)

    issuer.instead["/auth/feed/head"] = slowly
    await until(lambda: verifier.lease < timedelta(seconds=0.5 * LEASE))

    longest = timedelta(0)
    end = time.monotonic() + 2 * LEASE
    while time.monotonic() < end:
        longest = max(longest, verifier.lease)
        await asyncio.sleep(0.005)

    assert timedelta(seconds=0.5 * LEASE) < longest <= timedelta(seconds=0.6 * LEASE)


async def test_memory_is_bounded(issuer: Issuer, verifier: Verifier) -> None:
    """Nobody here writes down when a session was used, so it is not remembered either."""
    for i in range(100):
        verifier.verify(issuer.token(f"s{i}"))
    view = verifier._source.view

    assert isinstance(view, View)
    assert len(view.guard) == 100
    assert view.guard.seen == {}
