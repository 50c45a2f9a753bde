"""Real accounts and sessions, made by an application's own verbs. Only the proof is a test's word."""

from collections.abc import Collection
from datetime import timedelta

from ostiary.auth import Auth, Issued
from ostiary.core.assurance import Proof
from ostiary.core.base64url import encode_base64url
from ostiary.core.events import Kind
from ostiary.core.identifier import email
from ostiary.core.session import Carrier, Device
from ostiary.core.user import Account, Credential, Identifier, User
from ostiary.errors import Invalid


async def begin(
    auth: Auth, user: str, *, carrier: Carrier, amr: Collection[str], age: timedelta, roles: Collection[str] | None
) -> Issued:
    """Begin a session of the user with this id or address, as if they had proved themself thus, so long ago."""
    user_id = (await settle(auth, user)).user.id if "@" in user else user
    if roles is not None:
        await auth.accounts.set_roles(user_id, roles, actor="test")
    proof = await _believed(auth, user_id, amr=tuple(amr), age=age)
    return await auth.login(proof, carrier=carrier, device=Device(name="a test"))


async def settle(auth: Auth, address: str) -> Account:
    """Return the account that an address belongs to. If there is none it is made, verified and without a password.

    Raises:
        Invalid: it is not an address.
    """
    found = await auth.accounts.find(address)
    if found is not None:
        return found
    value = email(address)
    if value is None:
        raise Invalid("email", "this is not an e-mail address")
    now = auth.clock.now()
    user = User(id=encode_base64url(auth.accounts.entropy.bytes(16)), name="", created_at=now)
    identifier = Identifier(kind="email", value=value, typed=address, user_id=user.id, verified_at=now)
    async with auth.accounts.works.begin() as work:
        await work.tx.users.add(user)
        await work.tx.identifiers.add(identifier)
        work.tell(Kind.REGISTERED, user_id=user.id, actor="test")
    return Account(user=user, identifiers=(identifier,))


async def _believed(auth: Auth, user_id: str, *, amr: tuple[str, ...], age: timedelta) -> Proof:
    """Take a test's word for who somebody is. It stands as a credential that no method of proving looks for."""
    kind = "the word of a test"
    now = auth.clock.now()
    async with auth.accounts.works.begin() as work:
        if await work.tx.users.get(user_id) is None:
            raise Invalid("user", "there is no such user")
        words = await work.tx.credentials.of(user_id, kind)
        word = (
            words[0]
            if words
            else Credential(id=f"test-{user_id}", user_id=user_id, kind=kind, secret="", changed_at=now)
        )
        if not words:
            await work.tx.credentials.add(word)
    return Proof(user_id=user_id, amr=amr, at=now - age, credential_id=word.id, credential_version=word.version)
