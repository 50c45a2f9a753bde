"""The third world: refreshes, a logout and a change of roles, each reading, deciding and swapping in separate steps."""

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from ostiary.core.session import changed, revoked
from tests.core.worlds import NOW, TIMEOUT, Record, Rules, granted, turn


class Actor(NamedTuple):
    """It reads the record and decides what to store, then swaps that in; if the record has changed, it begins anew."""

    does: str
    read: Record | None = None
    stores: Record = Record()
    answer: str = ""
    age: int = 0
    is_done: bool = False

    def later(self) -> "Actor":
        return self._replace(stores=self.stores.later(), age=min(self.age + 1, TIMEOUT + 1)) if self.read else self


class Race(NamedTuple):
    """One advances, what is handed out is good, no change is undone, and a logout that has answered is final."""

    rules: Rules = Rules()
    record: Record = Record()
    actors: tuple[Actor, ...] = ()
    on_their_way: frozenset[tuple[int, int]] = frozenset()
    """The successors that somebody waits for, and for how many ticks."""
    advances: int = 0
    floor: int = 1
    """The revision that a change of roles has answered for."""
    is_logged_out: bool = False
    wrong: str = ""

    @classmethod
    def of(cls, *does: str, rules: Rules = Rules()) -> "Race":  # noqa: B008 - a tuple, and nobody changes it
        return cls(rules=rules, actors=tuple(Actor(what) for what in does))

    def steps(self) -> Iterator[tuple[str, "Race"]]:
        for i, actor in enumerate(self.actors):
            if actor.is_done:
                continue
            if actor.read and self.rules.same(actor.read, self.record):
                done = self._swapped(actor)._with(i, Actor(actor.does, is_done=True))
                yield f"{actor.does} {i} swaps: {actor.answer}", done
            else:
                decided = self._decided(actor)
                again = ", for the record has changed" if actor.read else ""
                yield f"{actor.does} {i} reads{again}: {decided.answer}", self._with(i, decided)
        yield (
            "a tick passes",
            self._replace(
                record=self.record.later(),
                actors=tuple(actor.later() for actor in self.actors),
                on_their_way=frozenset((n, age + 1) for n, age in self.on_their_way if age < TIMEOUT),
            ),
        )

    def _decided(self, actor: Actor) -> Actor:
        if not self.record.alive:
            return Actor(actor.does, answer="it is over", is_done=True)
        if actor.does == "refresh":
            kind, stores = turn(self.rules, self.record, 1)
            return actor._replace(read=self.record, stores=stores, answer=kind.__name__)
        session = self.record.session()
        after = revoked(session, now=NOW) if actor.does == "logout" else changed(session)
        return actor._replace(read=self.record, stores=Record.of(after), answer=f"revision {after.revision}")

    def _swapped(self, actor: Actor) -> "Race":
        after = self._replace(record=actor.stores)
        if actor.does == "logout":
            return after._replace(is_logged_out=True)
        if actor.does == "roles":
            return after._replace(floor=actor.stores.revision)
        waits = {(actor.stores.issued, actor.age)} if actor.age <= TIMEOUT else set[tuple[int, int]]()
        return after._replace(
            on_their_way=self.on_their_way | waits,
            advances=self.advances + (actor.answer == "Advance"),
            wrong="a token is handed out after a logout has answered" if self.is_logged_out else "",
        )

    def _with(self, i: int, actor: Actor) -> "Race":
        return self._replace(actors=(*self.actors[:i], actor, *self.actors[i + 1 :]))

    def broken(self) -> str:
        if self.record.revision < self.floor:
            return "a change of roles that has answered is undone"
        if self.advances > 1:
            return "one token advances twice"
        good = not self.record.alive or all(granted(turn(self.rules, self.record, n)[0]) for n, _ in self.on_their_way)
        return self.wrong or ("" if good else "a token is dead before it arrives")

    def essence(self) -> Hashable:
        return self.record, frozenset(Counter(self.actors).items()), *self[3:]
