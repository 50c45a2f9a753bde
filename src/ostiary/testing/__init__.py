"""What the tests of an application that uses Ostiary need. Nothing here is safe outside tests."""

from typing import TYPE_CHECKING

from ostiary.lazy import lazily

if TYPE_CHECKING:
    from ostiary.core.policy import CHEAPEST
    from ostiary.testing.fakes import CountedEntropy, FakeClock, Recorder
else:
    __getattr__ = lazily(
        {
            "CHEAPEST": "ostiary.core.policy",
            "CountedEntropy": "ostiary.testing.fakes",
            "FakeClock": "ostiary.testing.fakes",
            "Recorder": "ostiary.testing.fakes",
        },
        of=__name__,
    )

__all__ = ["CHEAPEST", "CountedEntropy", "FakeClock", "Recorder"]
