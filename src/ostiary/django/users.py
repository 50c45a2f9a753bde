"""The user of Django that goes with who is asking.

| seen                                                      | then                                                |
|-----------------------------------------------------------|-----------------------------------------------------|
| before                                                    | the same user                                       |
| first, with a verified address that one user has          | that user, unless it goes with somebody already     |
| first, otherwise                                          | a new user, who has no password of Django's         |

An address that nobody has verified leads to no user: whoever registers with somebody else's would be them.
"""

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from ostiary.core.access import Principal
from ostiary.core.user import Account
from ostiary.django.apps import given
from ostiary.django.models import Subject

User = Any
"""A user of Django, of whatever class the project says."""

BACKEND = "ostiary.django.backend.Backend"


def user_of(principal: Principal) -> User | None:
    """Return the user that goes with who is asking, or `None` if they were deleted, or may not come in by Django."""
    user = _found(principal.user_id)
    if user is None:
        account = given().auth.accounts.get(principal.user_id)
        user = None if account is None else _made(account)
    return _as(user, principal.roles, principal.permissions)


def user_with(account: Account) -> User | None:
    """Return the user that goes with an account which has proved itself, and has no session yet."""
    return _as(_found(account.user.id) or _made(account), account.user.roles, ())


def _as(user: User | None, roles: Collection[str], permissions: Collection[str]) -> User | None:
    """Give a user what the roles of this session allow. It is not saved."""
    if user is None or not user.is_active:
        return None
    user.backend, user.ostiary_permissions = BACKEND, frozenset(permissions)
    said = given()
    if said.staff_role is not None:
        user.is_staff = said.staff_role in roles or said.superuser_role in roles
    if said.superuser_role is not None:
        user.is_superuser = said.superuser_role in roles
    return user


def _found(sub: str) -> User | None:
    subject = Subject.objects.select_related("user").filter(pk=sub).first()
    return None if subject is None else subject.user


def _made(account: Account) -> User | None:
    try:
        with transaction.atomic():
            user = _known(account) or _new(account)
            Subject.objects.create(sub=account.user.id, user=user)
    except IntegrityError:  # another request was first, or another user has this name
        return _found(account.user.id)
    return user


def _known(account: Account) -> User | None:
    email, model = account.email, get_user_model()
    if email is None or email.verified_at is None:
        return None
    found = list(model._default_manager.filter(**{f"{model.get_email_field_name()}__iexact": email.typed})[:2])  # noqa: SLF001 - its documented name
    return found[0] if len(found) == 1 and not Subject.objects.filter(user=found[0]).exists() else None


def _new(account: Account) -> User:
    model, email = get_user_model(), "" if account.email is None else account.email.typed
    user = model(**{model.USERNAME_FIELD: account.user.id, model.get_email_field_name(): email})
    user.set_unusable_password()
    user.save()
    return user
