"""The refresh table keeps its promises in every state of three small worlds, and mistakes in it are found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ostiary.core.policy import Policy
from ostiary.core.session import Advance, Answer, Late, Reissue, Retry, Reused, Session, present, revoked
from tests.core.race import Race
from tests.core.search import World, search
from tests.core.worlds import Browser, Record, Rules, Tab, Theft


def test_an_honest_client_stays_in() -> None:
    """Whatever is lost, delayed, doubled or retried however late, an honest client stays in; tabs that race agree."""
    found = search(Browser())

    assert not found.story, "\n".join(found.story)
    assert found.states > 10_000


def test_a_thief_and_a_victim_cannot_both_go_on() -> None:
    """Of two holders of one token who come after the grace, the second change of hands ends the session."""
    found = search(Theft())

    assert not found.story, "\n".join(found.story)
    assert found.states > 2_000


@pytest.mark.parametrize(
    "actors",
    [("refresh", "refresh", "logout", "roles"), ("refresh", "refresh", "refresh", "logout")],
    ids=" ".join,
)
def test_races_in_the_store(actors: tuple[str, ...]) -> None:
    """Of parallel presentations one advances; once a logout has answered nothing is handed out; no change is undone."""
    found = search(Race.of(*actors))

    assert not found.story, "\n".join(found.story)
    assert found.states > 10_000


def test_the_bound_is_needed() -> None:
    """Three tabs that refresh within one grace can overtake a packet twice: then it is refused, as the spec says."""
    found = search(Browser(tabs=(Tab(), Tab(), Tab())))

    assert found.story[-2:] == ("1 is heard again: Late", "a tab is refused while it waits")


# ------------------------------------------------------------------------------------------------ deliberate mistakes


def but(kind: type[Answer], instead: Callable[[Any, Session, datetime], Answer]) -> Rules:
    """Return the rules with one row of the table gone wrong: another answer in place of each one of a kind."""

    def mistaken(session: Session, n: int, *, now: datetime, policy: Policy) -> Answer:
        answer = present(session, n, now=now, policy=policy)
        return instead(answer, session, now) if isinstance(answer, kind) else answer

    return Rules(present=mistaken)


def without_grace(session: Session, n: int, *, now: datetime, policy: Policy) -> Answer:
    """Behave as if the last turn had been longer ago than any grace."""
    long_ago = session.turned_at - policy.grace - timedelta(seconds=1)
    return present(replace(session, turned_at=long_ago), n, now=now, policy=policy)


def by_time(session: Session, n: int, *, now: datetime, policy: Policy) -> Answer:
    """Let a token be good for as long as it is young, as those do who store when each was exchanged."""
    if n < session.issued:
        is_young = now <= session.turned_at + policy.grace
        return Retry(session) if is_young else Reused(revoked(session, now=now))
    return present(session, n, now=now, policy=policy)


def moving(session: Session, *, amr: tuple[str, ...], auth_time: datetime) -> Session:
    """Give a refresh token a new number at a step-up, as if it had been presented."""
    counters = {"previous": session.accepted, "accepted": session.issued, "issued": session.issued + 1}
    risen: Session = replace(session, amr=amr, turned_at=auth_time, **counters)  # type: ignore[arg-type]
    return risen


def without(*fields: str) -> Callable[[Record, Record], bool]:
    """Return a comparison that does not look at some fields."""

    def same(read: Record, stored: Record) -> bool:
        return all(getattr(read, field) == getattr(stored, field) for field in read._fields[:-1] if field not in fields)

    return same


LEFT_OUT = "the only token of an honest client is refused"
RACED = "tabs that race get different answers"
REVOKED = "an honest client's session is revoked"
TWO_GO_ON = "two holders of one token go on, and nobody is told"
RACERS = ("refresh", "refresh", "refresh", "logout", "roles")

MISTAKES: dict[str, tuple[World, str]] = {
    "a retry gets a new successor": (
        Browser(but(Retry, lambda answer, _, __: Retry(replace(answer.session, issued=answer.session.issued + 1)))),
        RACED,
    ),
    "a retry is not remembered": (Browser(but(Retry, lambda _, before, __: Retry(before))), LEFT_OUT),
    "a reissue does not begin a new grace": (
        Browser(but(Reissue, lambda answer, old, _: Reissue(replace(answer.session, turned_at=old.turned_at)))),
        RACED,
    ),
    "a reissue spares every older successor": (
        Theft(but(Reissue, lambda answer, old, _: Reissue(replace(answer.session, kept=old.accepted + 1)))),
        TWO_GO_ON,
    ),
    "a late packet revokes": (Browser(but(Late, lambda _, old, now: Reused(revoked(old, now=now)))), REVOKED),
    "a copy is only refused": (Theft(but(Reused, lambda _, __, ___: Late())), TWO_GO_ON),
    "the previous number is forgotten": (
        Browser(but(Advance, lambda answer, _, __: Advance(replace(answer.session, previous=0)))),
        REVOKED,
    ),
    "there is no grace": (Browser(Rules(present=without_grace)), RACED),
    "the accepted number is answered for ever": (Theft(but(Reissue, lambda _, before, __: Retry(before))), TWO_GO_ON),
    "time decides, not counters": (Browser(Rules(present=by_time)), LEFT_OUT),
    "a step-up moves the number": (Browser(Rules(risen=moving)), LEFT_OUT),
    "a swap compares nothing": (
        Race.of(*RACERS, rules=Rules(same=lambda _, __: True)),
        "one token advances twice",
    ),
    "a swap compares neither revision nor life": (
        Race.of(*RACERS, rules=Rules(same=without("revision", "alive"))),
        "a token is handed out after a logout has answered",
    ),
    "a swap does not compare what is kept": (
        Race.of("refresh", "refresh", "refresh", rules=Rules(same=without("kept"))),
        "a token is dead before it arrives",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str) -> None:
    """The search tells the shortest story of how each mistake breaks a promise."""
    world, promise = MISTAKES[mistake]

    found = search(world)
    print(f"{mistake}:", *found.story, sep="\n  ")  # read it with `pytest -rP`

    assert found.story
    assert found.story[-1] == promise
