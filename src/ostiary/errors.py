"""The exception tree. Inside, a refusal is a value; these are for the border.

```
OstiaryError
├── Misconfigured          the settings, the keys or the store cannot be used; the message says what to do
├── Unavailable            the store cannot answer now: 503
│   └── Overloaded         too much is waiting: 503 with `Retry-After`
├── Refused                a request was refused; `reason` is for the log, never for the client
│   ├── Barred             by the guard, or by a requirement that is not met: 401, 403, 400 or 503
│   └── Throttled          too many tries: 429 with `Retry-After`
└── Invalid                the request's own words are wrong: 422, naming the field
    ├── WeakPassword       too short, too long or too easy to guess
    └── Taken              the identifier belongs to a user already: 409
```
"""

from datetime import timedelta

from ostiary.core.decision import Reason


class OstiaryError(Exception):
    """Everything this package raises on purpose."""


class Misconfigured(OstiaryError):
    """The settings, the keys or the store cannot be used as they are. One line, for the person who can mend it."""


class Unavailable(OstiaryError):
    """The store cannot answer now. Nothing was accepted."""


class Overloaded(Unavailable):
    """Too much work of this kind is waiting already."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests are waiting; retry after {retry_after} s")
        self.retry_after = retry_after


class Refused(OstiaryError):
    """A request was refused."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Barred(Refused):
    """The guard's refusal, or a requirement not met, raised at the border.

    `within` is how fresh a proof had to be, `aal` the assurance level that it had to reach.
    """

    def __init__(self, reason: Reason, *, within: timedelta | None = None, aal: int | None = None) -> None:
        super().__init__(reason)
        self.within = within
        self.aal = aal


class Throttled(Refused):
    """Too many tries. The next is let through after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(Reason.THROTTLED)
        self.retry_after = retry_after


class Invalid(OstiaryError):
    """What was sent cannot be used. `field` names it, `message` says it in one sentence for the person who sent it.

    The sentence is translated when it is said, so its values stand beside it: in it their places are `%(name)s`.
    """

    def __init__(self, field: str, message: str, **values: object) -> None:
        self.field = field
        self.message = message
        self.values = values
        super().__init__(f"{field}: {self.why}")

    @property
    def why(self) -> str:
        """The sentence, in English."""
        return self.message % self.values if self.values else self.message


class WeakPassword(Invalid):
    """A new password is too short, too long or too easy to guess."""


class Taken(Invalid):
    """The identifier belongs to a user already."""
