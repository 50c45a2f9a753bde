"""Ostiary without an event loop, for applications that serve WSGI.

    from ostiary.sync import Auth

    auth = Auth.embedded("app.db", issuer="https://id.example")

`ostiary.wsgi` and `ostiary.flask` are its doors. Most of this folder is written from the asynchronous source by
`make twin`; a file that is written by hand does not say so.
"""

from ostiary.sync.auth.verbs import Auth

__all__ = ["Auth"]
