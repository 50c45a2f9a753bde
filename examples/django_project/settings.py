"""The settings of the project. `DATABASE` and `ISSUER` in the environment say where it is."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

_file = Path(os.environ.get("DATABASE", "app.db")).absolute()

SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "examples.django_project.urls"
WSGI_APPLICATION = "examples.django_project.wsgi.application"
ASGI_APPLICATION = "examples.django_project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _file.with_suffix(".django.db")}}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "ostiary.django",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ostiary.django.middleware.Guarded",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["ostiary.django.backend.Backend"]
OSTIARY = {
    "issuer": os.environ.get("ISSUER", "http://localhost:8000"),
    "store": f"sqlite:///{_file}",
    "key_file": f"{_file}.key",
    "roles": {"editor": ["posts:write"], "clerk": ["auth.view_user", "auth.change_user"]},
    "open": ["/", "/public/*", "admin:login"],
    "login_url": "admin:login",
    "staff_role": "clerk",
    "superuser_role": "chief",
}
