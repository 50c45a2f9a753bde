"""Checks access tokens in another service, with no database.

verifier = Verifier("https://id.example", audience="orders", key="osv1…")

async with verifier:                       # or `with verifier:`, where there is no event loop
    who = verifier.verify(token)
"""

from ostiary.core.access import Principal
from ostiary.errors import Refused, Unavailable
from ostiary.feed.http import Lag
from ostiary.verify.verifier import Stale, Verifier

__all__ = ["Lag", "Principal", "Refused", "Stale", "Unavailable", "Verifier"]
