"""The verbs. They read, ask core, write once, and report; no policy is decided here.

`Auth` has the verbs of sessions; `Auth.accounts` those of accounts, `Auth.keys` those of keys. The rooms it acts
through (store, vault, methods) reach it as ports.
"""

from ostiary.auth.issue import Issued, Minted
from ostiary.auth.verbs import Auth

__all__ = ["Auth", "Issued", "Minted"]
