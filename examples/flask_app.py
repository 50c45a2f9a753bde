"""A Flask application behind Ostiary. `python examples/flask_app.py app.db` serves it on 8000."""

import sys
from datetime import timedelta
from pathlib import Path

from flask import Flask

from ostiary.flask import current_principal, install, optional_principal, requires
from ostiary.sync import Auth


def make_app(auth: Auth) -> Flask:
    """Make the application. Only the front page is open."""
    app = Flask(__name__)
    install(app, auth, open=["front"])

    @app.get("/")
    def front() -> dict[str, str]:
        who = optional_principal()
        return {"hello": "visitor" if who is None else who.user_id}

    @app.get("/me")
    def me() -> dict[str, str]:
        return {"user_id": current_principal.user_id}

    @app.get("/editors")
    @requires(role="editor")
    def editors() -> dict[str, str]:
        return {"editor": current_principal.user_id}

    @app.delete("/account")
    @requires(fresh=timedelta(minutes=5))
    def leave() -> tuple[str, int]:
        return "", 204

    return app


if __name__ == "__main__":
    make_app(Auth.embedded(Path(sys.argv[1]), issuer="http://localhost:8000")).run(port=8000)
