"""A client with tokens, as a mobile application is one: what it keeps, and what it does with each answer.

    make serve
    python examples/mobile.py http://localhost:8000

| an answer                       | then                                                                        |
|---------------------------------|-----------------------------------------------------------------------------|
| 200                             | is what was asked for                                                       |
| 401, with an access token       | refresh, and ask once more                                                  |
| 401 to a refresh                | the session is over: sign in again                                          |
| 429 or 503                      | wait for as long as `Retry-After` says                                      |
| anything else                   | `code` is for the program, `detail` for the person                          |

It keeps two things on the device: the refresh token, until the session is over, and the device token, for good.
"""

import asyncio
import secrets
import sys
from dataclasses import dataclass, field
from typing import Any

import httpx

TRIES = 5


class SignedOut(Exception):
    """The session is over."""


class Refused(Exception):
    """The service says no, in a word for the program and a sentence for the person."""


@dataclass
class Kept:
    """What the device keeps in its key store. All windows of the application share it."""

    refresh_token: str = ""
    device_token: str = ""


@dataclass
class Window:
    """One window. It holds an access token of its own, in memory."""

    service: httpx.AsyncClient
    kept: Kept
    access_token: str = field(default="", repr=False)

    async def sign_in(self, email: str, password: str) -> None:
        """Log in. With the device token nobody's guesses elsewhere make us wait."""
        body = {"email": email, "password": password, "carrier": "bearer", "device": "Ada's phone"}
        if self.kept.device_token:
            body["device_token"] = self.kept.device_token
        out = result(await self.send("POST", "/auth/login", body))
        self.kept.device_token = out["device_token"]
        self.take(out)

    async def get(self, path: str) -> dict[str, Any]:
        """Return what stands there. An access token that is over is exchanged, once."""
        answer = await self.send("GET", path)
        if answer.status_code == 401:
            await self.refresh()
            answer = await self.send("GET", path)
        return result(answer)

    async def refresh(self) -> str:
        """Exchange the refresh token, and return its successor.

        Two windows may do so at once, and an answer may be lost: both get the same, and it may be asked for again. It
        is kept before it is used, so that a battery that dies at any moment signs nobody out.
        """
        if not self.kept.refresh_token:
            raise SignedOut
        answer = await self.send("POST", "/auth/refresh", {"refresh_token": self.kept.refresh_token})
        if answer.status_code == 401:
            self.kept.refresh_token = ""
            raise SignedOut
        self.take(result(answer))
        return self.kept.refresh_token

    async def sign_out(self) -> None:
        """End the session. The device token stays."""
        result(await self.send("POST", "/auth/logout"))
        self.kept.refresh_token = ""

    def take(self, out: dict[str, Any]) -> None:
        """Keep what a login or a refresh gave."""
        self.kept.refresh_token, self.access_token = out["refresh_token"], out["access_token"]

    async def send(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
        """Send a request with the session that is held, as often as it is told to wait or the network fails."""
        carried = {"authorization": f"Bearer {self.access_token}"} if self.access_token and body is None else {}
        for tries_left in reversed(range(TRIES)):
            try:
                answer = await self.service.request(method, path, json=body, headers=carried)
            except httpx.TransportError:
                if not tries_left:
                    raise
                wait = 1.0
            else:
                if answer.status_code not in (429, 503) or not tries_left:
                    return answer
                wait = float(answer.headers.get("retry-after", 1))
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")


def result(answer: httpx.Response) -> dict[str, Any]:
    """Return what an answer gives, or raise what it refuses."""
    out: dict[str, Any] = answer.json() if answer.content else {}
    if answer.is_error:
        raise Refused(f"{out['code']}: {out['detail']}")
    return out


async def tour(issuer: str) -> None:
    """Go through a day of a phone."""
    email, password = f"ada-{secrets.token_hex(4)}@example.com", "a lantern in the harbour"
    async with httpx.AsyncClient(base_url=issuer) as service:
        kept = Kept()
        one, two = Window(service, kept), Window(service, kept)
        result(await one.send("POST", "/auth/register", {"email": email, "password": password}))

        await one.sign_in(email, password)
        print("signed in:", (await one.get("/auth/session"))["user"]["email"])

        given = await asyncio.gather(one.refresh(), two.refresh())
        print("two windows refreshed at once:", "one successor" if len(set(given)) == 1 else "two successors")
        for window in (one, two):
            await window.get("/auth/session")
        print("both are in")

        await one.sign_out()
        try:
            await two.get("/auth/session")
        except SignedOut:
            print("signed out, and so is the other window")

        await two.sign_in(email, password)
        print("signed in again, on a device that is known")


if __name__ == "__main__":
    asyncio.run(tour(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"))
