"""Does what a link or a code leads to, by the table `core.flow.REDEEMED`."""

from dataclasses import dataclass, replace

from ostiary.auth.accounts import clean_roles, put_credential
from ostiary.auth.standing import NOBODY, Standing, standing, standing_of
from ostiary.auth.throttles import Throttles
from ostiary.auth.tickets import Found, Tickets
from ostiary.auth.work import Work, Works
from ostiary.core.access import Principal
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.flow import REDEEMED, Finds, Flow, Leads
from ostiary.core.throttle import PROOF_USER
from ostiary.core.ticket import Newcomer, Ticket
from ostiary.core.user import Account, Credential, Identifier, User
from ostiary.errors import Refused, Unavailable
from ostiary.ports import Clock, Entropy, PasswordMethod, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeeming:
    """What becomes of tickets."""

    store: Store
    works: Works
    throttles: Throttles
    tickets: Tickets
    password: PasswordMethod
    clock: Clock
    entropy: Entropy

    async def expect_owner(
        self, found: Found, who: Principal | None, password: str | None, *, ip: str
    ) -> tuple[str, ...]:
        """See that a ticket came back to who asked for it. Returns the throttle counters that this used up.

        Raises:
            Refused: the session is not that account's, and the password is missing or wrong; or the ticket is void.
            Throttled: too many passwords were tried with this ticket.
            Overloaded: too many passwords are being checked already.
        """
        ticket = found.ticket
        if who is not None and ticket.user_id == who.user_id:
            return ()
        credential: Credential | None = self._credential(NOBODY, ticket.newcomer)
        if ticket.user_id:
            async with self.store.read() as tx:
                own = await standing_of(tx, ticket.user_id)
            if own.state != ticket.state:
                raise Refused(Reason.VOID)
            credential = own.password
        if password is None:
            raise Refused(Reason.PASSWORD_NEEDED)
        taken = await self.throttles.take({PROOF_USER: found.digest})
        try:
            matches = await self.password.matches(credential, password)
        except Unavailable:
            await self.throttles.undo(taken)  # nobody looked at the password, so it was no guess
            raise
        if not matches:
            async with self.works.begin() as work:
                work.tell(Kind.LOGIN_FAILED, user_id=ticket.user_id, ip=ip, reason=Reason.BAD_CREDENTIALS)
            raise Refused(Reason.BAD_CREDENTIALS)
        return taken

    async def redeem(self, work: Work, found: Found) -> tuple[Standing, Leads]:
        """End a ticket, and say where it leads now. Returns what the account that it concerns is like.

        Raises:
            Refused: nowhere. Somebody was first, or the account is no longer as it was when the letter was written.
        """
        ticket = found.ticket
        await self.tickets.take(work.tx, found, now=work.now)
        if ticket.flow is Flow.CHANGE:
            # Of another's account only the address is looked at: who holds two users could wait in a circle.
            is_free = await work.tx.identifiers.get("email", ticket.address) is None
            own = await standing_of(work.tx, ticket.user_id)
            leads = REDEEMED[ticket.flow][Finds.NOBODY if is_free else Finds.PROVED]
        else:
            own = await standing(work.tx, ticket.address)
            leads = REDEEMED[ticket.flow][own.finds]
        is_as_it_was = ticket.state == (own.state if ticket.user_id else "")
        if leads is Leads.VOID or own.finds is Finds.DISABLED or not is_as_it_was:
            raise Refused(Reason.VOID)
        return own, leads

    async def prove(self, work: Work, own: Standing, *, ip: str) -> Account:
        """Write down that an address is its user's."""
        user, identifier = own.owned()
        if identifier.verified_at is None:
            proved = replace(identifier, verified_at=work.now)
            await self.move(work, identifier, proved)
            work.tell(Kind.EMAIL_VERIFIED, user_id=user.id, actor=user.id, ip=ip)
            identifier = proved
        return Account(user=user, identifiers=(identifier,))

    async def move(self, work: Work, old: Identifier, new: Identifier) -> None:
        """Put an address in the place of another.

        Raises:
            Refused: somebody else has it by now, or the old one is gone. Nothing of the transaction happens.
        """
        if not (await work.tx.identifiers.remove(old) and await work.tx.identifiers.add(new)):
            raise Refused(Reason.VOID)

    async def settle(self, work: Work, ticket: Ticket, own: Standing, newcomer: Newcomer, *, ip: str) -> Account:
        """Make a newcomer's account, or give them the one that was made with their address and never proved it."""
        if own.user is None:
            return await self._make(work, ticket, newcomer, ip=ip)
        user, _ = own.owned()
        changed = replace(
            user,
            name=newcomer.name,
            language=newcomer.language,
            roles=clean_roles((*user.roles, *newcomer.roles)),
            revision=user.revision + 1,
        )
        if not await work.tx.users.swap(user, changed):
            raise Unavailable("the account changed at the same moment")
        old, new = own.password, self._credential(user.id, newcomer)
        if old is not None:
            new = replace(old, secret=new.secret, version=old.version + 1, changed_at=work.now)
        await put_credential(work, old, new)
        work.tell(Kind.ACCOUNT_TAKEN_OVER, user_id=user.id, actor=user.id, ip=ip)
        await work.end_all(user.id, actor=user.id)
        return await self.prove(work, replace(own, user=changed), ip=ip)

    async def _make(self, work: Work, ticket: Ticket, newcomer: Newcomer, *, ip: str) -> Account:
        user = User(
            id=self._id(),
            name=newcomer.name,
            roles=newcomer.roles,
            created_at=work.now,
            language=newcomer.language,
        )
        identifier = Identifier(
            kind="email", value=ticket.address, typed=ticket.typed, user_id=user.id, verified_at=work.now
        )
        await work.tx.users.add(user)
        if not await work.tx.identifiers.add(identifier):
            raise Refused(Reason.VOID)
        await work.tx.credentials.add(self._credential(user.id, newcomer))
        for kind in (Kind.REGISTERED, Kind.EMAIL_VERIFIED):
            work.tell(kind, user_id=user.id, actor=user.id, ip=ip)
        return Account(user=user, identifiers=(identifier,))

    def _credential(self, user_id: str, newcomer: Newcomer) -> Credential:
        now = self.clock.now()
        return Credential(id=self._id(), user_id=user_id, kind="password", secret=newcomer.secret, changed_at=now)

    def _id(self) -> str:
        return encode_base64url(self.entropy.bytes(16))
