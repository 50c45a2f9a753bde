"""The routes of Ostiary, under the prefix that the project says: `path("", include("ostiary.django.urls"))`."""

import re

from django.urls import re_path

from ostiary.django.apps import given
from ostiary.django.views import ours

urlpatterns = [
    re_path(rf"^{re.escape(given().prefix[1:])}/", ours, name="ostiary"),
    re_path(r"^\.well-known/jwks\.json$", ours, name="ostiary-keys"),
]
