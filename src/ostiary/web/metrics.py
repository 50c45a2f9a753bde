"""Numbers for Prometheus: what happened, counted from the audit records, and how the guard stands."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from ostiary.auth import Auth
from ostiary.core.events import Event, Kind

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """An event sink that counts. Each has a registry of its own, so two in one process do not meet."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._events = Counter("ostiary_events", "Audit records, by what happened.", ["kind"], registry=self._registry)
        self._lease = Gauge(
            "ostiary_lease_seconds",
            "How long memory may still answer without asking the store.",
            registry=self._registry,
        )
        self._seq = Gauge(
            "ostiary_feed_seq", "Up to where this process has followed the feed.", registry=self._registry
        )
        self._carriers = Gauge(
            "ostiary_remembered_carriers", "Verified cookies and tokens in memory.", registry=self._registry
        )
        self._streams = Gauge("ostiary_feed_streams", "Verifiers that follow the feed here.", registry=self._registry)
        for kind in Kind:  # a counter that is 0 is seen to be 0, not missing
            self._events.labels(kind)

    def report(self, event: Event) -> None:
        """Count a record."""
        self._events.labels(event.kind).inc()

    def text(self, auth: Auth) -> bytes:
        """Return everything as Prometheus reads it, for the process that is asked."""
        head = auth.floors.head
        self._lease.set(max(0.0, auth.floors.fresh_until - auth.clock.elapsed()))
        self._seq.set(head.seq if head is not None else 0)
        self._carriers.set(len(auth.guard))
        self._streams.set(auth.relay.streams)
        return generate_latest(self._registry)
