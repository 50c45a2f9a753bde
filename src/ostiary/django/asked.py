"""A request of Django's, as the endpoints see it."""

from django.http import HttpRequest

from ostiary.core.site import Site
from ostiary.web.http import Request
from ostiary.wsgi import headers


def asked(request: HttpRequest, site: Site) -> Request:
    """Return what a login needs of a request: its headers and where it comes from. Its body stays with Django."""
    return Request(
        method=request.META["REQUEST_METHOD"],
        path=request.path_info,
        headers=headers(request.META),
        client=request.META.get("REMOTE_ADDR", ""),
    ).from_behind_proxies(site)
