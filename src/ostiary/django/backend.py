"""The authentication backend: Django's own forms, the admin's among them, log in to Ostiary, and its roles permit."""

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from ostiary.django.apps import given
from ostiary.django.asked import asked
from ostiary.django.users import User, user_with
from ostiary.errors import Refused
from ostiary.web.cookies import device_token


class Backend(BaseBackend):  # type: ignore[misc]
    """Proves a user by their password in Ostiary. The session begins with the login: see `ostiary.django.signals`."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: object
    ) -> User | None:
        """Return the user with this address and password, or `None`: also after too many tries."""
        if request is None or not username or not password:
            return None
        auth = given().auth
        try:
            here = asked(request, auth.site)
            proof = auth.prove(username, password, ip=here.client, device_token=device_token(auth.site, here))
        except Refused:
            return None
        account = auth.accounts.get(proof.user_id)
        user = None if account is None else user_with(account)
        if user is not None:
            user.ostiary_proof = proof
        return user

    def get_user(self, user_id: object) -> None:
        """Return nobody: a session of Django's alone lets nobody in. The middleware says who is asking."""

    def get_all_permissions(self, user_obj: User, obj: object = None) -> set[str]:
        """Return what the roles of the session allow, such as `polls.change_question`."""
        return set(getattr(user_obj, "ostiary_permissions", ())) if user_obj.is_active and obj is None else set()

    def has_module_perms(self, user_obj: User, app_label: str) -> bool:
        """Tell whether they allow anything in an app."""
        return any(name.partition(".")[0] == app_label for name in self.get_all_permissions(user_obj))
