"""What was measured: one frozen record that drives the simulation. Seconds and bytes, unless a name says otherwise."""

import random
from dataclasses import dataclass
from itertools import pairwise

Spread = tuple[float, ...]
"""A measured distribution: its quantiles, evenly spaced, from the least to the most."""

_QUANTILES = 100


def spread(values: list[float]) -> Spread:
    """Return the quantiles of what was measured."""
    ordered = sorted(values)
    return tuple(ordered[round(i * (len(ordered) - 1) / _QUANTILES)] for i in range(_QUANTILES + 1))


def quantile(values: Spread | list[float], share: float) -> float:
    """Return one quantile of values in order."""
    return values[round(share * (len(values) - 1))]


def mean(values: Spread) -> float:
    """Return the mean of what `drawn` draws."""
    return sum((low + high) / 2 for low, high in pairwise(values)) / (len(values) - 1)


def drawn(values: Spread, chance: random.Random) -> float:
    """Draw one value as it was measured."""
    at = chance.random() * (len(values) - 1)
    low = int(at)
    return values[low] + (at - low) * (values[low + 1] - values[low])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """What one verb costs the database, alone and with others at once."""

    name: str
    writes: float
    """Write transactions."""
    statements: float
    """Everything sent to the database but BEGIN and COMMIT."""
    rows: float
    """Rows inserted, updated or deleted."""
    floors: float
    """Rows of the feed among them."""
    wal: float
    """Bytes of WAL when every page was written since the last checkpoint."""
    wal_cold: float
    """Bytes of WAL right after a checkpoint: each page that is touched is logged whole."""
    alone: float
    """Seconds, one after the other; the median."""
    at_once: float
    """How many in a second, several at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """All that was measured."""

    row_bytes: float
    """A row of the feed as a server-sent event."""
    snapshot_bytes: float
    """A floor of a snapshot, as JSON."""

    floor_bytes: float
    cookie_bytes: float
    token_bytes: float
    """Memory of a floor, of a remembered cookie, and of a remembered access token."""

    apply: float
    """To apply one entry of the feed."""
    start: float
    build: float
    parse: float
    """To take in, to write as JSON, and to read from JSON, one floor of a snapshot."""
    read: float
    """To read one floor of a snapshot from the database."""

    fsync: float
    """To bring 8 KiB to the disk; the median."""
    verbs: tuple[Verb, ...]
    seen: float
    seen_wal: float
    """Seconds, and bytes of WAL, to write down the last use of one session among many."""
    turn: Spread
    """One turn of the head's lock, from one commit to the next, while others wait for it."""
    trips: float
    """Round trips to the database in one turn."""
    commits: float
    commits_told: float
    commits_in_line: float
    """Transactions in a second, several at once: each on rows of its own; the same with a NOTIFY; all on the head."""

    poll: float
    """One round of a follower that finds nothing new: from asking to knowing."""
    poll_cpu: float
    ask_cpu: float
    """Processor time of the database for one such round, and for one question about a cookie."""
    told: Spread
    """From the commit's answer to the listener's hearing of it."""
    connection_bytes: float
    """Private memory of one idle connection of the database."""

    def verb(self, name: str) -> Verb:
        """Return what a verb costs."""
        return next(verb for verb in self.verbs if verb.name == name)
