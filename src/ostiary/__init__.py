"""Ostiary: one login, two carriers, dead everywhere at once on logout.

from ostiary import Auth

auth = Auth.embedded("app.db", issuer="http://localhost:8000")
"""

from ostiary.auth import Auth, Issued
from ostiary.core.access import Principal
from ostiary.core.session import Carrier

__all__ = ["Auth", "Carrier", "Issued", "Principal"]
