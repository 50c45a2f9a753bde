"""The verbs of accounts: register, change what proves a user, disable, delete, give roles."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ostiary.auth.throttles import Throttles
from ostiary.auth.work import Work, Works
from ostiary.core.access import Principal
from ostiary.core.assurance import RECENT, Proof, fresh, outdated
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.events import Event, Kind
from ostiary.core.identifier import email as canonical_email
from ostiary.core.letter import About
from ostiary.core.network import neighbourhood
from ostiary.core.throttle import REGISTER_ADDRESS
from ostiary.core.user import Account, Credential, Identifier, User
from ostiary.errors import Invalid, Refused, Taken, Unavailable
from ostiary.languages import LANGUAGES
from ostiary.ports import Clock, Entropy, PasswordMethod, Store

ROLES = "roles"
"""The feed's name for the table of roles."""

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Everything that can be done to an account. `actor` is who does it: a user's id, `cli` or `settings`."""

    store: Store
    works: Works
    throttles: Throttles
    password: PasswordMethod
    clock: Clock
    entropy: Entropy

    async def register(
        self,
        *,
        email: str,
        password: str,
        name: str = "",
        roles: Iterable[str] = (),
        language: str = "",
        ip: str = "",
        actor: str = "",
        also: Callable[[Work, Account], Awaitable[None]] | None = None,
    ) -> Account:
        """Make a new account with a password, whatever the policy says of registration: `flows.register` follows it.

        `also` is done in the same transaction.

        Raises:
            Invalid: the address or the name cannot be used; `WeakPassword`, `Taken` among them.
            Throttled: too many accounts were made from this address.
            Overloaded: too many passwords are being hashed already.
        """
        value = canonical_email(email)
        if value is None:
            raise Invalid("email", "this is not an e-mail address")
        name = clean_name(name)
        await self.throttles.take({REGISTER_ADDRESS: neighbourhood(ip)})
        now = self.clock.now()
        user = User(id=self._id(), name=name, roles=clean_roles(roles), created_at=now, language=language)
        identifier = Identifier(kind="email", value=value, typed=email.strip(), user_id=user.id)
        credential = await self.password.credential(
            user.id, password, credential_id=self._id(), now=now, words=words_of(name, [identifier])
        )
        async with self.works.begin() as work:
            await work.tx.users.add(user)
            if not await work.tx.identifiers.add(identifier):
                raise Taken("email", "this address belongs to an account already")
            await work.tx.credentials.add(credential)
            work.tell(Kind.REGISTERED, user_id=user.id, actor=actor or user.id, ip=ip)
            account = Account(user=user, identifiers=(identifier,))
            if also is not None:
                await also(work, account)
        return account

    async def get(self, user_id: str) -> Account | None:
        """Return an account, or `None`."""
        async with self.store.read() as tx:
            user = await tx.users.get(user_id)
            return None if user is None else Account(user=user, identifiers=tuple(await tx.identifiers.of(user_id)))

    async def find(self, email: str) -> Account | None:
        """Return the account that an e-mail address belongs to, or `None`."""
        value = canonical_email(email)
        async with self.store.read() as tx:
            identifier = await tx.identifiers.get("email", value) if value is not None else None
        return await self.get(identifier.user_id) if identifier is not None else None

    async def page(self, *, after: str = "", limit: int = 100) -> Sequence[Account]:
        """Return accounts in the order of their ids, beginning after an id."""
        async with self.store.read() as tx:
            users = await tx.users.page(after=after, limit=limit)
            return [Account(user=user, identifiers=tuple(await tx.identifiers.of(user.id))) for user in users]

    async def activity(self, user_id: str, *, limit: int = 50) -> Sequence[Event]:
        """Return the newest audit records of a user, the newest first."""
        async with self.store.read() as tx:
            return await tx.events.of(user_id, limit=limit)

    async def change_password(self, proof: Proof, *, new: str, keep_session: str | None) -> None:
        """Replace the password that was just proved. All other sessions of the user end with it.

        Raises:
            WeakPassword: the new one will not do. Nothing has changed.
            Refused: the password was changed by somebody else in the meantime.
        """
        account = await self._account(proof.user_id)
        old = await self._credential(proof.credential_id)
        if old is None:
            raise Refused(Reason.BAD_CREDENTIALS)
        credential = await self.password.replaced(
            old, new, now=self.clock.now(), words=words_of(account.user.name, account.identifiers)
        )
        async with self.works.begin() as work:
            # Read again: a login at the same moment may have hashed the same password anew, and that is no change.
            now = await work.tx.credentials.get(old.id)
            refused = outdated(proof, user=await work.tx.users.get(proof.user_id), credential=now)
            if refused is not None or now is None:
                raise Refused(Reason.BAD_CREDENTIALS if refused is None else refused.reason)
            if not await work.tx.credentials.swap(now, credential):
                raise Unavailable("the password changed at the same moment; try again")
            await self.throttles.give_back(work.tx, proof.taken)
            await work.end_all(proof.user_id, actor=proof.user_id, but=keep_session)
            work.tell(Kind.PASSWORD_CHANGED, user_id=proof.user_id, actor=proof.user_id)
            await work.notify(account, About.PASSWORD_CHANGED)

    async def set_password(self, user_id: str, *, new: str, actor: str) -> int:
        """Give a user another password without knowing the old one. All sessions end; returns how many.

        Raises:
            WeakPassword: the new one will not do.
            Invalid: there is no such user.
        """
        account = await self._account(user_id)
        words = words_of(account.user.name, account.identifiers)
        async with self.store.read() as tx:
            old = next(iter(await tx.credentials.of(user_id, "password")), None)
        now = self.clock.now()
        if old is None:
            new_credential = await self.password.credential(
                user_id, new, credential_id=self._id(), now=now, words=words
            )
        else:
            new_credential = await self.password.replaced(old, new, now=now, words=words)
        async with self.works.begin() as work:
            await put_credential(work, old, new_credential)
            work.tell(Kind.PASSWORD_SET, user_id=user_id, actor=actor)
            await work.notify(account, About.PASSWORD_CHANGED)
            return await work.end_all(user_id, actor=actor)

    async def disable(self, user_id: str, *, actor: str) -> int:
        """Shut a user out. All sessions end at once; returns how many. Disabling twice changes nothing."""
        async with self.works.begin() as work:
            user = await _user(work, user_id)
            if user.disabled_at is None:
                await _swap_user(work, user, replace(user, disabled_at=work.now, revision=user.revision + 1))
                work.tell(Kind.USER_DISABLED, user_id=user_id, actor=actor)
            return await work.end_all(user_id, actor=actor)

    async def enable(self, user_id: str, *, actor: str) -> None:
        """Let a user in again. What ended when they were disabled stays ended."""
        async with self.works.begin() as work:
            user = await _user(work, user_id)
            if user.disabled_at is not None:
                await _swap_user(work, user, replace(user, disabled_at=None, revision=user.revision + 1))
                work.tell(Kind.USER_ENABLED, user_id=user_id, actor=actor)

    async def delete(self, user_id: str, *, actor: str) -> None:
        """Remove an account with all that belongs to it. Its sessions end at once, and its address is free again.

        Its audit records stay, without what is personal in them.
        """
        async with self.works.begin() as work:
            await _user(work, user_id)
            await _remove(work, user_id, actor=actor)

    async def delete_own(self, who: Principal, proof: Proof) -> None:
        """Remove the caller's own account, as `delete` does. That cannot be undone, so it takes a proof of just now.

        Raises:
            Refused: the proof is somebody else's, is not fresh, or has been overtaken: then nothing has changed.
        """
        async with self.works.begin() as work:
            await expect_fresh(work, who, proof)
            await self.throttles.give_back(work.tx, proof.taken)
            await _remove(work, who.user_id, actor=who.user_id)

    async def rename(self, user_id: str, name: str, *, actor: str) -> Account:
        """Call a user by another name. Nobody is logged out.

        Raises:
            Invalid: the name cannot be used, or there is no such user.
        """
        name = clean_name(name)
        async with self.works.begin() as work:
            user = await _user(work, user_id)
            if user.name != name:
                await _swap_user(work, user, replace(user, name=name, revision=user.revision + 1))
                work.tell(Kind.USER_RENAMED, user_id=user_id, actor=actor)
        return await self._account(user_id)

    async def set_language(self, user_id: str, tag: str, *, actor: str) -> None:
        """Speak and write to a user in another language; with no tag, in that of the browser.

        Raises:
            Invalid: it is none that we speak, or there is no such user.
        """
        if tag and tag not in {language.tag for language in LANGUAGES}:
            raise Invalid("language", "this is none of the languages that are spoken here")
        async with self.works.begin() as work:
            user = await _user(work, user_id)
            if user.language != tag:
                await _swap_user(work, user, replace(user, language=tag, revision=user.revision + 1))
                work.tell(Kind.LANGUAGE_CHANGED, user_id=user_id, actor=actor)

    async def set_roles(self, user_id: str, roles: Iterable[str], *, actor: str) -> User:
        """Give a user these roles and no others. Every guard knows within the feed's delay; nobody is logged out."""
        names = clean_roles(roles)
        async with self.works.begin() as work:
            user = await _user(work, user_id)
            if user.roles == names:
                return user
            changed = replace(user, roles=names, revision=user.revision + 1)
            await _swap_user(work, user, changed)
            await work.raise_all(user_id)
            work.tell(Kind.ROLES_CHANGED, user_id=user_id, actor=actor, roles=" ".join(names))
            return changed

    async def define_roles(self, table: Mapping[str, Iterable[str]], *, actor: str) -> None:
        """Say which permissions each role stands for, for every guard at once. The whole table is replaced."""
        body = json.dumps({role: sorted(set(permissions)) for role, permissions in sorted(table.items())})
        async with self.works.begin() as work:
            old = await work.tx.documents.get(ROLES)
            if old is None or old.body != body:
                await work.publish(ROLES, body)
                work.tell(Kind.ROLE_TABLE_CHANGED, actor=actor)

    def _id(self) -> str:
        return encode_base64url(self.entropy.bytes(16))

    async def _account(self, user_id: str) -> Account:
        account = await self.get(user_id)
        if account is None:
            raise Invalid("user", "there is no such user")
        return account

    async def _credential(self, credential_id: str) -> Credential | None:
        async with self.store.read() as tx:
            return await tx.credentials.get(credential_id)


async def expect_fresh(work: Work, who: Principal, proof: Proof) -> None:
    """See that a proof is the caller's own, of just now, and not overtaken.

    Raises:
        Refused: it is not.
    """
    user = await work.tx.users.get(who.user_id)
    credential = await work.tx.credentials.get(proof.credential_id)
    if proof.user_id != who.user_id:
        raise Refused(Reason.WRONG_USER)
    for refused in (
        outdated(proof, user=user, credential=credential),
        fresh(proof.at, now=work.now, within=RECENT),
    ):
        if refused is not None:
            raise Refused(refused.reason)


async def _user(work: Work, user_id: str) -> User:
    user = await work.tx.users.get(user_id)
    if user is None:
        raise Invalid("user", "there is no such user")
    return user


async def _remove(work: Work, user_id: str, *, actor: str) -> None:
    await work.end_all(user_id, actor=actor)
    await work.tx.users.remove(user_id)
    await work.tx.events.forget(user_id)
    work.tell(Kind.USER_DELETED, user_id=user_id, actor=actor)


async def _swap_user(work: Work, old: User, new: User) -> None:
    if not await work.tx.users.swap(old, new):
        raise Unavailable("the account changed at the same moment")


async def put_credential(work: Work, old: Credential | None, new: Credential) -> None:
    """Store a password in the place of the one that a user had, or as their first."""
    await _user(work, new.user_id)  # held before what belongs to it, or a login that holds it would wait for us
    if old is None:
        await work.tx.credentials.add(new)
    elif not await work.tx.credentials.swap(old, new):
        raise Unavailable("the password changed at the same moment; try again")


def clean_name(name: str) -> str:
    """Return a name in one line. Raises `Invalid`."""
    name = " ".join(name.split())
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise Invalid("name", "a name has at most %(most)s characters, all printable", most=_LONGEST_NAME)
    return name


def clean_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Return the names of roles in order, each once. Raises `Invalid`."""
    names = tuple(sorted(set(roles)))
    for name in names:
        if not name or len(name) > 64 or not name.isprintable() or " " in name:
            raise Invalid("roles", "a role's name has 1 to 64 printable characters and no space")
    return names


def words_of(name: str, identifiers: Iterable[Identifier]) -> list[str]:
    """Return the user's own words, which make a password easy to guess."""
    return [name, *(identifier.value for identifier in identifiers)]
