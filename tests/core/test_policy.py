"""Every number and switch, and what makes a policy contradict itself."""

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest

from ostiary.core.policy import CHEAPEST, NIST_AAL2, NIST_AAL3, PROFILES, WEB, Algorithm, PasswordPolicy, Policy
from ostiary.core.token import LONGEST_ACCESS_TOKEN

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTHING = timedelta(0)


@pytest.mark.parametrize(
    ("policy", "session_life", "idle_life", "shortest_password"),
    [
        (WEB, 30 * DAY, 14 * DAY, 8),
        (NIST_AAL2, 24 * HOUR, HOUR, 15),
        (NIST_AAL3, 12 * HOUR, 15 * MINUTE, 15),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_profiles(policy: Policy, session_life: timedelta, idle_life: timedelta, shortest_password: int) -> None:
    """Each profile has the limits of its source, and the costs of OWASP's Argon2id."""
    argon2 = policy.password.argon2

    assert (policy.session_life, policy.idle_life) == (session_life, idle_life)
    assert (policy.password.shortest, policy.password.longest) == (shortest_password, 256)
    assert (argon2.memory_kib, argon2.passes, argon2.lanes) == (19456, 2, 1)
    assert (policy.access_life, policy.grace, policy.lease) == (10 * MINUTE, 30 * SECOND, 2 * SECOND)
    assert policy.algorithm is Algorithm.ES256
    assert PROFILES[policy.name] is policy


def test_what_a_settings_file_may_name() -> None:
    """The profile that protects nothing cannot be named in a settings file."""
    assert set(PROFILES) == {"web", "nist-aal2", "nist-aal3"}
    assert CHEAPEST not in PROFILES.values()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"session_life": NOTHING}, "longer than 0"),
        ({"idle_life": NOTHING}, "longer than 0"),
        ({"access_life": NOTHING, "grace": NOTHING}, "longer than 0"),
        ({"lease": NOTHING}, "longer than 0"),
        ({"lease": -SECOND}, "longer than 0"),
        ({"snapshot_life": NOTHING}, "longer than 0"),
        ({"stream_life": NOTHING}, "longer than 0"),
        ({"most_streams": 0}, "most_streams must be at least 1"),
        ({"grace": -SECOND}, "negative"),
        ({"leeway": -SECOND}, "negative"),
        ({"grace": 5 * MINUTE + SECOND}, "twice the grace"),
        ({"access_life": HOUR + SECOND}, "above 1 h"),
        ({"idle_life": 31 * DAY}, "idle_life must not be longer"),
        ({"idle_life": 119 * SECOND}, "twice seen_every"),
        ({"token_budget": 8193}, "refused unread"),
        ({"token_budget": 0}, "refused unread"),
        ({"lease": 61 * SECOND}, "no longer an instant logout"),
        ({"password": PasswordPolicy(least_strength=5)}, "0 to 4"),
        ({"password": PasswordPolicy(least_strength=-1)}, "0 to 4"),
        ({"password": PasswordPolicy(shortest=0)}, "1 <= shortest"),
        ({"password": PasswordPolicy(shortest=257)}, "1 <= shortest"),
        ({"password": PasswordPolicy(longest=1025)}, "<= 1024"),
    ],
    ids=str,
)
def test_contradictions(changes: dict[str, Any], why: str) -> None:
    """A policy that contradicts itself cannot be made; the message names the policy and says why."""
    with pytest.raises(ValueError, match=f"policy 'web'.*{why}"):
        replace(WEB, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"grace": NOTHING},
        {"leeway": NOTHING},
        {"grace": 5 * MINUTE},
        {"access_life": HOUR},
        {"idle_life": 30 * DAY},
        {"idle_life": 2 * MINUTE},
        {"token_budget": 8192},
        {"lease": MINUTE},
        {"password": PasswordPolicy(shortest=1, longest=1, least_strength=0)},
    ],
    ids=str,
)
def test_the_edges_are_allowed(changes: dict[str, Any]) -> None:
    """What stands just inside a limit is a policy."""
    policy = replace(WEB, **changes)

    assert {name: getattr(policy, name) for name in changes} == changes


def test_what_may_be_minted_is_read() -> None:
    """The largest budget is the longest token that is read."""
    assert replace(WEB, token_budget=LONGEST_ACCESS_TOKEN).token_budget == 8192


def test_believed() -> None:
    """A session read from the store is believed for half its idle life at most, so that idleness is noticed."""
    assert WEB.believed == WEB.snapshot_life
    assert replace(WEB, idle_life=4 * MINUTE).believed == 2 * MINUTE


def test_a_policy_is_frozen() -> None:
    """Nothing changes a policy under those who hold it."""
    with pytest.raises(FrozenInstanceError):
        WEB.grace = NOTHING  # type: ignore[misc]
