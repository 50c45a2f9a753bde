"""A WSGI application without a framework, behind Ostiary. `python examples/wsgi_app.py app.db` serves it on 8000."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from wsgiref.simple_server import make_server

from ostiary.core.access import Principal
from ostiary.sync import Auth
from ostiary.wsgi import App, Door, Environ, Requires, StartResponse, current


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tell the caller who they are."""
    who: Principal = current(environ)
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"user_id": who.user_id, "roles": list(who.roles)}).encode()]


def make_app(auth: Auth) -> App:
    """Put the door in front of it."""
    return Door(Requires(hello), auth)


if __name__ == "__main__":
    auth = Auth.embedded(Path(sys.argv[1]), issuer="http://localhost:8000")
    with make_server("127.0.0.1", 8000, make_app(auth)) as server:
        server.serve_forever()
