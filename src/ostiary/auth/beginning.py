"""The first administrator: a link that makes one while there is none, for who sits at the machine itself.

The link is handed to whoever starts the service. It is good once, for an hour, from a loopback address, and only as
long as no user has the role `admin`; a later start makes another.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ostiary.auth.accounts import ROLES, Accounts
from ostiary.auth.asking import Asking
from ostiary.auth.work import Work, Works
from ostiary.core.access import ADMIN
from ostiary.core.base64url import encode_base64url
from ostiary.core.decision import Reason
from ostiary.core.events import Kind
from ostiary.core.network import is_loopback
from ostiary.core.site import Site
from ostiary.core.ticket import SECRET_SIZE, Link, found_by_secret
from ostiary.core.user import Account
from ostiary.errors import Refused
from ostiary.ports import Challenge, Clock, Entropy, Store

PAGE: Final = "/auth/administrator"
"""Where the link leads. To look at the page there changes nothing."""

LIFE: Final = timedelta(hours=1)

_PURPOSE: Final = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What there is to do while nobody is the administrator."""

    store: Store
    works: Works
    accounts: Accounts
    asking: Asking
    site: Site
    clock: Clock
    entropy: Entropy

    async def is_due(self) -> bool:
        """Tell whether somebody could become the administrator here: nobody is, and users come from this machine."""
        if not self.site.is_local:
            return False
        async with self.store.read() as tx:
            return not await tx.users.holds(ADMIN)

    async def link(self) -> str | None:
        """Make the link, or say that none is due."""
        if not await self.is_due():
            return None
        secret = encode_base64url(self.entropy.bytes(SECRET_SIZE))
        async with self.works.begin() as work:
            ends = work.now + LIFE
            found_by = found_by_secret(secret)
            await work.tx.challenges.add(
                Challenge(purpose=_PURPOSE, digest=found_by, user_id="", body="", expires_at=ends)
            )
        return self.site.link(PAGE, token=secret)

    async def expect(self, link: Link, *, ip: str) -> None:
        """See that a link is still good for who comes from this address.

        Raises:
            Refused: it is not.
        """
        async with self.store.read() as tx:
            found = await tx.challenges.get(purpose=_PURPOSE, digest=found_by_secret(link.secret), now=self.clock.now())
        if found is None or not is_loopback(ip) or not await self.is_due():
            raise Refused(Reason.VOID)

    async def finish(
        self, link: Link, *, email: str, password: str, name: str = "", language: str = "", ip: str
    ) -> Account:
        """Make the administrator's account.

        Raises:
            Refused: the link is not good, or somebody else was first.
            Invalid: the address or the name cannot be used; `WeakPassword`, `Taken` among them. The link stays good.
            Throttled: too many accounts were made from this address.
            Overloaded: too many passwords are being hashed already.
        """
        await self.expect(link, ip=ip)

        async def alone(work: Work, account: Account) -> None:
            await work.tx.documents.get(ROLES)  # held: of two who come by two links, the second sees the first
            if await work.tx.users.holds(ADMIN, but=account.user.id):
                raise Refused(Reason.VOID)
            digest = found_by_secret(link.secret)
            if await work.tx.challenges.take(purpose=_PURPOSE, digest=digest, now=work.now) is None:
                raise Refused(Reason.VOID)
            work.tell(Kind.ROLES_CHANGED, user_id=account.user.id, actor=account.user.id, ip=ip, roles=ADMIN)
            await self.asking.welcome(work, account)

        return await self.accounts.register(
            email=email, password=password, name=name, roles=(ADMIN,), language=language, ip=ip, also=alone
        )
