"""Counters in, `Allowed` or `Wait` out: how guessing is slowed.

| tries so far              | then                                                              |
|---------------------------|-------------------------------------------------------------------|
| fewer than `free`         | allowed                                                           |
| `free` or more            | wait `first`, doubled for each try beyond, never longer than `longest` |
| `most`, if there is one   | wait until the count starts over                                  |
| none within `forget`      | the count starts over                                             |

The wait is counted from the last try that was let through, so that knocking during a wait does not lengthen it. A
success takes its own try back (`taken_back`) and forgives nothing: whoever else tries has as many left as before.

What a login is counted by (`login_tries`):

| it comes from                                    | counted by                                    |
|--------------------------------------------------|-----------------------------------------------|
| a device on which this account has logged in     | the device                                    |
| anywhere else                                    | the account, and the network address          |

So whoever guesses at an account from elsewhere makes its owner wait on no device that is known. A device is known by
its token (`core.token`); each login gives it another, whose counter is empty.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """How often something was tried, and when last."""

    count: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many tries are free, and how the waits grow after them."""

    name: str
    free: int
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=20)
    forget: timedelta = timedelta(days=1)
    most: int | None = None
    """What ends for good after so many tries, as a code does: it must be over before `forget` is."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The try may go on. The counter as it is to be stored."""

    counter: Counter


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back after `seconds`, a whole number of 1 at least."""

    seconds: int


def attempt(counter: Counter | None, limit: Limit, *, now: datetime) -> Allowed | Wait:
    """Say whether one more try is let through. Processes whose clocks differ a little do not make each other wait."""
    if counter is None or now - counter.at >= limit.forget:
        return Allowed(Counter(count=1, at=now))
    if counter.count >= limit.free:
        wait = _wait(counter.count, limit)
        left = min(counter.at + wait - now, wait)
        if left > timedelta(0):
            return Wait(max(1, -(-left // timedelta(seconds=1))))
    return Allowed(Counter(count=counter.count + 1, at=max(counter.at, now)))


def taken_back(counter: Counter) -> Counter | None:
    """Return a counter without the try that turned out to be none, or `None` when nothing is left of it."""
    return replace(counter, count=counter.count - 1) if counter.count > 1 else None


def login_tries(*, account: str, address: str, device: str) -> dict[Limit, str]:
    """Say what a try to log in is counted against. `device` is empty where this account has not logged in before."""
    return {LOGIN_DEVICE: device} if device else {LOGIN_ACCOUNT: account, LOGIN_ADDRESS: address}


def _wait(count: int, limit: Limit) -> timedelta:
    if limit.most is not None and count >= limit.most:
        return limit.forget
    return min(limit.first * (1 << min(count - limit.free, 32)), limit.longest)


LOGIN_ACCOUNT = Limit(name="login-account", free=5)
"""Guesses at one account, from all devices on which it has not logged in."""

LOGIN_DEVICE = Limit(name="login-device", free=5)
"""Guesses at one account from one device on which it has. A copied token gets no more than a stranger."""

LOGIN_ADDRESS = Limit(name="login-address", free=100)
"""Failed logins from one network address, at any account."""

REGISTER_ADDRESS = Limit(name="register-address", free=20)
"""New accounts from one network address."""

PROOF_USER = Limit(name="proof-user", free=5)
"""Guesses by who holds a session already: step-up, change of password."""

FORGOT_ADDRESS = Limit(name="forgot-address", free=20)
"""Letters asked for from one network address, about any account."""

FORGOT_ACCOUNT = Limit(name="forgot-account", free=3, first=timedelta(minutes=1), longest=timedelta(hours=3))
"""Letters about a forgotten password to one address, asked for by anybody: fewer than 20 a day."""

VERIFY_ACCOUNT = Limit(name="verify-account", free=3, first=timedelta(minutes=1), longest=timedelta(hours=3))
"""Letters that prove an address, to one address: fewer than 20 a day."""

CODE_ADDRESS = Limit(name="code-address", free=20)
"""Guesses at codes from one network address, of any account."""

CODE = Limit(name="code", free=2, most=5)
"""Tries at one code, counted by the letter that it stands in. After five it is worth nothing."""

CODE_ACCOUNT = Limit(name="code-account", free=5)
"""Guesses at the codes of one account: whoever asks for one letter after the other gets no more of them."""
