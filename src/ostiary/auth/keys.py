"""The verbs of keys: make the first ones, rotate, retire, load."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ostiary.auth.work import Work, Works
from ostiary.core.events import Kind
from ostiary.core.keys import Purpose
from ostiary.core.policy import Policy
from ostiary.core.token import DEVICE_LIFE
from ostiary.errors import Invalid, Unavailable
from ostiary.ports import KeyRecord, Store, Vault

DOCUMENT = "keys"
"""The feed's name for the set of keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Everything that can be done to keys. A change reaches every guard over the feed."""

    store: Store
    works: Works
    vault: Vault
    policy: Policy

    async def all(self) -> Sequence[KeyRecord]:
        """Return every key at rest, the oldest first."""
        async with self.store.read() as tx:
            return await tx.keys.all()

    async def ensure(self) -> None:
        """Make the master key, and one key of each purpose that the store has none of. Many processes may try at once.

        Raises:
            Misconfigured: the master key cannot be made, or is not the one of this store.
        """
        found = await self.all()
        if not found:
            self.vault.create()
        if _missing(found):
            async with self.works.begin() as work:
                missing = _missing(await work.tx.keys.all())
                for purpose in missing:
                    await work.tx.keys.add(self._new(purpose, now=work.now, lead=timedelta(0)))
                if missing:
                    await work.publish(DOCUMENT)
        self.vault.open(await self.all())

    async def rotate(self, purpose: Purpose, *, actor: str, lead: timedelta | None = None) -> KeyRecord:
        """Publish a new key that signs after `lead`. What older ones signed is good until it dies by itself."""
        async with self.works.begin() as work:
            new = self._new(purpose, now=work.now, lead=self.policy.key_lead if lead is None else lead)
            await self._add(work, new)
            work.tell(Kind.KEY_ROTATED, actor=actor, key=new.id, purpose=purpose)
        return new

    async def retire(self, kid: str, *, actor: str) -> KeyRecord:
        """End a key at once, with everything it signed. If nothing else could sign now, a new key is made in its place.

        Raises:
            Invalid: there is no such key, or it is over already.
        """
        async with self.works.begin() as work:
            records = await work.tx.keys.all()
            old = next((record for record in records if record.id == kid), None)
            if old is None or not _is_live(old, work.now):
                raise Invalid("key", "there is no such key, or it is over already")
            retired = replace(old, verifies_until=work.now)
            if not await work.tx.keys.swap(old, retired):
                raise Unavailable("the key changed at the same moment; try again")
            signs = [
                record
                for record in records
                if record is not old
                and record.purpose is old.purpose
                and record.signs_from <= work.now
                and record.verifies_until is None
            ]
            if not signs:
                await work.tx.keys.add(self._new(old.purpose, now=work.now, lead=timedelta(0)))
            await work.publish(DOCUMENT)
            work.tell(Kind.KEY_RETIRED, actor=actor, key=kid, purpose=old.purpose)
        return retired

    async def _add(self, work: Work, new: KeyRecord) -> None:
        """Add a key, and let the older ones of its purpose end when the last thing they signed is dead."""
        end = new.signs_from + self._longest_use(new.purpose)
        for old in await work.tx.keys.all():
            is_current = old.purpose is new.purpose and old.verifies_until is None
            if is_current and not await work.tx.keys.swap(old, replace(old, verifies_until=end)):
                raise Unavailable("a key changed at the same moment; try again")
        await work.tx.keys.add(new)
        await work.publish(DOCUMENT)

    def _longest_use(self, purpose: Purpose) -> timedelta:
        lives = {Purpose.ACCESS: self.policy.access_life, Purpose.DEVICE: DEVICE_LIFE}
        return lives.get(purpose, self.policy.session_life) + self.policy.leeway

    def _new(self, purpose: Purpose, *, now: datetime, lead: timedelta) -> KeyRecord:
        algorithm = self.policy.algorithm if purpose is Purpose.ACCESS else None
        return self.vault.make(purpose, algorithm=algorithm, now=now, signs_from=now + lead)


def _missing(records: Sequence[KeyRecord]) -> list[Purpose]:
    there = {record.purpose for record in records}
    return [purpose for purpose in Purpose if purpose not in there]


def _is_live(record: KeyRecord, now: datetime) -> bool:
    return record.verifies_until is None or now < record.verifies_until
