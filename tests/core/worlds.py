"""The worlds in which the refresh table must keep its promises.

The table is not modelled: `present`, `risen`, `changed` and `revoked` are those of `ostiary.core.session`. What is
modelled is what surrounds them:

| world     | who is in it                                                                              |
|-----------|-------------------------------------------------------------------------------------------|
| `Browser` | two tabs of one honest client, on a network that loses, delays, doubles and overtakes     |
| `Theft`   | a victim and a thief with a copy of its token, each coming whenever it likes              |
| `Race`    | refreshes, a logout and a change of roles, each reading, deciding and swapping in steps   |

Time passes in whole ticks; only ages are kept, and none beyond what still matters. Numbers are told apart by their
order alone. So each world is finite, and a search of it ends when nothing new is left, not at some depth.

What bounds an honest client, and with it the promise: it has two tabs; a tab waits for an answer for half the grace at
most; it does not refresh while its access token lives; and nobody steps up while requests are under way.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from ostiary.core import session as core
from ostiary.core.policy import WEB
from ostiary.core.session import Advance, Answer, Carrier, Reissue, Retry, Reused, Session

GRACE = 2
TIMEOUT = GRACE // 2
ACCESS_LIFE = 2 * GRACE  # `Policy` refuses less

_TICK = timedelta(seconds=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_POLICY = replace(WEB, grace=GRACE * _TICK)
_LOGIN = Session(
    id="sid",
    user_id="ada",
    carrier=Carrier.BEARER,
    client_id="app",
    amr=("pwd",),
    auth_time=NOW,
    created_at=NOW,
    last_seen_at=NOW,
    expires_at=NOW + _POLICY.session_life,
    tokens_until=NOW,
    turned_at=NOW,
)

# ------------------------------------------------------------------------------------------------ the rules, in ticks


class Record(NamedTuple):
    """What the store holds of the session, and how many ticks ago it last turned."""

    accepted: int = 0
    issued: int = 1
    previous: int = 0
    kept: int = 0
    revision: int = 1
    alive: bool = True
    age: int = 0

    def later(self) -> "Record":
        return self._replace(age=min(self.age + 1, GRACE + 1))

    def session(self) -> Session:
        return replace(
            _LOGIN,
            accepted=self.accepted,
            issued=self.issued,
            previous=self.previous,
            kept=self.kept,
            turned_at=NOW - self.age * _TICK,
            revision=self.revision,
            revoked_at=None if self.alive else NOW,
        )

    @classmethod
    def of(cls, session: Session) -> "Record":
        return cls(
            accepted=session.accepted,
            issued=session.issued,
            previous=session.previous,
            kept=session.kept,
            revision=session.revision,
            alive=session.revoked_at is None,
            age=(NOW - session.turned_at) // _TICK,
        )


def same(read: Record, stored: Record) -> bool:
    """Compare as a swap does: everything but the time."""
    return read[:-1] == stored[:-1]


class Rules(NamedTuple):
    """The rules of the house, or a deliberate mistake in one of them."""

    present: Callable[..., Answer] = core.present
    risen: Callable[..., Session] = core.risen
    same: Callable[[Record, Record], bool] = same


@cache
def turn(rules: Rules, record: Record, n: int) -> tuple[type[Answer], Record]:
    """Return what `n` leads to, and what is then to be stored. If it is granted, `issued` is handed out."""
    answer = rules.present(record.session(), n, now=NOW, policy=_POLICY)
    match answer:
        case Advance(session) | Retry(session) | Reissue(session) | Reused(session):
            return type(answer), Record.of(session)
        case _:
            return type(answer), record


def granted(answer: type[Answer]) -> bool:
    """Tell whether something is handed out."""
    return answer in {Advance, Retry, Reissue}


def _order(numbers: Iterable[int]) -> dict[int, int]:
    return {n: i for i, n in enumerate(sorted({0, *numbers}))}


# ------------------------------------------------------------------------------------------------ an honest client


class Tab(NamedTuple):
    """It rests while its access token lives, then sends the stored number and waits for an answer. 0 is no number."""

    rest: int = 0
    sent: int = 0
    age: int = 0
    answer: int = 0

    def later(self) -> "Tab":
        if not self.sent:
            return Tab(rest=max(0, self.rest - 1))
        return self._replace(age=self.age + 1) if self.age < TIMEOUT else Tab()


class Packet(NamedTuple):
    """A request on its way. Once heard it may be heard again, until it is older than the grace."""

    n: int
    age: int = 0
    heard: bool = False


class Turn(NamedTuple):
    """The number that was last exchanged for a new one, what for, and how many ticks ago."""

    n: int = 0
    successor: int = 0
    age: int = GRACE + 1

    def later(self) -> "Turn":
        return self._replace(age=min(self.age + 1, GRACE + 1))


class Browser(NamedTuple):
    """Nobody is logged out, no tab is refused while it waits, and tabs that race get the very same answer."""

    rules: Rules = Rules()
    record: Record = Record()
    stored: int = 1
    tabs: tuple[Tab, ...] = (Tab(), Tab())
    packets: frozenset[Packet] = frozenset()
    last: Turn = Turn()
    wrong: str = ""

    def steps(self) -> Iterator[tuple[str, "Browser"]]:
        for i, tab in enumerate(self.tabs):
            if tab.answer:
                told = self._replace(stored=tab.answer)._with(i, Tab(rest=ACCESS_LIFE - tab.age))
                yield f"tab {i} stores {tab.answer}", told
            if tab.sent:
                yield f"tab {i} gives up", self._with(i, Tab())
            elif tab.rest == 0:
                asks = self._replace(packets=self.packets | {Packet(self.stored)})._with(i, Tab(sent=self.stored))
                yield f"tab {i} sends {self.stored}", asks
            elif not self.packets and self.record.age > GRACE:
                yield from self._stepped_up(i)
        for packet in self.packets:
            yield from self._heard(packet)
        yield "a tick passes", self._later()

    def _heard(self, packet: Packet) -> Iterator[tuple[str, "Browser"]]:
        answer, record = turn(self.rules, self.record, packet.n)
        waiting = [i for i, tab in enumerate(self.tabs) if (tab.sent, tab.age) == (packet.n, packet.age)]
        heard = self._replace(record=record, packets=self.packets - {packet} | {packet._replace(heard=True)})
        what = f"{packet.n} is heard{' again' if packet.heard else ''}: {answer.__name__}"
        if not record.alive:
            yield what, heard._replace(wrong="an honest client's session is revoked")
        elif not granted(answer):
            yield what, heard._replace(wrong="a tab is refused while it waits") if waiting else heard
        else:
            answered = heard._answered(packet.n)
            for i in waiting:
                tab = self.tabs[i]._replace(answer=record.issued)
                yield f"{what}, {record.issued} for tab {i}", answered._with(i, tab)
            if packet.heard or not waiting:
                yield f"{what}, {record.issued} for nobody", answered

    def _answered(self, n: int) -> "Browser":
        if n != self.last.n or self.last.age > GRACE:
            return self._replace(last=Turn(n, self.record.issued, age=0))
        is_same = self.record.issued == self.last.successor
        return self if is_same else self._replace(wrong="tabs that race get different answers")

    def _stepped_up(self, i: int) -> Iterator[tuple[str, "Browser"]]:
        # With the old revision all access tokens die, and no tab rests any more.
        record = Record.of(self.rules.risen(self.record.session(), amr=("otp",), auth_time=NOW))
        risen = self._replace(record=record, tabs=tuple(tab._replace(rest=0) for tab in self.tabs), last=Turn())
        told = risen._replace(stored=record.issued)._with(i, Tab(rest=ACCESS_LIFE))
        yield f"tab {i} steps up and stores {record.issued}", told
        yield f"tab {i} steps up, and the answer is lost", risen

    def _later(self) -> "Browser":
        packets = (packet._replace(age=packet.age + 1) for packet in self.packets)
        return self._replace(
            record=self.record.later(),
            tabs=tuple(tab.later() for tab in self.tabs),
            packets=frozenset(packet for packet in packets if packet.age <= (GRACE if packet.heard else TIMEOUT)),
            last=self.last.later(),
        )

    def _with(self, i: int, tab: Tab) -> "Browser":
        return self._replace(tabs=(*self.tabs[:i], tab, *self.tabs[i + 1 :]))

    def broken(self) -> str:
        is_left_out = not granted(turn(self.rules, self.record, self.stored)[0])
        return self.wrong or ("the only token of an honest client is refused" if is_left_out else "")

    def essence(self) -> Hashable:
        numbers = (*self.record[:4], self.stored, *self.last[:2])
        asked = (n for tab in self.tabs for n in (tab.sent, tab.answer))
        order = _order((*numbers, *asked, *(packet.n for packet in self.packets)))
        return (
            tuple(order[n] for n in numbers),
            tuple(sorted((tab.rest, order[tab.sent], tab.age, order[tab.answer]) for tab in self.tabs)),
            frozenset((order[packet.n], packet.age, packet.heard) for packet in self.packets),
            (self.record.age, self.last.age, self.wrong),
        )


# ------------------------------------------------------------------------------------------------ a copied token


class Theft(NamedTuple):
    """Of two holders of one token who come after the grace, the second change of hands ends the session.

    If one of them came within the grace, it may be the third, counted from then.
    """

    rules: Rules = Rules()
    record: Record = Record()
    victim: int = 1
    thief: int = 0
    last: str = ""
    """Who last came after the grace, and stored the answer."""
    changes: int = 0
    """How often that has become the other one."""
    is_shadowed: bool = False
    """Whether somebody came within the grace, so that a successor may be kept."""
    wrong: str = ""

    def steps(self) -> Iterator[tuple[str, "Theft"]]:
        if not self.record.alive:
            return
        yield "a tick passes", self._replace(record=self.record.later())
        yield from self._presents("victim", self.victim)
        if self.thief:
            yield from self._presents("thief", self.thief)
        else:
            yield f"a thief copies {self.victim}", self._replace(thief=self.victim, last="", changes=0)

    def _presents(self, who: str, n: int) -> Iterator[tuple[str, "Theft"]]:
        answer, record = turn(self.rules, self.record, n)
        what = f"the {who} presents {n}: {answer.__name__}"
        is_late = self.record.age > GRACE
        is_change = is_late and self.last not in {"", who}
        after = self._replace(record=record, is_shadowed=self.is_shadowed or not is_late)
        if is_change and self.changes > self.is_shadowed and record.alive:
            yield what, after._replace(wrong="two holders of one token go on, and nobody is told")
        elif granted(answer):
            lost = after if is_late else after._replace(last="", changes=0)
            told = lost._replace(last=who if is_late else "", changes=lost.changes + is_change)
            told = told._replace(is_shadowed=told.is_shadowed and answer is not Advance)
            stored = told._replace(victim=record.issued) if who == "victim" else told._replace(thief=record.issued)
            yield f"{what}, and stores {record.issued}", stored
            yield f"{what}, and the answer is lost", lost
        else:
            yield what, after

    def broken(self) -> str:
        return self.wrong

    def essence(self) -> Hashable:
        numbers = (*self.record[:4], self.victim, self.thief)
        order = _order(numbers)
        return tuple(order[n] for n in numbers), self.record[5:], *self[4:]
