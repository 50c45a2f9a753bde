"""Finds the `Auth` that an application asks, from the application, or from the client of a test that speaks to it."""

from typing import Any

from ostiary import asgi, wsgi
from ostiary.auth import Auth
from ostiary.errors import Misconfigured
from ostiary.sync import Auth as SyncAuth

_WITHIN = ("app", "_app", "application", "wsgi_app", "_transport", "__self__")
"""What clients, transports, frameworks and middlewares call the application that they stand around."""


def auth_behind(client: object) -> Auth | SyncAuth:
    """Return the `Auth` of the door that stands before an application, behind however many layers.

    Raises:
        Misconfigured: there is no door.
    """
    seen: set[int] = set()
    layers = [client]
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, Auth | SyncAuth):
            return layer
        if id(layer) not in seen:
            seen.add(id(layer))
            layers += _layers_of(layer)
    raise Misconfigured("no ostiary door is found behind this: install it, or say which Auth to ask, with auth=…")


def _layers_of(layer: Any) -> list[Any]:  # noqa: ANN401 - of any framework
    """Return what stands within a layer; within a door it is the `Auth`."""
    if isinstance(layer, asgi.Door | wsgi.Door):
        return [layer.auth]
    # Starlette has not built yet what it was told to put around itself.
    told = [each.kwargs["auth"] for each in getattr(layer, "user_middleware", ()) if each.cls is asgi.Door]
    cells = [cell.cell_contents for cell in getattr(layer, "__closure__", None) or ()]
    within = [getattr(layer, name, None) for name in _WITHIN]
    return [*told, *(each for each in (*within, *cells) if callable(each) or hasattr(each, "app"))]
