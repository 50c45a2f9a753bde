"""Reads a record and says which promises were broken.

| promise                           | broken when                                                                |
|-----------------------------------|----------------------------------------------------------------------------|
| nothing is accepted after a lease | a check sent later than a lease after an acknowledged logout is let in     |
|                                   | the same, with a token from before an acknowledged change of roles         |
| nothing comes back to life        | a session whose logout was acknowledged is given a token                   |
| no acknowledged write is lost     | the store lacks what a login, refresh, logout or change of roles has left  |
| no honest client is logged out    | a session that nobody ended is refused a refresh, its cookie or roll call  |
| a fault is no error of ours       | the service answers 500, or whatever is neither yes, no nor "not now"      |

Whether something is over is known only within bounds: *surely*, from the moment an end was acknowledged; *perhaps*,
from the moment somebody first asked for one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil, inf

from tests.faults.report.record import ENDS, Deed, Operation, Outcome


class Promise(Enum):
    """What must hold, whatever fails."""

    LEASE = "accepted after the lease"
    REVIVED = "revived after a logout"
    WRITE = "acknowledged write lost"
    HONEST = "honest client logged out"
    BACK = "not back by itself"
    ANSWER = "answered with an error of its own"


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, when, and how."""

    promise: Promise
    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of a session's begin and end."""

    user: str
    begun: float
    surely_over: float
    perhaps_over: float


def judge(operations: Sequence[Operation], *, lease: float) -> list[Violation]:
    """Return every violation, the first one first."""
    lives = lives_of(operations)
    found = [
        *_accepted_after_logout(operations, lives, lease),
        *_accepted_with_old_roles(operations, lease),
        *_revived(operations, lives),
        *_lost(operations, lives),
        *_logged_out(operations, lives),
        *_failed(operations),
    ]
    return sorted(found, key=lambda violation: violation.at)


def lives_of(operations: Iterable[Operation]) -> dict[str, Life]:
    """Return when each session began and when it was over, as far as the record can tell.

    "Log out everywhere" surely ends the sessions whose login was acknowledged before it was sent, and perhaps those
    whose login was sent before it was acknowledged. What nobody answered perhaps happened long after it was sent.
    """
    operations = list(operations)
    ends = [each for each in operations if each.deed in ENDS and each.outcome is not Outcome.NO]
    of_session, of_user = defaultdict[str, list[Operation]](list), defaultdict[str, list[Operation]](list)
    for end in ends:
        (of_session[end.session] if end.deed is Deed.LOGOUT else of_user[end.user]).append(end)
    lives: dict[str, Life] = {}
    for login in operations:
        if login.deed is not Deed.LOGIN or login.outcome is not Outcome.YES:
            continue
        surely = perhaps = inf
        everywhere = [end for end in of_user[login.user] if _may_reach(end, login)]
        for end in (*of_session[login.session], *everywhere):
            perhaps = min(perhaps, end.sent)
            if end.outcome is Outcome.YES and (end.deed is Deed.LOGOUT or login.answered <= end.sent):
                surely = min(surely, end.answered)
        lives[login.session] = Life(login.user, login.answered, surely, perhaps)
    return lives


def _may_reach(end: Operation, login: Operation) -> bool:
    return end.outcome is not Outcome.YES or login.sent < end.answered


# ------------------------------------------------------------------------------------------------ the promises


def _accepted_after_logout(
    operations: Iterable[Operation], lives: dict[str, Life], lease: float
) -> Iterator[Violation]:
    for check in operations:
        if check.deed is Deed.CHECK and check.outcome is Outcome.YES:
            late = check.sent - lives[check.session].surely_over
            if late > lease:
                what = f"{check.node} let session {check.session} in {late:.3f} s after its logout"
                yield Violation(Promise.LEASE, check.answered, what)


def _accepted_with_old_roles(operations: Sequence[Operation], lease: float) -> Iterator[Violation]:
    changes = defaultdict[str, list[Operation]](list)
    for each in operations:
        if each.deed is Deed.ROLES and each.outcome is Outcome.YES:
            changes[each.user].append(each)
    for check in operations:
        if check.deed is Deed.CHECK and check.outcome is Outcome.YES and check.minted is not None:
            superseding = [change.answered for change in changes[check.user] if change.sent >= check.minted]
            late = check.sent - min(superseding, default=inf)
            if late > lease:
                what = f"{check.node} took a token of session {check.session} {late:.3f} s after a change of roles"
                yield Violation(Promise.LEASE, check.answered, what)


def _revived(operations: Iterable[Operation], lives: dict[str, Life]) -> Iterator[Violation]:
    for each in operations:
        is_given = each.deed in (Deed.REFRESH, Deed.MINT) and each.outcome is Outcome.YES
        if is_given and each.sent > lives[each.session].surely_over:
            what = f"session {each.session} was given a token after its logout"
            yield Violation(Promise.REVIVED, each.answered, what)


def _lost(operations: Sequence[Operation], lives: dict[str, Life]) -> Iterator[Violation]:
    numbers: dict[str, int] = defaultdict(int)
    changes = defaultdict[str, list[Operation]](list)
    for each in operations:
        if each.deed in (Deed.LOGIN, Deed.REFRESH) and each.outcome is Outcome.YES:
            numbers[each.session] = max(numbers[each.session], each.number)
        elif each.deed is Deed.ROLES and each.outcome is not Outcome.NO:
            changes[each.user].append(each)
        elif each.deed is Deed.AUDIT and each.kept is not None:
            life = lives[each.session]
            for wrong, what in (
                (not each.kept.is_there, "the login"),
                (each.kept.is_there and each.kept.issued < numbers[each.session], "a refresh"),
                (each.kept.is_there and not each.kept.is_over and life.surely_over < each.sent, "the logout"),
                (each.kept.is_there and not _may_have(each.kept.roles, changes[each.user]), "a change of roles"),
            ):
                if wrong:
                    yield Violation(Promise.WRITE, each.answered, f"{what} of session {each.session} is not there")


def _may_have(roles: tuple[str, ...], changes: Sequence[Operation]) -> bool:
    """Say whether a user may have these roles: the last acknowledged ones, or some that nobody answered since then."""
    acknowledged = [at for at, change in enumerate(changes) if change.outcome is Outcome.YES]
    allowed = changes[acknowledged[-1] :] if acknowledged else changes
    return any(roles == change.roles for change in allowed) or (not acknowledged and roles == ())


def _logged_out(operations: Iterable[Operation], lives: dict[str, Life]) -> Iterator[Violation]:
    for each in operations:
        asks_for_itself = each.deed in (Deed.REFRESH, Deed.ROLL_CALL)
        shows_cookie = each.deed is Deed.CHECK and each.minted is None
        if each.outcome is Outcome.NO and (asks_for_itself or shows_cookie):
            life = lives[each.session]
            if each.answered < life.perhaps_over:
                what = f"session {each.session} was refused a {each.deed.name.lower()}, and nobody had ended it"
                yield Violation(Promise.HONEST, each.answered, what)


def _failed(operations: Iterable[Operation]) -> Iterator[Violation]:
    for each in operations:
        if each.outcome is Outcome.FAILED:
            yield Violation(Promise.ANSWER, each.answered, f"{each.node} failed at a {each.deed.name.lower()}")


# ------------------------------------------------------------------------------------------------ delays


def delays(operations: Iterable[Operation], *, kind: str, begin: float, end: float, lease: float) -> list[float]:
    """Return how long each logout that was acknowledged between two times took to reach a kind of node.

    From the acknowledgement to the sending of the first check that was not let in, and after which none was. So what is
    said is never shorter than the truth, and longer by the time between two checks at most. A check without an answer
    was not let in. A logout that nobody looked at for a lease says nothing of how long it took.
    """
    operations = list(operations)
    lives = lives_of(operations)
    checks = defaultdict[tuple[str, str], list[Operation]](list)
    for each in operations:
        is_asked = each.deed is Deed.CHECK and each.node.startswith(kind)
        if is_asked and begin <= lives[each.session].surely_over < end:
            checks[each.session, each.node].append(each)
    found = []
    for (session, _), asked in checks.items():
        over = lives[session].surely_over
        let_in = max((check.sent for check in asked if check.outcome is Outcome.YES), default=over)
        refused = [c.sent for c in asked if c.outcome is not Outcome.YES and c.sent >= max(let_in, over)]
        if refused and (let_in > over or min(refused) <= over + lease):
            found.append(min(refused) - over)
    return sorted(found)


def percentile(sorted_values: Sequence[float], share: float) -> float | None:
    """Return the value that this share of all does not exceed. `None` of nothing."""
    if not sorted_values:
        return None
    return sorted_values[max(0, ceil(share * len(sorted_values)) - 1)]
