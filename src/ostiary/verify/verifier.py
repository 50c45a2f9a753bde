"""`Verifier`: a guard in another service. It has public keys and the feed, and no database."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

import msgspec

from ostiary.core.access import Principal
from ostiary.core.decision import Denied, Reason
from ostiary.core.mount import PREFIX
from ostiary.core.site import Site
from ostiary.errors import Barred, Misconfigured, Unavailable
from ostiary.feed.http import HttpFollower, Lag
from ostiary.guard import Unsure
from ostiary.origin import Origin
from ostiary.ports import Clock
from ostiary.system import SystemClock
from ostiary.verify.background import Background, wait_in
from ostiary.verify.offline import Offline
from ostiary.verify.view import View

Stale = Literal["refuse", "ask"] | timedelta
"""What to do when the lease has run out: refuse, ask where the feed stands, or accept up to so long after, marked."""

_NOTHING = timedelta(0)
_LONGEST_ASK = 60.0
"""Seconds. Asking ends by itself after half a lease, unless the event loop that asks is gone."""


class Verifier:
    """Says who is asking, of access tokens that another service of yours has issued.

    It follows that service's feed while it is entered, in the running event loop or in a thread of its own:

        async with verifier: ...
        with verifier: ...

    Until the snapshot was read and a lease renewed, and whenever the lease has run out, it answers nobody: a request
    that cannot be decided is a 503, never "probably fine".

    Args:
        issuer: The origin of the service, `https://id.example`. `http://` is for this machine only.
        audience: Who the tokens must be for: the name of your own service.
        key: What `ostiary verifiers add` has shown.
        prefix: Where the routes of that service are: what it was made with as `prefix`.
        clock: Time, for tests.

    Raises:
        Misconfigured: the issuer, the prefix or the key cannot be used.
    """

    def __init__(
        self, issuer: str, *, audience: str, key: str, prefix: str = PREFIX, clock: Clock | None = None
    ) -> None:
        site, clock = _site(issuer, audience, prefix), clock or SystemClock()
        begin = partial(View.of, site=site, audience=audience, clock=clock)
        self._follow(HttpFollower(Origin(site, key=key), clock=clock, begin=begin), clock)
        self._name = f"Verifier({issuer!r}, audience={audience!r})"

    @classmethod
    def offline(
        cls,
        issuer: str,
        *,
        audience: str,
        jwks: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Make a verifier that follows no feed: tokens are good until they expire, and every principal says so.

        Without `jwks` it reads the issuer's key set, and keeps it current while it is entered. With it, it reads
        nothing and need not be entered.

        Raises:
            Misconfigured: the issuer or the keys cannot be used.
        """
        self = cls.__new__(cls)
        site, clock = _site(issuer, audience), clock or SystemClock()
        self._follow(Offline(site, audience=audience, clock=clock, jwks=jwks), clock)
        self._name = f"Verifier.offline({issuer!r}, audience={audience!r})"
        return self

    def _follow(self, source: HttpFollower[View] | Offline, clock: Clock) -> None:
        self._source = source
        self._is_offline = isinstance(source, Offline)
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._background: Background | None = None

    def __repr__(self) -> str:
        return self._name

    # -------------------------------------------------------------------------------------------- a token

    def verify(self, token: str, *, stale: Stale = "refuse") -> Principal:
        """Say who is asking, from memory alone: in microseconds, and from any thread.

        `stale` says what to do when the lease has run out. To `"ask"` is to wait for an answer of the other service,
        half a lease at most; in an event loop's own thread that is what `check` is for.

        Raises:
            Refused: the token is not good; the reason is for the log.
            Unavailable: nobody can say now.
        """
        return self.verify_header(f"Bearer {token}", stale=stale)

    def verify_header(self, authorization: str | None, *, stale: Stale = "refuse") -> Principal:
        """Say who is asking, as `verify` does, from an `Authorization` header. `None` is a request without one."""
        loop = self._other_loop() if stale == "ask" else None
        answer = self._answer(authorization, stale)
        if loop is not None and self._may_change(answer):
            wait_in(loop, self._source.catch_up(), within=_LONGEST_ASK)
            answer = self._answer(authorization, stale)
        return answer if isinstance(answer, Principal) else self._refuse(answer)

    async def check(self, token: str, *, stale: Stale = "refuse") -> Principal:
        """Say who is asking, as `verify` does. To `"ask"` is to wait here without holding up the event loop."""
        return await self.check_header(f"Bearer {token}", stale=stale)

    async def check_header(self, authorization: str | None, *, stale: Stale = "refuse") -> Principal:
        """Say who is asking, as `check` does, from an `Authorization` header."""
        answer = self._answer(authorization, stale)
        if stale == "ask" and self._may_change(answer):
            await self._source.catch_up()
            answer = self._answer(authorization, stale)
        return answer if isinstance(answer, Principal) else self._refuse(answer)

    def _answer(self, authorization: str | None, stale: Stale) -> Principal | Denied | Unsure:
        headers = () if authorization is None else ((b"authorization", authorization.encode("utf-8", "replace")),)
        late = stale.total_seconds() if isinstance(stale, timedelta) else 0.0
        if self._is_offline:
            self._clock.now()  # nothing else here would notice a clock that was put forward
        while (view := self._source.view) is not None:
            guard = view.guard
            answer = guard.check(headers, "GET", stale=late)
            # Another thread may have put other keys to use while this one was reading the token.
            if view is self._source.view and guard is view.guard:
                if self._is_offline and isinstance(answer, Principal):
                    return msgspec.structs.replace(answer, stale=timedelta.max)
                return answer
        return Unsure(None, b"")

    def _may_change(self, answer: Principal | Denied | Unsure) -> bool:
        """Tell whether asking could lead to another answer."""
        return isinstance(answer, Unsure) or (self._is_offline and answer == Denied(Reason.UNKNOWN_KEY))

    def _refuse(self, answer: Denied | Unsure) -> NoReturn:
        if isinstance(answer, Unsure):
            raise Unavailable(self._source.trouble or "the lease has run out")
        if isinstance(self._source, Offline) and answer.reason is Reason.UNKNOWN_KEY:
            self._source.miss()
        raise Barred(answer.reason)

    # -------------------------------------------------------------------------------------------- how it stands

    @property
    def ready(self) -> bool:
        """Whether memory may answer now."""
        return self.lease > _NOTHING

    @property
    def lease(self) -> timedelta:
        """What is left of the lease. Offline there is none that could run out: `timedelta.max`."""
        view = self._source.view
        if view is None:
            return _NOTHING
        if self._is_offline:
            return timedelta.max
        return timedelta(seconds=max(0.0, view.floors.fresh_until - self._clock.elapsed()))

    @property
    def lag(self) -> Lag:
        """How far memory is behind the newest head that was heard of, and for how long it has been."""
        return self._source.lag

    def wait_ready(self, timeout: timedelta) -> None:
        """Wait until memory may answer. In an event loop's own thread, `await until_ready(…)`.

        Raises:
            Unavailable: it may not, so long afterwards; the message says why.
        """
        loop = self._other_loop()
        if loop is not None:
            wait_in(loop, self.until_ready(timeout), within=timeout.total_seconds() + 1)
        elif not self.ready:
            raise Unavailable(self._source.trouble)

    async def until_ready(self, timeout: timedelta) -> None:  # noqa: ASYNC109 - the twin of `wait_ready`
        """Wait until memory may answer.

        Raises:
            Unavailable: it may not, so long afterwards; the message says why.
        """
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._source.renewed()
        except TimeoutError:
            raise Unavailable(self._source.trouble or "the lease has run out") from None

    # -------------------------------------------------------------------------------------------- life

    async def __aenter__(self) -> Self:
        """Follow, in the running event loop. It does not wait until anything was read."""
        self._refuse_second()
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._source.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following. Nobody is answered any more."""
        task, self._task, self._loop = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._source.forget()

    def start(self) -> None:
        """Follow, in a thread of its own. After a fork: a thread does not live on in the child.

        It does not wait until anything was read; `wait_ready` does.
        """
        self._refuse_second()
        self._background = Background(self._source.run, name="ostiary-verifier")

    def stop(self) -> None:
        """Stop following, and wait for the thread to end. Nobody is answered any more."""
        background, self._background = self._background, None
        if background is not None:
            background.stop()
            self._source.forget()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _refuse_second(self) -> None:
        if self._task is not None or self._background is not None:
            raise RuntimeError("this verifier follows already")

    def _other_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop that follows, which must be another thread's: this one is going to wait for it."""
        loop = self._background.loop if self._background is not None else self._loop
        try:
            is_ours = asyncio.get_running_loop() is loop
        except RuntimeError:
            is_ours = False
        if is_ours:
            raise RuntimeError("this would hold up the event loop: use `await verifier.check(…)`, or `until_ready`")
        return loop


def _site(issuer: str, audience: str, prefix: str = PREFIX) -> Site:
    if not audience:
        raise Misconfigured("an audience must be named: who the tokens are for, which is this service")
    try:
        return Site.of(issuer, prefix=prefix)
    except ValueError as error:
        raise Misconfigured(str(error)) from None
