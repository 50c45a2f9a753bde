"""A Flask application behind Ostiary.

flask --app examples.flask_app run --port 8000
"""

import os

from flask import Flask

from ostiary.flask import current_principal, install, optional_principal, requires
from ostiary.sync import Auth


def create_app() -> Flask:
    """Make the application as the environment says."""
    database, issuer = os.environ.get("DATABASE", "app.db"), os.environ.get("ISSUER", "http://localhost:8000")
    return make_app(Auth.embedded(database, issuer=issuer, roles={"editor": ["posts:write"]}))


def make_app(auth: Auth) -> Flask:
    """Make the application. Only the front page and what is public are open."""
    app = Flask(__name__)
    install(app, auth, open=["/", "/public/*"])

    @app.get("/")
    def front() -> dict[str, str]:
        who = optional_principal()
        return {"hello": "visitor" if who is None else who.user_id}

    @app.get("/public/hours")
    def hours() -> dict[str, str]:
        return {"open": "always"}

    @app.get("/me")
    def me() -> dict[str, str | tuple[str, ...]]:
        return {"user_id": current_principal.user_id, "roles": current_principal.roles}

    @app.get("/editors")
    @requires(role="editor")
    def editors() -> dict[str, str]:
        return {"may": "enter"}

    @app.get("/drafts")
    @requires(permission="posts:write")
    def drafts() -> dict[str, str]:
        return {"may": "enter"}

    @app.get("/vault")
    @requires(aal=2)
    def vault() -> dict[str, str]:
        return {"may": "enter"}

    @app.post("/promotion")
    def promotion() -> tuple[str, int]:
        """Make the caller an editor: what an administrator would do for them."""
        who = current_principal.user_id
        auth.accounts.set_roles(who, ["editor"], actor=who)
        return "", 204

    return app
