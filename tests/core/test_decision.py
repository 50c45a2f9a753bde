"""The refusal as a value."""

from dataclasses import FrozenInstanceError

import pytest

from ostiary.core.decision import Denied, Reason


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_is_falsy(reason: Reason) -> None:
    """A forgotten look at a refusal never reads as consent."""
    denied = Denied(reason)

    assert not denied
    assert denied == Denied(reason)
    assert denied is not None


def test_reasons_are_stable_words() -> None:
    """A reason is one word for logs and alerts, written like its name; no two are one."""
    values = [reason.value for reason in Reason]

    assert values == [reason.name.lower() for reason in Reason]
    assert len(set(values)) == len(values)


def test_a_refusal_is_frozen() -> None:
    """No two requests' refusals mix: a refusal cannot become another."""
    denied = Denied(Reason.EXPIRED)

    with pytest.raises(FrozenInstanceError):
        denied.reason = Reason.REVOKED  # type: ignore[misc]
