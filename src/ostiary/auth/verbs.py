"""`Auth`: the verbs of sessions, and the parts put together.

| verb                  | does                                                                | then every guard       |
|-----------------------|---------------------------------------------------------------------|------------------------|
| `prove`               | throttles, then asks the method; a failure is on record             |                        |
| `login`               | a proof becomes a session                                           |                        |
| `step_up`             | a new proof for a live session: fresher, perhaps stronger           | asks again             |
| `refresh`             | what a refresh token leads to: the table in `core.session`          | refuses, if reused     |
| `mint`                | a cookie's session gives a short access token                       |                        |
| `logout`, `revoke`    | the session is over                                                 | refuses                |
| `authenticate`        | who is asking, from memory or from the store                        |                        |
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from ostiary.auth.accounts import ROLES, Accounts
from ostiary.auth.arrivals import Arrivals
from ostiary.auth.asking import Asking
from ostiary.auth.beginning import Beginning
from ostiary.auth.flows import Flows
from ostiary.auth.issue import CLIENT_ID, Issued, Issuer, Minted
from ostiary.auth.keys import DOCUMENT as KEYS
from ostiary.auth.keys import Keys
from ostiary.auth.letters import LetterSeal
from ostiary.auth.post import Post
from ostiary.auth.redeeming import Redeeming
from ostiary.auth.throttles import Throttles
from ostiary.auth.tickets import Tickets
from ostiary.auth.upkeep import Upkeep
from ostiary.auth.verifiers import DOCUMENT as VERIFIERS
from ostiary.auth.verifiers import Verifiers
from ostiary.auth.work import Work, Works
from ostiary.core.access import Principal, Roles
from ostiary.core.assurance import Proof, outdated
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Denied, Reason
from ostiary.core.events import Event, Kind
from ostiary.core.flow import unproved
from ostiary.core.identifier import email as canonical_email
from ostiary.core.keys import Keyring
from ostiary.core.letter import About
from ostiary.core.mount import PREFIX
from ostiary.core.network import neighbourhood
from ostiary.core.policy import WEB, Policy, Registration
from ostiary.core.session import (
    Advance,
    Carrier,
    Dead,
    Device,
    Late,
    Reissue,
    Retry,
    Reused,
    Session,
    Unknown,
    dead,
    minting,
    present,
    risen,
)
from ostiary.core.site import Site
from ostiary.core.throttle import PROOF_USER, login_tries
from ostiary.core.token import read_device_token, read_session_token
from ostiary.core.user import Account
from ostiary.errors import Misconfigured, Refused, Unavailable
from ostiary.feed.follower import Follower
from ostiary.feed.relay import Relay
from ostiary.feed.wire import DocumentOut
from ostiary.guard import Guard, Headers
from ostiary.ports import Clock, Entropy, EventSink, Mailer, PasswordMethod, Store, Stream, Transaction, Vault
from ostiary.system import SystemClock, SystemEntropy
from ostiary.watched import Floors

_REGISTERED_JUST_NOW = timedelta(hours=1)


class Auth:
    """Authentication for one application: one login, two carriers, dead at once on logout.

    Make one with `Auth.embedded`, or from parts of your own. It must be started before it answers, and stopped:

        async with auth.running(): ...

    The framework doors do that for you.
    """

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        password: PasswordMethod,
        site: Site,
        clock: Clock,
        entropy: Entropy,
        stream: Stream | None = None,
        sink: EventSink | None = None,
        mailer: Mailer | None = None,
        policy: Policy = WEB,
        audience: str | None = None,
        roles: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if mailer is None and policy.registration is Registration.VERIFIED:
            raise Misconfigured(
                "addresses can be proved by letter only: with registration = verified, say how mail is sent"
            )
        self.site = site
        self.policy = policy
        self.audience = audience or site.issuer
        self.clock = clock
        self.floors = Floors(policy)
        self.keyring = Keyring(macs=(), signatures=())
        self.relay = Relay(
            store=store, floors=self.floors, clock=clock, entropy=entropy, policy=policy, issuer=site.issuer
        )
        follower = Follower(
            store=store,
            floors=self.floors,
            clock=clock,
            policy=policy,
            load=self._load,
            stream=stream,
            relay=self.relay,
        )
        self.guard = Guard(
            store=store,
            floors=self.floors,
            site=site,
            audience=self.audience,
            policy=policy,
            clock=clock,
            catch_up=follower.catch_up,
        )
        seal = LetterSeal(partial(vault.derive, "outbox"), entropy=entropy, site=site.issuer)
        works = Works(
            store=store,
            floors=self.floors,
            clock=clock,
            sink=sink or _NoSink(),
            load=self._load,
            stream=stream,
            seal=seal if mailer is not None else None,
            wake=self._wake_post,
        )
        self._post = (
            Post(store=store, works=works, mailer=mailer, seal=seal, clock=clock) if mailer is not None else None
        )
        throttles = Throttles(store=store, clock=clock)
        self.accounts = Accounts(
            store=store, works=works, throttles=throttles, password=password, clock=clock, entropy=entropy
        )
        tickets = Tickets(
            partial(vault.derive, "codes"), store=store, works=works, throttles=throttles, entropy=entropy, clock=clock
        )
        asking = Asking(works=works, tickets=tickets, site=site, has_mail=mailer is not None)
        self.beginning = Beginning(
            store=store,
            works=works,
            accounts=self.accounts,
            asking=asking,
            site=site,
            clock=clock,
            entropy=entropy,
        )
        self.flows = Flows(
            store=store,
            works=works,
            throttles=throttles,
            tickets=tickets,
            accounts=self.accounts,
            password=password,
            clock=clock,
            entropy=entropy,
            policy=policy,
            asking=asking,
            redeeming=Redeeming(
                store=store,
                works=works,
                throttles=throttles,
                tickets=tickets,
                password=password,
                clock=clock,
                entropy=entropy,
            ),
        )
        self.arrivals = Arrivals(store=store, works=works, password=password, entropy=entropy)
        self.keys = Keys(store=store, works=works, vault=vault, policy=policy)
        self.verifiers = Verifiers(
            store=store,
            works=works,
            entropy=entropy,
            floors=self.floors,
            clock=clock,
            catch_up=follower.catch_up,
        )
        self._store = store
        self._stream = stream
        self._vault = vault
        self._password = password
        self._entropy = entropy
        self._roles = roles
        self._works = works
        self._throttles = throttles
        self.upkeep = Upkeep(
            store=store,
            guard=self.guard,
            floors=self.floors,
            clock=clock,
            follower=follower,
            post=self._post,
        )
        self._issuer = Issuer(issuer=site.issuer, audience=self.audience, policy=policy, entropy=entropy)
        self._starting = asyncio.Lock()
        self._loading = asyncio.Lock()
        self.started = False

    @classmethod
    def embedded(
        cls,
        path: str | Path,
        *,
        issuer: str,
        policy: Policy = WEB,
        audience: str | None = None,
        trusted_origins: Sequence[str] = (),
        trusted_proxies: Sequence[str] = (),
        prefix: str = PREFIX,
        roles: Mapping[str, Sequence[str]] | None = None,
        migrate: bool = True,
        sink: EventSink | None = None,
        mailer: Mailer | None = None,
    ) -> "Auth":
        """Make an `Auth` on one SQLite file, with its key file beside it (`app.db` and `app.db.key`).

        Both are made at the first start, readable by their owner only. Keep the key file out of the backups of the
        database: together they are everything.

        Args:
            path: The database file.
            issuer: The origin that users see, `https://id.example`. `http://` is for localhost only.
            policy: How long, how strong; see `ostiary.core.policy`.
            audience: Who access tokens are for. The issuer itself, if not given.
            trusted_origins: Other origins whose pages may act for a logged-in user and read our answers, written
                exactly.
            trusted_proxies: The addresses or networks of the proxies in front, `10.0.0.0/8`: only they are believed
                about where a request came from (`X-Forwarded-For`).
            prefix: The path that the routes and pages are under. A link in a letter leads there, too.
            roles: What each role permits. If not given, what was defined last stays.
            migrate: Whether to make or upgrade the schema at the start. Otherwise an old one is refused.
            sink: Hears of every audit record.
            mailer: Sends letters. Without it none are written.

        Raises:
            Misconfigured: the issuer, an origin, a proxy or the prefix cannot be used.
        """
        from ostiary.keys.master import master_key_file  # noqa: PLC0415 - as in `at`
        from ostiary.stores.sql import sqlite_url  # noqa: PLC0415 - same

        file = Path(path).absolute()
        return cls.at(
            sqlite_url(file),
            key_file=master_key_file(file),
            issuer=issuer,
            policy=policy,
            audience=audience,
            trusted_origins=trusted_origins,
            trusted_proxies=trusted_proxies,
            prefix=prefix,
            roles=roles,
            migrate=migrate,
            sink=sink,
            mailer=mailer,
        )

    @classmethod
    def at(
        cls,
        store: str,
        *,
        key_file: str | Path,
        issuer: str,
        redis: str | None = None,
        policy: Policy = WEB,
        audience: str | None = None,
        trusted_origins: Sequence[str] = (),
        trusted_proxies: Sequence[str] = (),
        prefix: str = PREFIX,
        roles: Mapping[str, Sequence[str]] | None = None,
        migrate: bool = True,
        sink: EventSink | None = None,
        mailer: Mailer | None = None,
    ) -> "Auth":
        """Make an `Auth` on a database that other processes and machines use, too.

        The key file is made at the first start of all. Every machine must have the same: copy it before the second one
        starts.

        Args:
            store: `postgresql://user@host/database`, or `sqlite:////path/to/file.db`.
            key_file: The file of the master key, under which all other keys are sealed.
            redis: `redis://host`: carries the feed to many processes, and counts tries. If it is lost, logouts take
                longer to arrive (half a second, never longer than the lease), and tries cannot be counted: logins wait.
            issuer: As for `embedded`.
            policy: As for `embedded`.
            audience: As for `embedded`.
            trusted_origins: As for `embedded`.
            trusted_proxies: As for `embedded`.
            prefix: As for `embedded`.
            roles: As for `embedded`.
            migrate: As for `embedded`. Where several machines start, run `ostiary migrate` once instead.
            sink: As for `embedded`.
            mailer: As for `embedded`.

        Raises:
            Misconfigured: the issuer, an origin, a proxy, the prefix or a URL cannot be used.
        """
        # SQLAlchemy, Argon2 and the rest load when an Auth is made, not when Ostiary is imported.
        from ostiary.keys.vault import SealedVault  # noqa: PLC0415
        from ostiary.methods.password import Password  # noqa: PLC0415
        from ostiary.stores.sql import SqlStore  # noqa: PLC0415

        clock, entropy = SystemClock(), SystemEntropy()
        vault = SealedVault(Path(key_file).absolute(), entropy=entropy)
        kept: Store = SqlStore(store, migrate=migrate)
        stream: Stream | None = None
        if redis is not None:
            from ostiary.feed.redis import RedisStream  # noqa: PLC0415 - the client is an extra
            from ostiary.stores.redis import RedisBeside  # noqa: PLC0415 - same

            kept = RedisBeside(kept, redis, clock=clock, secrets=partial(vault.derive, "challenges"))
            stream = RedisStream(redis, secrets=partial(vault.derive, "stream"))
        return cls(
            store=kept,
            stream=stream,
            vault=vault,
            password=Password(policy.password, service=urlsplit(issuer).hostname or ""),
            site=_site(issuer, trusted_origins, trusted_proxies, prefix),
            clock=clock,
            entropy=entropy,
            policy=policy,
            audience=audience,
            roles=roles,
            sink=sink,
            mailer=mailer,
        )

    # -------------------------------------------------------------------------------------------- life

    async def start(self, *, sends: bool = True) -> None:
        """Open the store, make what is missing, and follow the feed. Starting twice is starting once.

        `sends` is whether letters leave from this process, or are left to another one that is, or will be, running.

        Raises:
            Misconfigured: the store, the schema or the keys cannot be used; one line says why and what to do.
        """
        async with self._starting:
            if self.started:
                return
            self._loading = asyncio.Lock()
            self.guard.begin()
            self._password.open()
            await self._store.open()
            await self.keys.ensure()
            if self._stream is not None:
                await self._stream.open()  # after the keys are there: what it carries is sealed
            if self._roles is not None:
                await self.accounts.define_roles(self._roles, actor="settings")
            await self.upkeep.start(sends=sends)
            self.relay.open()
            self.started = True

    async def stop(self) -> None:
        """Write down what is still in memory, and let go of everything."""
        async with self._starting:
            if self.started:
                self.started = False
                self.relay.close()
                await self.upkeep.stop()
                if self._stream is not None:
                    await self._stream.close()
                await self._store.close()
                self._password.close()
        self._starting = asyncio.Lock()  # the next start may be in another event loop

    @asynccontextmanager
    async def running(self, *, sends: bool = True) -> AsyncGenerator["Auth"]:
        """Start, and stop at the end of the block."""
        await self.start(sends=sends)
        try:
            yield self
        finally:
            await self.stop()

    def _wake_post(self) -> None:
        if self._post is not None:
            self._post.wake()

    async def _load(self) -> None:
        """Read keys, roles and verifiers anew, and put them to use. One at a time: the newest stays."""
        async with self._loading:
            async with self._store.read() as tx:
                records = await tx.keys.all()
                verifiers = await tx.verifiers.all()
                versions, bodies = dict[str, int](), dict[str, str]()
                for name in (KEYS, ROLES, VERIFIERS):
                    document = await tx.documents.get(name)
                    versions[name], bodies[name] = (document.version, document.body) if document else (0, "")
            roles = json.loads(bodies[ROLES] or "{}")
            self.keyring = self._vault.open(records)
            self.guard.equip(keyring=self.keyring, roles=Roles.of(roles))
            self.floors.stir()
            self.verifiers.equip(verifiers)
            jwks = self.keyring.dated_jwks(now=self.clock.now())
            shown = {KEYS: jwks, ROLES: roles, VERIFIERS: None}
            self.relay.equip(DocumentOut(name=name, version=versions[name], body=shown[name]) for name in shown)

    # -------------------------------------------------------------------------------------------- login

    async def prove(self, address: str, password: str, *, ip: str = "", device_token: str = "") -> Proof:
        """Prove a user by address and password. `device_token` is what the last login on this device gave, if any.

        Unknown, wrong and disabled cost the same and are the same from outside.

        Raises:
            Refused: they do not go together, or the user is disabled; it is on record.
            Throttled: too many tries.
            Overloaded: too many passwords are being hashed already.
        """
        now, account = self.clock.now(), canonical_email(address) or address[:254]
        device = read_device_token(device_token, account=account, keyring=self.keyring, now=now)
        taken = await self._throttles.take(login_tries(account=account, address=neighbourhood(ip), device=device))
        ask = partial(self._password.prove, self._store, address=address, password=password, now=now)
        return await self._proved(ask, taken, user_id="", ip=ip)

    async def prove_again(self, user_id: str, password: str, *, ip: str = "") -> Proof:
        """Prove a user who has a session already, once more by password. Raises as `prove` does."""
        taken = await self._throttles.take({PROOF_USER: user_id})
        ask = partial(self._password.reprove, self._store, user_id=user_id, password=password, now=self.clock.now())
        return await self._proved(ask, taken, user_id=user_id, ip=ip)

    async def _proved(
        self, ask: Callable[[], Awaitable[Proof | Denied]], taken: tuple[str, ...], *, user_id: str, ip: str
    ) -> Proof:
        try:
            proof = await ask()
        except Unavailable:
            await self._throttles.undo(taken)  # nobody looked at the password, so it was no guess
            raise
        if isinstance(proof, Proof):
            return replace(proof, taken=taken)
        async with self._works.begin() as work:
            work.tell(Kind.LOGIN_FAILED, user_id=user_id, ip=ip, reason=proof.reason)
        raise Refused(proof.reason)

    async def login(
        self,
        proof: Proof,
        *,
        carrier: Carrier,
        device: Device = Device(),  # noqa: B008 - frozen
        device_token: str = "",
    ) -> Issued:
        """Begin a session for whoever gave this proof. `device_token` is as for `prove`; its successor is issued.

        Raises:
            Refused: the user was disabled or deleted, or the password changed, since the proof was given; or the
                address must be proved first.
        """
        async with self._works.begin() as work:
            account = await self._still_proved(work.tx, proof)
            refused = unproved(account, registration=self.policy.registration)
            if refused is not None:
                raise Refused(refused.reason)
            now = work.now
            session = Session(
                id=encode_base64url(self._entropy.bytes(16)),
                user_id=account.user.id,
                carrier=carrier,
                client_id=CLIENT_ID,
                device=device,
                amr=proof.amr,
                auth_time=proof.at,
                created_at=now,
                last_seen_at=now,
                expires_at=now + self.policy.session_life,
                tokens_until=now,
                turned_at=now,
            )
            if carrier is Carrier.BEARER:
                session = minting(session, now=now, policy=self.policy)
            others = await work.tx.sessions.of(session.user_id)
            await work.end_each(others[: -self.policy.most_sessions + 1 or None], actor=session.user_id)
            if work.seal is not None and await self._is_new(work, account, device, device_token, others):
                await work.notify(account, About.NEW_DEVICE, device=device.name, ip=device.ip)
            await work.tx.sessions.add(session)
            await self._throttles.give_back(work.tx, proof.taken)
            work.tell(
                Kind.LOGGED_IN,
                user_id=session.user_id,
                session_id=session.id,
                actor=session.user_id,
                ip=device.ip,
                carrier=carrier,
            )
            known_by = self._issuer.device_token(self.keyring, account, now, before=device_token)
            return replace(self._issuer.issue(self.keyring, session, account, now), device_token=known_by)

    async def step_up(self, who: Principal, proof: Proof) -> Issued:
        """Raise the caller's session by a new proof of its own user. What was minted before, and the old cookie, die.

        Raises:
            Refused: the session is over, the proof is somebody else's, or the caller does not hold the session's own
                carrier but a token that its cookie gave away.
        """
        async with self._works.begin() as work:
            session, _ = await self._live(work.tx, who.session_id, work.now)
            if session.carrier is not who.carrier:
                raise Refused(Reason.WRONG_CARRIER)
            if session.user_id != proof.user_id:
                raise Refused(Reason.WRONG_USER)
            account = await self._still_proved(work.tx, proof)
            raised = risen(session, amr=proof.amr, auth_time=proof.at)
            if session.carrier is Carrier.BEARER:
                raised = minting(raised, now=work.now, policy=self.policy)
            await work.swap(session, raised)
            await self._throttles.give_back(work.tx, proof.taken)
            work.tell(Kind.STEPPED_UP, user_id=session.user_id, session_id=session.id, actor=session.user_id)
            return self._issuer.issue(self.keyring, raised, account, work.now)

    # -------------------------------------------------------------------------------------------- carry on

    async def refresh(self, refresh_token: str) -> Issued:
        """Exchange a refresh token for its successor and a new access token. A copied one ends the session.

        Raises:
            Refused: by the table in `core.session`.
        """
        token = read_session_token(
            refresh_token, expected_carrier=Carrier.BEARER, keyring=self.keyring, now=self.clock.now()
        )
        if isinstance(token, Denied):
            raise Refused(token.reason)
        async with self._works.begin() as work:
            now = work.now
            session, account = await self._session_and_account(work.tx, token.sid)
            answer = present(session, token.n, now=now, policy=self.policy)
            outcome: Issued | Reason
            match answer:
                case Advance(turned) | Retry(turned) | Reissue(turned):
                    turned = minting(turned, now=now, policy=self.policy)
                    await work.swap(session, turned)
                    outcome = self._issuer.issue(self.keyring, turned, account, now)
                case Reused(ended):
                    await work.swap(session, ended)
                    await work.notify(account, About.TOKEN_REUSED, device=session.device.name)
                    work.tell(Kind.TOKEN_REUSED, user_id=session.user_id, session_id=session.id, number=str(token.n))
                    outcome = Reason.REUSED
                case Dead(why):
                    outcome = why.reason
                case Late():
                    outcome = Reason.LATE
                case Unknown():
                    outcome = Reason.UNKNOWN
                case _:
                    assert_never(answer)
        if isinstance(outcome, Reason):
            raise Refused(outcome)
        return outcome

    async def mint(self, who: Principal) -> Minted:
        """Give the holder of a cookie a short access token of its session, for calls to other places.

        Raises:
            Refused: the session is over, may do other things by now than the caller knew, or its cookie was not shown.
        """
        async with self._works.begin() as work:
            session, account = await self._live(work.tx, who.session_id, work.now)
            if session.carrier is not Carrier.COOKIE or who.carrier is not Carrier.COOKIE:
                raise Refused(Reason.WRONG_CARRIER)
            if session.revision != who.revision:
                raise Refused(Reason.SUPERSEDED)
            await work.swap(session, minting(session, now=work.now, policy=self.policy))
            return self._issuer.mint(self.keyring, session, account.user, work.now)

    async def authenticate(self, headers: Headers, method: str) -> Principal | Denied:
        """Say who is asking: from memory, or from the store when memory cannot say."""
        return await self.guard.authenticate(headers, method)

    # -------------------------------------------------------------------------------------------- end

    async def logout(self, principal: Principal) -> None:
        """End the caller's own session. When this returns it is dead here, and elsewhere within the feed's delay."""
        async with self._works.begin() as work:
            session = await work.tx.sessions.get(principal.session_id)
            if session is not None:
                await work.end(session, Kind.LOGGED_OUT, actor=principal.user_id)

    async def revoke(self, session_id: str, *, actor: str, user_id: str | None = None) -> bool:
        """End a session. With `user_id`, only one of that user's. `False` if there is no such live session."""
        async with self._works.begin() as work:
            session = await work.tx.sessions.get(session_id)
            if session is None or session.revoked_at is not None or user_id not in (None, session.user_id):
                return False
            await work.end(session, Kind.REVOKED, actor=actor)
            return True

    async def revoke_all(self, user_id: str, *, actor: str, but: str | None = None) -> int:
        """End every session of a user, save one. One transaction; returns how many."""
        async with self._works.begin() as work:
            return await work.end_all(user_id, actor=actor, but=but)

    # -------------------------------------------------------------------------------------------- look

    async def session(self, session_id: str) -> tuple[Session, Account]:
        """Return a live session and its account.

        Raises:
            Refused: it is over.
        """
        async with self._store.read() as tx:
            return await self._live(tx, session_id, self.clock.now())

    async def sessions(self, user_id: str) -> Sequence[Session]:
        """Return a user's live sessions, the oldest first."""
        now = self.clock.now()
        async with self._store.read() as tx:
            sessions = await tx.sessions.of(user_id)
        return [session for session in sessions if dead(session, now=now, policy=self.policy) is None]

    async def rename(self, session_id: str, name: str, *, user_id: str) -> Session | None:
        """Give one of a user's devices another name. `None` if there is no such live session."""
        async with self._works.begin() as work:
            session = await work.tx.sessions.get(session_id)
            if (
                session is None
                or session.user_id != user_id
                or dead(session, now=work.now, policy=self.policy) is not None
            ):
                return None
            renamed = replace(session, device=replace(session.device, name=name))
            await work.swap(session, renamed)
            work.tell(Kind.DEVICE_RENAMED, user_id=user_id, session_id=session_id, actor=user_id)
            return renamed

    # -------------------------------------------------------------------------------------------- private

    async def _session_and_account(self, tx: Transaction, session_id: str) -> tuple[Session, Account]:
        session = await tx.sessions.get(session_id)
        if session is None:
            raise Refused(Reason.NO_SESSION)
        return session, await self._account(tx, session.user_id)

    async def _live(self, tx: Transaction, session_id: str, now: datetime) -> tuple[Session, Account]:
        session, account = await self._session_and_account(tx, session_id)
        over = dead(session, now=now, policy=self.policy)
        if over is not None:
            raise Refused(over.reason)
        return session, account

    async def _still_proved(self, tx: Transaction, proof: Proof) -> Account:
        user = await tx.users.get(proof.user_id)
        refused = outdated(proof, user=user, credential=await tx.credentials.get(proof.credential_id))
        if refused is not None:
            raise Refused(refused.reason)
        return await self._account(tx, proof.user_id)

    async def _is_new(
        self, work: Work, account: Account, device: Device, device_token: str, others: Sequence[Session]
    ) -> bool:
        """Tell whether a device is none that the user has used. The first one of a new account is no news.

        It is known by its token, which is no stranger's; without one, by what it says of itself from the same place.
        """
        if not others and work.now - account.user.created_at < _REGISTERED_JUST_NOW:
            return False
        name = account.email.value if account.email is not None else ""
        if read_device_token(device_token, account=name, keyring=self.keyring, now=work.now):
            return False
        return not await work.tx.sessions.known(account.user.id, device)

    async def _account(self, tx: Transaction, user_id: str) -> Account:
        user = await tx.users.get(user_id)
        if user is None:
            raise Refused(Reason.NO_SESSION)
        if user.disabled_at is not None:
            raise Refused(Reason.USER_DISABLED)
        return Account(user=user, identifiers=tuple(await tx.identifiers.of(user_id)))


def _site(issuer: str, trusted_origins: Sequence[str], trusted_proxies: Sequence[str], prefix: str) -> Site:
    """Make a site, or say in one line why its words cannot be used."""
    try:
        return Site.of(issuer, trusted=trusted_origins, proxies=trusted_proxies, prefix=prefix)
    except ValueError as error:
        raise Misconfigured(str(error)) from None


class _NoSink:
    """Hears nothing. The audit records are in the store all the same."""

    def report(self, event: Event) -> None:
        """Let it pass."""
