"""Signs a program in to a service, and keeps it signed in: a tool, an app, a script on a person's own machine.

login = Login("https://id.example", place=KeyringPlace("my-tool"), reaches=["https://orders.example"])
login.sign_in("ada@example.com", password)              # once; `await login.sign_in_async(…)` in an event loop

with httpx.Client(auth=login) as client:                # or httpx.AsyncClient
    client.get("https://orders.example/orders")
"""

from ostiary.client.login import Login, NotSignedIn, Refusal, SignedOut
from ostiary.client.place import FilePlace, KeyringPlace, MemoryPlace, Place

__all__ = ["FilePlace", "KeyringPlace", "Login", "MemoryPlace", "NotSignedIn", "Place", "Refusal", "SignedOut"]
