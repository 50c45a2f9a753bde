"""The app. Its `given` is what the project has said, with the one `Auth` and the one door of this process."""

from typing import cast

from django.apps import AppConfig, apps

from ostiary.django.given import Given, read


class OstiaryConfig(AppConfig):  # type: ignore[misc]
    """Ostiary in a Django project."""

    name = "ostiary.django"
    label = "ostiary"
    verbose_name = "Ostiary"
    given: Given

    def ready(self) -> None:
        """Read the setting, and listen for logins and logouts by Django's own forms."""
        from ostiary.django import signals  # noqa: PLC0415 - it needs the models, which are loaded by now

        self.given = read()
        signals.connect()


def given() -> Given:
    """Return what the project has said."""
    return cast("OstiaryConfig", apps.get_app_config("ostiary")).given
