"""The door for Django: an app, a middleware, a backend, and urls. It serves WSGI and ASGI.

    INSTALLED_APPS = [..., "ostiary.django"]
    MIDDLEWARE = [..., "django.contrib.auth.middleware.AuthenticationMiddleware", "ostiary.django.middleware.Guarded"]
    AUTHENTICATION_BACKENDS = ["ostiary.django.backend.Backend"]
    OSTIARY = {"issuer": "https://app.example", "open": ["/", "admin:login"], "login_url": "admin:login"}

    urlpatterns = [path("", include("ostiary.django.urls")), ...]

Then `request.principal` is who is asking, or `None`, and `request.user` is the user of Django that goes with them;
`has_perm` says what their roles allow. Everything asks for a session but what is in `open`.

    @requires(role="editor")
    @fresh(timedelta(minutes=5))
    def delete_post(request: Request, id: int) -> HttpResponse: ...
"""

from ostiary.django.views import Request, authenticated, current_principal, fresh, requires

__all__ = ["Request", "authenticated", "current_principal", "fresh", "requires"]
