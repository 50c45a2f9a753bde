"""Reading from one other service over HTTP, with everything bounded.

| what                          | rule                                                                              |
|-------------------------------|-----------------------------------------------------------------------------------|
| the address                   | the origin that was configured; nothing that an answer says leads anywhere else   |
| a redirect                    | is not followed                                                                   |
| TLS                           | is always verified; plain `http://` is for this machine only (`core.site`)        |
| a proxy of the environment    | is used for `https://` only, where it sees nothing                                |
| an answer                     | has a size and a time that it may not exceed, and is not compressed               |
| the key                       | goes to this origin, and into no text                                             |
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ostiary.core.site import Site
from ostiary.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    import httpx

_KEY = re.compile(r"osv1[A-Za-z0-9._~-]{1,200}")


class Origin:
    """Another service, and where its routes are. It is opened in the event loop that reads from it.

    Raises:
        Misconfigured: the key is none, or the client for HTTP is not installed.
    """

    def __init__(self, site: Site, *, key: str | None = None) -> None:
        if find_spec("httpx") is None:
            raise Misconfigured("install ostiary[verify]: it brings the client for HTTP")
        if key is not None and _KEY.fullmatch(key) is None:
            raise Misconfigured("the verifier's key is not one: it begins with osv1")
        self.name = site.issuer
        self._at = site.mount.at
        self._secure = site.secure
        self._headers = {"accept-encoding": "identity", "user-agent": "ostiary"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"
        self._client: httpx.AsyncClient | None = None

    def open(self) -> None:
        """Begin. Nothing is sent yet."""
        import httpx  # noqa: PLC0415 - heavy, and nothing is read before it is opened

        self._client = httpx.AsyncClient(
            base_url=self.name,
            headers=self._headers,
            follow_redirects=False,
            trust_env=self._secure,
            timeout=None,  # noqa: S113 - each question has one time-out of its own, for everything
        )

    async def close(self) -> None:
        """Let go of every connection."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def get(self, path: str, *, within: float, most: int) -> bytes:
        """Return what a route answers. `within` are seconds for the whole answer, `most` its largest size in bytes.

        Raises:
            Unavailable: nothing usable came in time.
        """
        try:
            async with asyncio.timeout(within), self.stream(path, within=within) as chunks:
                body = bytearray()
                async for chunk in chunks:
                    body += chunk
                    if len(body) > most:
                        raise Unavailable(f"{self.name}{path} answers with more than {most} bytes")
                return bytes(body)
        except TimeoutError:
            raise Unavailable(f"{self.name} does not answer in time") from None

    @asynccontextmanager
    async def stream(
        self, path: str, *, within: float, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Read an answer as it comes. It must begin `within` so many seconds, and may go on for ever.

        Raises:
            Unavailable: nothing usable came, or the connection was lost.
        """
        import httpx  # noqa: PLC0415 - see `open`

        if self._client is None:
            raise Unavailable(f"nobody reads from {self.name} now")
        try:
            async with asyncio.timeout(within):
                request = self._client.build_request("GET", self._at(path), headers=headers)
                response = await self._client.send(request, stream=True)
            async with aclosing(response):
                self._expect(response, path)
                yield response.aiter_raw()
        except TimeoutError:
            raise Unavailable(f"{self.name} does not answer in time") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.name} cannot be reached: {type(error).__name__}") from None

    def _expect(self, response: "httpx.Response", path: str) -> None:
        """Refuse every answer but a plain one."""
        if response.status_code in (401, 403):
            raise Unavailable(f"{self.name} refuses this verifier's key")
        if response.status_code != 200:
            raise Unavailable(f"{self.name}{path} answers {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unavailable(f"{self.name}{path} answers compressed, which nobody asked for")
