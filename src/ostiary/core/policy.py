"""The numbers and switches that an application chooses, in one frozen record with named profiles.

Sources: NIST SP 800-63B-4 sections 2.1.3, 2.2.3, 2.3.3 (session limits) and 3.1.1.2 (passwords); OWASP's password
storage cheat sheet (Argon2id: m = 19 MiB, t = 2, p = 1).
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_RS256_BUDGET = 1536


class Algorithm(StrEnum):
    """How access tokens are signed (RFC 7518, RFC 9864). Never `none`, never a shared secret."""

    ES256 = "ES256"
    ED25519 = "Ed25519"
    RS256 = "RS256"


class Registration(StrEnum):
    """Who may make an account."""

    OPEN = "open"
    """Whoever likes to, with an address that they may prove later."""
    VERIFIED = "verified"
    """Whoever proves an address first. Nobody logs in before that, and no answer tells which addresses are known."""
    CLOSED = "closed"
    """Whoever was invited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2:
    """The cost of one password hash (RFC 9106): memory in KiB, passes, lanes."""

    memory_kib: int
    passes: int
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """What a password must be, and what hashing it costs. There are no composition rules (NIST 800-63B 3.1.1.2)."""

    shortest: int = 8
    longest: int = 256
    least_strength: int = 2
    """The lowest `zxcvbn` score (0 to 4) accepted: 2 stands for more than 10^6 guesses. No eight characters reach 3."""
    argon2: Argon2 = field(default_factory=lambda: Argon2(memory_kib=19 * 1024, passes=2, lanes=1))
    waiting: int = 64
    """How many hashes may wait for a thread. Beyond it a login is told to come back later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is allowed, how long, and how strong. A record that contradicts itself cannot be made.

    Raises:
        ValueError: the numbers do not go together; the message says which, and why.
    """

    name: str

    session_life: timedelta
    """The most a session lasts from its login, whatever its activity."""
    idle_life: timedelta
    """The most a session lasts without a request."""
    most_sessions: int = 100
    """The most live sessions of one user. One login more ends the oldest."""
    access_life: timedelta = 10 * _MINUTE
    """How long an access token is good if nothing ends it earlier."""
    grace: timedelta = 30 * _SECOND
    """How long a refresh token that was just used is still answered, with the very same successor."""
    leeway: timedelta = 30 * _SECOND
    """How far the clocks of an issuer and a verifier may differ."""

    lease: timedelta = 2 * _SECOND
    """The longest that memory is believed without asking the store: the bound on a logout's delay."""
    snapshot_life: timedelta = 5 * _MINUTE
    """The longest that a session read from the store is believed, floors aside."""
    seen_every: timedelta = _MINUTE
    """How often, at most, a session's last use is written."""

    stream_life: timedelta = 5 * _MINUTE
    """The longest that a verifier follows the feed in one answer; the shortest is three quarters of it."""
    most_streams: int = 200
    """How often one verifier may follow the feed in one process at a time: as many of its processes may."""

    algorithm: Algorithm = Algorithm.ES256
    key_lead: timedelta = 5 * _MINUTE
    """How long a new key is published before it signs."""
    token_budget: int = 1024
    """The most bytes an access token may have."""

    password: PasswordPolicy = field(default_factory=PasswordPolicy)

    registration: Registration = Registration.OPEN

    def __post_init__(self) -> None:
        for wrong, why in self._contradictions():
            if wrong:
                raise ValueError(f"policy {self.name!r}: {why}")

    def _contradictions(self) -> tuple[tuple[bool, str], ...]:
        nothing = timedelta(0)
        lives = (self.session_life, self.idle_life, self.access_life, self.snapshot_life, self.stream_life)
        return (
            (
                any(life <= nothing for life in (*lives, self.lease)),
                "every life and the lease must be longer than 0",
            ),
            (self.grace < nothing or self.leeway < nothing, "the grace and the leeway cannot be negative"),
            (self.access_life < 2 * self.grace, "access_life must be at least twice the grace"),
            (
                self.algorithm is Algorithm.RS256 and self.token_budget < _RS256_BUDGET,
                f"RS256 signatures are long: token_budget must be at least {_RS256_BUDGET}",
            ),
            (self.access_life > _HOUR, "access_life above 1 h: what a thief holds would live too long"),
            (self.most_sessions < 1, "most_sessions must be at least 1"),
            (self.most_streams < 1, "most_streams must be at least 1"),
            (self.idle_life > self.session_life, "idle_life must not be longer than session_life"),
            (
                self.idle_life < 2 * self.seen_every,
                "idle_life must be at least twice seen_every, which bounds its precision",
            ),
            (not 0 < self.token_budget <= 8192, "token_budget above 8192: the token would be refused unread"),
            (self.lease > _MINUTE, "a lease above 1 min is no longer an instant logout"),
            (not 0 <= self.password.least_strength <= 4, "least_strength is a zxcvbn score, 0 to 4"),
            (
                not 1 <= self.password.shortest <= self.password.longest <= 1024,
                "password lengths: 1 <= shortest <= longest <= 1024",
            ),
        )

    @property
    def believed(self) -> timedelta:
        """How long a session read from the store may answer from memory: short enough that idleness is noticed."""
        return min(self.snapshot_life, self.idle_life / 2)


WEB = Policy(name="web", session_life=30 * _DAY, idle_life=14 * _DAY)
"""For applications of every day: AAL1's 30 days overall."""

NIST_AAL2 = Policy(
    name="nist-aal2", session_life=24 * _HOUR, idle_life=_HOUR, password=PasswordPolicy(shortest=15, least_strength=3)
)
"""The session limits of AAL2 (NIST SP 800-63B-4 section 2.2.3): 24 h overall, 1 h without activity; and 15 characters.

It asks for no second factor: with a password alone a session is `aal1`, and says so.
"""

NIST_AAL3 = Policy(
    name="nist-aal3",
    session_life=12 * _HOUR,
    idle_life=15 * _MINUTE,
    password=PasswordPolicy(shortest=15, least_strength=3),
)
"""The session limits of AAL3 (NIST SP 800-63B-4 section 2.3.3): 12 h overall, 15 min without activity."""

CHEAPEST = Policy(
    name="cheapest",
    session_life=30 * _DAY,
    idle_life=14 * _DAY,
    password=PasswordPolicy(argon2=Argon2(memory_kib=8, passes=1, lanes=1)),
)
"""For tests only: hashes that cost nothing, and so protect nothing."""

PROFILES = {policy.name: policy for policy in (WEB, NIST_AAL2, NIST_AAL3)}
"""What a settings file may name. `CHEAPEST` is not among them."""
