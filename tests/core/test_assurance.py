"""Is this proof strong and recent enough?"""

from datetime import timedelta

import pytest

from ostiary.core.assurance import aal, acr, claimed, fresh
from ostiary.core.decision import Denied, Reason
from tests.core.vectors import NOW


@pytest.mark.parametrize(
    ("amr", "level"),
    [
        ((), 1),
        (("pwd",), 1),
        (("otp",), 1),
        (("hwk",), 1),
        (("pwd", "pin"), 1),
        (("otp", "hwk"), 1),
        (("email",), 1),
        (("pwd", "email"), 1),
        (("PWD", "OTP"), 1),
        (("pwd", "otp"), 2),
        (("hwk", "pin"), 2),
        (("hwk", "fpt"), 2),
        (("otp", "pwd", "otp"), 2),
        (("mfa",), 2),
    ],
)
def test_levels(amr: tuple[str, ...], level: int) -> None:
    """Two kinds of factor make AAL2; two of one kind do not, and a link by e-mail is none."""
    assert aal(amr) == level
    assert acr(amr) == f"aal{level}"


@pytest.mark.parametrize(
    ("age", "is_fresh"),
    [
        (timedelta(0), True),
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, microseconds=1), False),
        (timedelta(days=400), False),
        (-timedelta(minutes=1), True),
        (-timedelta(minutes=1, microseconds=1), False),
    ],
)
def test_freshness(age: timedelta, is_fresh: bool) -> None:
    """A proof is fresh up to its age, and one from the future, beyond what clocks differ by, is not."""
    answer = fresh(NOW - age, now=NOW, within=timedelta(minutes=5))

    assert answer == (None if is_fresh else Denied(Reason.NOT_FRESH))


@pytest.mark.parametrize(
    ("ahead", "kept"),
    [(-timedelta(days=1), True), (timedelta(0), True), (timedelta(seconds=30), True), (timedelta(seconds=31), False)],
)
def test_a_proof_from_the_future(ahead: timedelta, kept: bool) -> None:
    """A token says when the proof was, unless that is still to come: then nobody takes it for fresh."""
    said = claimed(NOW + ahead, now=NOW, leeway=timedelta(seconds=30))

    assert (said == NOW + ahead) == kept
    assert kept or fresh(said, now=NOW, within=timedelta(days=10_000)) == Denied(Reason.NOT_FRESH)
