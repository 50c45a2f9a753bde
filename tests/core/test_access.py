"""Roles to permissions, and what a route requires."""

from datetime import timedelta

import msgspec
import pytest

from ostiary.core.access import Principal, Requirement, Roles, meets
from ostiary.core.decision import Denied, Reason
from ostiary.core.session import Carrier
from tests.core.vectors import NOW

ROLES = Roles.of({"reader": ["post:read"], "editor": ["post:read", "post:write"], "idler": []})
ADA = Principal(
    user_id="ada",
    session_id="sid",
    carrier=Carrier.COOKIE,
    client_id="ostiary",
    amr=("pwd",),
    acr="aal1",
    auth_time=NOW - timedelta(minutes=5),
    revision=1,
    roles=("editor",),
    permissions=ROLES.permissions(["editor"]),
    scope=("profile",),
)


@pytest.mark.parametrize(
    ("roles", "permissions"),
    [
        ([], set()),
        (["idler"], set()),
        (["reader"], {"post:read"}),
        (["reader", "editor", "editor"], {"post:read", "post:write"}),
        (["nobody knows this one"], set()),
        (["READER", " reader", ""], set()),
    ],
)
def test_permissions(roles: list[str], permissions: set[str]) -> None:
    """Roles allow what the table says, together; an unknown role allows nothing, and names are exact."""
    assert ROLES.permissions(roles) == permissions


def test_the_table_cannot_be_changed() -> None:
    """What the table was made from may change later; the table does not."""
    source = {"reader": ["post:read"]}
    roles = Roles.of(source)

    source["reader"].append("post:delete")
    source["root"] = ["all"]

    assert roles.permissions(["reader", "root"]) == {"post:read"}
    with pytest.raises(TypeError):
        roles.table["root"] = frozenset({"all"})  # type: ignore[index]


@pytest.mark.parametrize(
    "requirement",
    [
        Requirement(),
        Requirement(role="editor"),
        Requirement(permission="post:write"),
        Requirement(scope="profile"),
        Requirement(aal=1),
        Requirement(fresh=timedelta(minutes=5)),
        Requirement(role="editor", permission="post:read", fresh=timedelta(hours=1)),
    ],
)
def test_met(requirement: Requirement) -> None:
    """A principal that has everything named passes."""
    assert meets(requirement, ADA, now=NOW) is None


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        (Requirement(role="admin"), Reason.FORBIDDEN),
        (Requirement(role="edit"), Reason.FORBIDDEN),
        (Requirement(role="post:write"), Reason.FORBIDDEN),
        (Requirement(permission="editor"), Reason.FORBIDDEN),
        (Requirement(permission="post:delete"), Reason.FORBIDDEN),
        (Requirement(role="editor", permission="post:delete"), Reason.FORBIDDEN),
        (Requirement(scope="prof"), Reason.FORBIDDEN),
        (Requirement(scope="post:write"), Reason.FORBIDDEN),
        (Requirement(aal=2), Reason.NOT_STRONG),
        (Requirement(role="admin", aal=2), Reason.FORBIDDEN),
        (Requirement(aal=2, fresh=timedelta(minutes=4)), Reason.NOT_STRONG),
        (Requirement(fresh=timedelta(minutes=4)), Reason.NOT_FRESH),
        (Requirement(role="admin", fresh=timedelta(minutes=4)), Reason.FORBIDDEN),
    ],
)
def test_not_met(requirement: Requirement, reason: Reason) -> None:
    """One thing missing is a refusal. Freshness is asked last: who proves anew must be let in then."""
    assert meets(requirement, ADA, now=NOW) == Denied(reason)


@pytest.mark.parametrize("name", ["role", "permission", "scope"])
def test_an_empty_requirement_is_a_mistake(name: str) -> None:
    """An empty name is what a missing setting looks like: it is refused when the route is made."""
    with pytest.raises(ValueError, match="cannot be empty"):
        Requirement(**{name: ""})  # type: ignore[arg-type]


def test_two_factors_are_strong() -> None:
    """Two kinds of factor reach level 2; there is no level 0 or 3 to ask for."""
    ada = msgspec.structs.replace(ADA, amr=("pwd", "otp"), acr="aal2")

    assert meets(Requirement(aal=2), ada, now=NOW) is None
    for level in (0, 3):
        with pytest.raises(ValueError, match="assurance level"):
            Requirement(aal=level)


def test_a_principal_is_frozen() -> None:
    """No handler gives itself a role."""
    with pytest.raises(AttributeError):
        ADA.roles = ("admin",)  # type: ignore[misc]
    assert msgspec.structs.replace(ADA, roles=("admin",)) != ADA
