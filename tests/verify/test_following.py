"""The stream, and heads: what brings a verifier up to date, and what it makes of a service that contradicts itself."""

from datetime import timedelta

import pytest

from ostiary.core.decision import Reason
from ostiary.core.floor import Head
from ostiary.feed.wire import RESET, event
from ostiary.verify import Unavailable, Verifier
from tests.verify.asking import outcome, until
from tests.verify.issuer import AUDIENCE, KEY, LEASE, Issuer, drop, hang, say, serving


async def test_a_head_beyond_the_view(issuer: Issuer, verifier: Verifier) -> None:
    """A head renews nothing until the stream has brought everything up to it; then it does, and lag is over."""
    token = issuer.token()
    issuer.is_mute = True
    issuer.instead["/auth/feed/snapshot"] = hang

    issuer.revoke("somebody")
    issuer.revoke("else")
    await until(lambda: verifier.lag.entries == 2)
    lag = verifier.lag
    await until(lambda: outcome(verifier, token) == "unavailable")
    issuer.is_mute = False
    issuer.instead.clear()
    await until(lambda: outcome(verifier, token) == "in")

    assert lag.since < timedelta(seconds=LEASE)
    assert verifier.lag.entries == 0


async def test_elsewhere() -> None:
    """A service whose routes are under another prefix is followed there, and asked nowhere else."""
    async with (
        serving(Issuer(prefix="/api/people")) as issuer,
        Verifier(issuer.url, audience=AUDIENCE, key=KEY, prefix="/api/people") as verifier,
    ):
        token = issuer.token()
        await until(lambda: outcome(verifier, token) == "in")
        issuer.revoke()
        await until(lambda: outcome(verifier, token) is Reason.REVOKED)
        asked = {path.rpartition("/feed")[0] for path in issuer.asked}

    assert asked == {"/api/people"}


async def test_a_head_that_was_waited_for(issuer: Issuer, verifier: Verifier) -> None:
    """A head that was beyond the view renews as soon as the stream has brought all up to it: no other need be asked."""
    issuer.is_mute = True
    issuer.revoke()
    await until(lambda: verifier.lag.entries == 1)
    issuer.instead["/auth/feed/head"] = hang
    before = verifier.lease

    issuer.tell(event(Head(issuer.incarnation, issuer.seq), issuer.changes[-1]))
    await until(lambda: verifier.lag.entries == 0)

    assert verifier.lease > before


async def test_a_stream_that_stays_behind(issuer: Issuer, verifier: Verifier) -> None:
    """A stream that brings nothing is given up for another one; if that does not help, the view is started over."""
    token = issuer.token()
    issuer.is_mute = True
    issuer.asked.clear()

    issuer.revoke()
    await until(lambda: outcome(verifier, token) is Reason.REVOKED)

    assert issuer.asked["/auth/feed"] >= 2
    assert issuer.asked["/auth/feed/snapshot"] == 1


async def test_another_worker_helps(issuer: Issuer, verifier: Verifier) -> None:
    """When the second connection brings what was missing, nothing is started over."""
    token = issuer.token()
    issuer.is_mute = True
    issuer.asked.clear()

    issuer.revoke()
    issuer.is_mute = False
    await until(lambda: outcome(verifier, token) is Reason.REVOKED)

    assert (issuer.asked["/auth/feed"], issuer.asked["/auth/feed/snapshot"]) == (1, 0)


async def test_a_laggard_head(issuer: Issuer, verifier: Verifier) -> None:
    """A head below a view that has only just grown is a laggard's, and renews. If it stays there, history went back."""
    token, gone = issuer.token(), issuer.token("gone")
    issuer.revoke("gone")
    await until(lambda: outcome(verifier, gone) is Reason.REVOKED)
    issuer.asked.clear()
    issuer.head_lags = 1
    issuer.left = 0.2 * LEASE

    await until(lambda: issuer.asked["/auth/feed/head"] >= 2)
    while_it_lags = issuer.asked["/auth/feed/snapshot"], outcome(verifier, gone)
    await until(lambda: issuer.asked["/auth/feed/snapshot"] > 0)
    issuer.head_lags, issuer.left = 0, LEASE
    await until(lambda: outcome(verifier, token) == "in")

    assert while_it_lags == (0, Reason.REVOKED)


@pytest.mark.parametrize("how", ["reset", "incarnation", "another stream"])
async def test_another_history(issuer: Issuer, verifier: Verifier, how: str) -> None:
    """After a reset, or under another incarnation, the view is started over, and knows the new history only."""
    issuer.revoke("old")
    old, new = issuer.token("old"), issuer.token("new")
    await until(lambda: outcome(verifier, old) is Reason.REVOKED)

    issuer.begin_anew("two")
    issuer.revoke("new")  # which also goes down the old stream, with an id of the new incarnation
    if how == "reset":
        issuer.tell(b"event: reset\ndata: {}\n\n")
    if how == "another stream":
        issuer.tell(b"")
    await until(lambda: (outcome(verifier, old), outcome(verifier, new)) == ("in", Reason.REVOKED))

    assert issuer.asked["/auth/feed/snapshot"] >= 2


async def test_a_reset(issuer: Issuer, verifier: Verifier) -> None:
    """A reset starts the view over even if every head fits it: what the stream has lost of it nobody will bring."""
    token = issuer.token()

    issuer.tell(RESET)
    await until(lambda: issuer.asked["/auth/feed/snapshot"] == 2)
    await until(lambda: verifier.ready)

    assert outcome(verifier, token) == "in"


async def test_a_gap(issuer: Issuer, verifier: Verifier) -> None:
    """When the stream jumps, memory stops answering at once, however stale; it starts over and misses nothing."""
    token, lost = issuer.token(), issuer.token("lost")
    assert outcome(verifier, lost) == "in"
    issuer.instead["/auth/feed/snapshot"] = drop
    issuer.is_mute = True
    issuer.revoke("lost")
    issuer.is_mute = False

    issuer.revoke("other")
    took = await until(lambda: outcome(verifier, token, stale=timedelta.max) == "unavailable")
    issuer.instead.clear()
    await until(lambda: outcome(verifier, token) == "in")

    assert took < LEASE / 2
    assert outcome(verifier, lost) is Reason.REVOKED
    assert issuer.asked["/auth/feed/snapshot"] >= 2


async def test_garbage(issuer: Issuer, verifier: Verifier) -> None:
    """What cannot be read is not passed over: the view is started over."""
    for garbage in (
        b"id: one:1\nevent: floor\ndata: {}\n\n",
        b"event: floor\ndata: {}\n\n",
        b'id: one:1\nevent: floor\ndata: {"sid":"x","floor":null,"until":1e300}\n\n',
        b'id: one:1\nevent: document\ndata: {"name":"keys","version":2,"body":[]}\n\n',
        b"id: one:1\nevent: floor\ndata: " + b"[" * 100_000 + b"\n\n",
        b"x" * 2_000_000,
    ):
        snapshots, streams = issuer.asked["/auth/feed/snapshot"], issuer.asked["/auth/feed"]
        await until(lambda: bool(issuer.streams))
        issuer.tell(garbage)
        await until(lambda s=streams: issuer.asked["/auth/feed"] > s and bool(issuer.streams))  # type: ignore[misc]
        await until(lambda: verifier.ready)
        is_too_large = len(garbage) > 1_000_000
        assert (issuer.asked["/auth/feed/snapshot"] > snapshots) is not is_too_large

    assert outcome(verifier, issuer.token()) == "in"


async def test_a_restart() -> None:
    """A service that is stopped and started again is found again, and what was revoked meanwhile is refused."""
    issuer = Issuer()
    async with serving(issuer):
        verifier = Verifier(issuer.url, audience=AUDIENCE, key=KEY)
        token, stays = issuer.token(), issuer.token("stays")
        await verifier.__aenter__()
        await until(lambda: outcome(verifier, token) == "in")
    await until(lambda: outcome(verifier, stays) == "unavailable")
    issuer.revoke()

    async with serving(issuer):
        await until(lambda: outcome(verifier, stays) == "in")
        await verifier.__aexit__(None, None, None)
        after = outcome(verifier, stays)
        async with verifier:
            await until(lambda: outcome(verifier, stays) == "in")
            revoked = outcome(verifier, token)

    assert revoked is Reason.REVOKED
    assert after == "unavailable"


async def test_the_snapshot_of_another(issuer: Issuer) -> None:
    """A service that calls itself something else is not the issuer."""
    async with serving(Issuer()) as other:
        other.instead["/auth/feed/snapshot"] = lambda writer: say(writer, issuer.body("/auth/feed/snapshot"))
        async with Verifier(other.url, audience=AUDIENCE, key=KEY) as verifier:
            with pytest.raises(Unavailable, match="cannot be used"):
                await verifier.until_ready(timedelta(seconds=1))
