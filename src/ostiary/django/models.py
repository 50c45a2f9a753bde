"""Which user of Django goes with which user of Ostiary."""

from typing import Any

from django.conf import settings
from django.db import models


class Subject(models.Model):  # type: ignore[misc]
    """A user of Ostiary (`sub` in its tokens), and the user of Django that goes with it. Made when first seen."""

    sub: Any = models.CharField(primary_key=True, max_length=64)
    user: Any = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subject")

    def __str__(self) -> str:
        return str(self.sub)
