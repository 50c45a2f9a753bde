"""What the tests of an application that uses Ostiary need. Nothing here is safe outside tests."""

from ostiary.core.policy import CHEAPEST
from ostiary.testing.fakes import CountedEntropy, FakeClock, Mailbox, Recorder

__all__ = ["CHEAPEST", "CountedEntropy", "FakeClock", "Mailbox", "Recorder"]
