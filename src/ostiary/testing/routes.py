"""Every route of an application: how it is asked for, and where its handler stands.

A path is filled with the first of a few values that its parameter takes.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

_VALUES: Final = ("1", "x", "1.0", "00000000-0000-4000-8000-000000000000", "2026-01-01", "00:00:00")
_OF_TYPE: Final = {"UUID": _VALUES[3], "date": "2026-01-01", "datetime": "2026-01-01T00:00:00", "time": "00:00:00"}
_OF_CONVERTER: Final = {"uuid": _VALUES[3], "float": "1.0"}
_FLASK_PARAMETER: Final = re.compile(r"<(?:(\w+)(?:\((.*?)\))?:)?\w+>")
_ASKED: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
WEBSOCKET: Final = "WEBSOCKET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way into an application."""

    method: str
    path: str
    """As the application wrote it."""
    filled: str
    """With something in the place of each parameter."""
    handler: Callable[..., Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def place(self) -> str:
        """The file and the line where the handler begins, and its name."""
        handler: Any = inspect.unwrap(self.handler)
        handler = getattr(handler, "func", handler)  # a `functools.partial`
        code = getattr(handler, "__code__", None)
        name = getattr(handler, "__qualname__", type(handler).__qualname__)
        if code is not None:
            return f"{_short(code.co_filename)}:{code.co_firstlineno} {name}"
        try:
            kind = cast("type[object]", handler if inspect.isclass(handler) else type(handler))
            return f"{_short(inspect.getfile(kind))}:{inspect.getsourcelines(kind)[1]} {name}"
        except (OSError, TypeError):
            return name


def routes_of(app: Any) -> Iterator[Route]:  # noqa: ANN401 - of any framework
    """Return every route of an application of Starlette, FastAPI, Litestar or Flask, however it is wrapped.

    Raises:
        TypeError: it is of none of them, or a route of it is of no known kind.
    """
    for within in _layers(app):
        if hasattr(within, "url_map"):
            return _of_flask(within)
        if hasattr(within, "route_handler_method_map"):
            return _of_litestar(within)
        if hasattr(within, "routes"):
            return _of_starlette(within, "")
    raise TypeError(f"a {type(app).__name__} has no routes that can be read: give the application of the framework")


def _layers(app: Any) -> Iterator[Any]:  # noqa: ANN401 - same
    while app is not None:
        yield app
        app = getattr(app, "_app", None) or getattr(app, "app", None)


def _of_starlette(app: Any, prefix: str) -> Iterator[Route]:  # noqa: ANN401 - same
    for route in app.routes:
        yield from _read(route, prefix)


def _read(route: Any, prefix: str) -> Iterator[Route]:  # noqa: ANN401 - same
    path = prefix + (getattr(route, "path", None) or "")
    if hasattr(route, "effective_route_contexts"):  # what FastAPI keeps of an included router
        for each in route.effective_route_contexts():
            yield from _read(each.starlette_route or each, prefix)
    elif getattr(route, "routes", None):
        yield from _of_starlette(route, path)
    elif getattr(route, "endpoint", None) is not None:
        filled = prefix + route.path_format
        for name, convertor in route.param_convertors.items():
            filled = filled.replace(f"{{{name}}}", _first(convertor.regex))
        for method in _methods_of(route):
            yield Route(method=method, path=path, filled=_filled(filled), handler=route.endpoint)
    elif getattr(route, "app", None) is not None:
        yield Route(method="GET", path=f"{path}/*", filled=_filled(f"{path}/x"), handler=route.app)
    else:
        raise TypeError(f"a {type(route).__name__} cannot be read, so nobody can say whether it is open")


def _methods_of(route: Any) -> list[str]:  # noqa: ANN401 - same
    if "WebSocket" in type(route).__name__:
        return [WEBSOCKET]
    if route.methods is not None:
        return [method for method in _ASKED if method in route.methods]
    if inspect.isclass(route.endpoint):
        return [method for method in _ASKED if hasattr(route.endpoint, method.lower())]
    return ["GET"]  # it takes any method


def _of_litestar(app: Any) -> Iterator[Route]:  # noqa: ANN401 - same
    for route in app.routes:
        filled = route.path
        for parameter in route.path_parameters.values():
            value = _OF_TYPE.get(parameter.type.__name__, "1")
            filled = filled.replace(f"{{{parameter.full}}}", value)
        handlers = getattr(route, "route_handlers", None) or [route.route_handler]
        for handler in handlers:
            methods = getattr(handler, "http_methods", None)
            if methods is None:
                methods = {WEBSOCKET} if "ebsocket" in type(handler).__name__ else {"GET"}
            for method in (*_ASKED, WEBSOCKET):
                if method in methods:
                    yield Route(method=method, path=route.path, filled=filled, handler=handler.fn)


def _of_flask(app: Any) -> Iterator[Route]:  # noqa: ANN401 - same
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        filled = _FLASK_PARAMETER.sub(_flask_value, rule.rule)
        for method in _ASKED:
            if method in rule.methods:
                yield Route(method=method, path=rule.rule, filled=filled, handler=getattr(view, "view_class", view))


def _flask_value(parameter: re.Match[str]) -> str:
    converter, arguments = parameter.groups()
    if converter == "any":
        return str(arguments).split(",")[0].strip().strip("'\"")
    return _OF_CONVERTER.get(converter, "1")


def _first(regex: str) -> str:
    return next((value for value in _VALUES if re.fullmatch(regex, value)), "1")


def _filled(path: str) -> str:
    return re.sub(r"{[^}]*}", "1", path) or "/"  # what is left are the parameters of a mount


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
