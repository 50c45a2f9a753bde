"""The verbs of letters: what is asked for by one, and what comes back of it. `core.flow` has the tables.

| verb                  | asks for                 | and what comes back is redeemed by                        |
|-----------------------|--------------------------|-----------------------------------------------------------|
| `register`            | a new account            | `verify_email`, with the password                         |
| `send_verification`   | proof of an address      | `verify_email`, with the session or the password          |
| `forgot`              | another password         | `reset`                                                   |
| `change_email`        | another address          | `confirm_email`, with the session or the password         |
| `invite`              | an account for somebody  | `accept_invitation`                                       |

Whoever asks learns nothing of who has an account: a letter says it to who may know.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from ostiary.auth.accounts import Accounts, clean_name, clean_roles, expect_fresh, put_credential, words_of
from ostiary.auth.asking import Asking
from ostiary.auth.redeeming import Redeeming
from ostiary.auth.standing import standing, standing_of
from ostiary.auth.throttles import Throttles
from ostiary.auth.tickets import Back, Tickets
from ostiary.auth.work import Works
from ostiary.core.access import Principal
from ostiary.core.assurance import Proof
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.flow import ASKED, Finds, Flow, Leads, Writes
from ostiary.core.identifier import email as canonical_email
from ostiary.core.letter import About
from ostiary.core.network import neighbourhood
from ostiary.core.policy import Policy, Registration
from ostiary.core.throttle import FORGOT_ACCOUNT, FORGOT_ADDRESS, REGISTER_ADDRESS, VERIFY_ACCOUNT
from ostiary.core.ticket import Link, Newcomer, Ticket
from ostiary.core.user import Account, Identifier
from ostiary.errors import Invalid, OstiaryError, Refused, Taken, Throttled
from ostiary.ports import Clock, Entropy, PasswordMethod, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Everything that needs a letter. Without mail, what asks for one is refused; an invitation can be handed over."""

    store: Store
    works: Works
    throttles: Throttles
    tickets: Tickets
    accounts: Accounts
    password: PasswordMethod
    clock: Clock
    entropy: Entropy
    policy: Policy
    asking: Asking
    redeeming: Redeeming

    @property
    def has_mail(self) -> bool:
        """Whether letters are sent."""
        return self.asking.has_mail

    # -------------------------------------------------------------------------------------------- registration

    async def register(
        self, *, email: str, password: str, name: str = "", language: str = "", ip: str = ""
    ) -> Account | None:
        """Make an account for who asks, as the policy's `registration` says. `None`: the address must be proved first.

        Raises:
            Invalid: the address or the name cannot be used; `WeakPassword`, `Taken` among them.
            Refused: accounts are for those who were invited.
            Throttled: too many accounts were made from this network address, or too many letters went to this one.
            Overloaded: too many passwords are being hashed already.
        """
        if self.policy.registration is Registration.CLOSED:
            raise Refused(Reason.REGISTRATION_CLOSED)
        address, name = _address(email), clean_name(name)
        if self.policy.registration is Registration.OPEN:
            return await self._register(email=email, password=password, name=name, language=language, ip=ip)
        await self.throttles.take({REGISTER_ADDRESS: neighbourhood(ip)})
        newcomer = Newcomer(name=name, language=language, secret=await self._hashed(password, name, address))
        await self.throttles.take({VERIFY_ACCOUNT: address})  # now, for a password that will not do has no letter sent
        ticket = Ticket(flow=Flow.REGISTER, address=address, typed=email.strip(), newcomer=newcomer)
        await self.asking.ask(ticket, language=language, ip=ip)
        return None

    async def send_verification(self, email: str, *, language: str = "", ip: str = "") -> None:
        """Write to an address how it is proved, if an account has it and has not proved it yet.

        Raises:
            Invalid: it is no address.
            Refused: no mail is sent here.
            Throttled: too many letters were asked for.
        """
        self.asking.need_mail()
        address = _address(email)
        await self.throttles.take({FORGOT_ADDRESS: neighbourhood(ip), VERIFY_ACCOUNT: address})
        await self.asking.ask(Ticket(flow=Flow.VERIFY, address=address), language=language, ip=ip)

    async def verify_email(
        self, back: Back, *, who: Principal | None = None, password: str | None = None, ip: str = ""
    ) -> Account:
        """Take an address as proved, and make the account that waited for it.

        The link shows who reads the mailbox. Who asked for it shows themself by the account's session, or its password.

        Raises:
            Refused: the link or code is void, the password is missing or wrong.
            Throttled: too many tries.
        """
        found = await self.tickets.find(back, flow=Flow.VERIFY, ip=ip)
        taken = await self.redeeming.expect_owner(found, who, password, ip=ip)
        async with self.works.begin() as work:
            own, leads = await self.redeeming.redeem(work, found)
            if leads is Leads.PROVE:
                account = await self.redeeming.prove(work, own, ip=ip)
            else:
                account = await self.redeeming.settle(work, found.ticket, own, found.ticket.newcomer, ip=ip)
            await self.throttles.give_back(work.tx, taken)
        return account

    # -------------------------------------------------------------------------------------------- invitation

    async def invite(
        self, email: str, *, roles: Iterable[str] = (), name: str = "", language: str = "", actor: str
    ) -> str:
        """Invite somebody to make an account, by letter. Returns the link, to be handed over where no mail is sent.

        Raises:
            Invalid: the address, the name or a role cannot be used; `Taken` if the address is proved by an account.
        """
        address = _address(email)
        newcomer = Newcomer(name=clean_name(name), language=language, roles=clean_roles(roles))
        ticket = Ticket(flow=Flow.INVITE, address=address, typed=email.strip(), newcomer=newcomer)
        async with self.works.begin() as work:
            found = await standing(work.tx, address)
            if ASKED[Flow.INVITE][found.finds] is not Writes.LINK:
                raise Taken("email", "this address belongs to an account already")
            link = await self.asking.write(work, ticket, found, language=language)
            work.tell(Kind.INVITED, actor=actor, roles=" ".join(newcomer.roles))
        return link

    async def accept_invitation(
        self, link: Link, *, password: str, name: str = "", language: str = "", ip: str = ""
    ) -> Account:
        """Make the account that somebody was invited to. Its address is proved by that.

        Raises:
            Refused: the link is void.
            Invalid: the name cannot be used; `WeakPassword` among them. The link stays good.
        """
        found = await self.tickets.find(link, flow=Flow.INVITE, ip=ip)
        ticket = found.ticket
        name = clean_name(name) or ticket.newcomer.name
        secret = await self._hashed(password, name, ticket.address)
        language = ticket.newcomer.language or language
        newcomer = replace(ticket.newcomer, name=name, language=language, secret=secret)
        async with self.works.begin() as work:
            own, _ = await self.redeeming.redeem(work, found)
            return await self.redeeming.settle(work, ticket, own, newcomer, ip=ip)

    # -------------------------------------------------------------------------------------------- a lost password

    async def forgot(self, email: str, *, language: str = "", ip: str = "") -> None:
        """Write to an address how another password is set, if an account has it that is not disabled.

        Raises:
            Invalid: it is no address.
            Refused: no mail is sent here.
            Throttled: too many letters were asked for.
        """
        self.asking.need_mail()
        address = _address(email)
        await self.throttles.take({FORGOT_ADDRESS: neighbourhood(ip), FORGOT_ACCOUNT: address})
        await self.asking.ask(Ticket(flow=Flow.RESET, address=address), language=language, ip=ip)

    async def reset(self, back: Back, *, new: str, keep_sessions: bool = False, ip: str = "") -> Account:
        """Set another password. All sessions end, unless told otherwise; the address is proved by it.

        Whoever was in before the address was proved may be somebody else: their sessions end in any case.

        Raises:
            Refused: the link or code is void.
            WeakPassword: the new one will not do. The link or code stays good.
            Throttled: too many codes were tried.
        """
        found = await self.tickets.find(back, flow=Flow.RESET, ip=ip)
        async with self.store.read() as tx:
            before = await standing(tx, found.ticket.address)
        if before.state != found.ticket.state:
            raise Refused(Reason.VOID)
        user, identifier = before.owned()
        now, words = self.clock.now(), words_of(user.name, [identifier])
        if before.password is None:
            name = encode_base64url(self.entropy.bytes(16))
            credential = await self.password.credential(user.id, new, credential_id=name, now=now, words=words)
        else:
            credential = await self.password.replaced(before.password, new, now=now, words=words)
        async with self.works.begin() as work:
            own, _ = await self.redeeming.redeem(work, found)
            await put_credential(work, own.password, credential)
            account = await self.redeeming.prove(work, own, ip=ip)
            work.tell(Kind.PASSWORD_RESET, user_id=user.id, actor=user.id, ip=ip)
            if not keep_sessions or own.finds is Finds.UNPROVED:
                await work.end_all(user.id, actor=user.id)
            await work.notify(account, About.PASSWORD_CHANGED)
        return account

    # -------------------------------------------------------------------------------------------- another address

    async def change_email(self, who: Principal, proof: Proof, *, new: str, language: str = "", ip: str = "") -> None:
        """Write to another address how it becomes the caller's. Until then nothing changes. It takes a fresh proof.

        Raises:
            Invalid: it is no address.
            Refused: the proof is not the caller's own, of just now; or no mail is sent here.
            Throttled: too many letters went to this address.
        """
        self.asking.need_mail()
        address = _address(new)
        await self.throttles.take({FORGOT_ADDRESS: neighbourhood(ip), VERIFY_ACCOUNT: address})
        async with self.store.read() as tx:  # not in the write below: who holds two users could wait in a circle
            found = await standing(tx, address)
        async with self.works.begin() as work:
            await expect_fresh(work, who, proof)
            own = await standing_of(work.tx, who.user_id)
            ticket = Ticket(flow=Flow.CHANGE, address=address, typed=new.strip(), user_id=who.user_id, state=own.state)
            chosen = own.user.language if own.user is not None else ""
            await self.asking.write(work, ticket, found, language=chosen or language)
            await self.throttles.give_back(work.tx, proof.taken)
            work.tell(Kind.LETTER_ASKED, user_id=who.user_id, actor=who.user_id, ip=ip, flow=Flow.CHANGE)

    async def confirm_email(
        self, back: Back, *, who: Principal | None = None, password: str | None = None, ip: str = ""
    ) -> Account:
        """Take the new address as the account's own. The old one is told if it was proved, and is free.

        Who asked for it shows themself as in `verify_email`, or somebody could be made to prove another's new address.

        Raises:
            Refused: the link or code is void, the password is missing or wrong.
            Throttled: too many tries.
        """
        found = await self.tickets.find(back, flow=Flow.CHANGE, ip=ip)
        taken = await self.redeeming.expect_owner(found, who, password, ip=ip)
        ticket = found.ticket
        async with self.works.begin() as work:
            own, _ = await self.redeeming.redeem(work, found)
            user, old = own.owned()
            new = Identifier(
                kind="email", value=ticket.address, typed=ticket.typed, user_id=user.id, verified_at=work.now
            )
            await self.redeeming.move(work, old, new)
            work.tell(Kind.EMAIL_CHANGED, user_id=user.id, actor=user.id, ip=ip)
            await work.notify(Account(user=user, identifiers=(old,)), About.EMAIL_CHANGED)
            await self.throttles.give_back(work.tx, taken)
        return Account(user=user, identifiers=(new,))

    async def _register(self, *, email: str, password: str, name: str, language: str, ip: str) -> Account:
        """Make an account at once. If its letter would be one too many to this address, it can be asked for later.

        Who makes an account may delete it and begin again, so these letters are counted with all others.
        """
        taken: tuple[str, ...] = ()
        also = None
        if self.has_mail:
            with suppress(Throttled):
                taken, also = await self.throttles.take({VERIFY_ACCOUNT: _address(email)}), self.asking.welcome
        try:
            return await self.accounts.register(
                email=email, password=password, name=name, language=language, ip=ip, also=also
            )
        except OstiaryError:
            await self.throttles.undo(taken)  # no letter was written
            raise

    async def _hashed(self, password: str, name: str, address: str) -> str:
        """Return the hash of a newcomer's password, which must be as good as anybody's."""
        now, words = self.clock.now(), [name, address]
        return (await self.password.credential("", password, credential_id="", now=now, words=words)).secret


def _address(email: str) -> str:
    value = canonical_email(email)
    if value is None:
        raise Invalid("email", "this is not an e-mail address")
    return value
