"""Writes the letters that are asked for, by the table `core.flow.ASKED`."""

import logging
from dataclasses import dataclass, replace
from typing import Final

from ostiary.auth.standing import Standing, standing
from ostiary.auth.tickets import Overtaken, Tickets
from ostiary.auth.work import Work, Works
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.flow import ASKED, Finds, Flow, Writes
from ostiary.core.letter import About
from ostiary.core.site import Site
from ostiary.core.ticket import NO_STATE, Ticket
from ostiary.core.user import Account
from ostiary.errors import Refused

log = logging.getLogger("ostiary.auth")

PAGES: Final = {
    Flow.REGISTER: "/auth/verify",
    Flow.VERIFY: "/auth/verify",
    Flow.RESET: "/auth/reset",
    Flow.CHANGE: "/auth/confirm-email",
    Flow.INVITE: "/auth/invitation",
}
"""Where the links of letters lead. To look at a page there changes nothing: mail scanners do that."""

_LETTERS: Final = {
    Flow.REGISTER: About.VERIFY_EMAIL,
    Flow.VERIFY: About.VERIFY_EMAIL,
    Flow.RESET: About.RESET_PASSWORD,
    Flow.CHANGE: About.CHANGE_EMAIL,
    Flow.INVITE: About.INVITATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What asks for a letter."""

    works: Works
    tickets: Tickets
    site: Site
    has_mail: bool

    def need_mail(self) -> None:
        """Refuse what only a letter can do, where none is sent.

        Raises:
            Refused: no mail is sent here.
        """
        if not self.has_mail:
            raise Refused(Reason.MAIL_NOT_CONFIGURED)

    async def ask(self, ticket: Ticket, *, language: str, ip: str) -> None:
        """Look an address up and write to it what the table says, at the same cost whatever it is."""
        try:
            async with self.works.begin() as work:
                found = await standing(work.tx, ticket.address)
                await self.write(work, ticket, found, language=language)
                work.tell(Kind.LETTER_ASKED, user_id=found.user_id, ip=ip, flow=ticket.flow)
        except Overtaken:
            log.debug("a letter was asked for twice at the same moment")  # the one that was first will do

    async def welcome(self, work: Work, account: Account) -> None:
        """Write to a new account, in the transaction that makes it, how its address is proved."""
        if self.has_mail and account.email is not None:
            ticket = Ticket(flow=Flow.VERIFY, address=account.email.value)
            found = await standing(work.tx, ticket.address)
            await self.write(work, ticket, found, language=account.user.language)

    async def write(self, work: Work, ticket: Ticket, found: Standing, *, language: str) -> str:
        """Make a ticket, and write the letter that the table says of what the address found. Returns the link.

        Where the letter has no link there is a ticket all the same, which is void: one less would show who is known.

        Raises:
            Overtaken: another letter to this address is being written; this transaction is given up.
        """
        writes = ASKED[ticket.flow][found.finds]
        if writes is not Writes.LINK:
            ticket = replace(ticket, state=NO_STATE)
        elif ticket.flow in (Flow.VERIFY, Flow.RESET):
            ticket = replace(ticket, user_id=found.user_id, state=found.state)
        secrets = await self.tickets.add(work, ticket)
        link = self.site.link(PAGES[ticket.flow], token=secrets.link)
        values = {"name": _name(ticket, found)}
        about = {Writes.NOTICE: About.ACCOUNT_EXISTS, Writes.NOTHING: About.NO_ACCOUNT}.get(writes)
        if about is None:
            about = _LETTERS[ticket.flow]
            life = str(int(ticket.flow.life.total_seconds()))
            values |= {"link": link, "code": secrets.code, "life": life}
        own = found.user.language if found.user is not None else ""
        said = {key: value for key, value in values.items() if value}
        await work.write(about, to=ticket.address, language=own or language, user_id=found.user_id, **said)
        return link


def _name(ticket: Ticket, found: Standing) -> str:
    """Return what to call who gets the letter. Before the address is proved, a stranger may have chosen the name."""
    if ticket.flow is Flow.INVITE:
        return ticket.newcomer.name
    return found.user.name if found.user is not None and found.finds is Finds.PROVED else ""
