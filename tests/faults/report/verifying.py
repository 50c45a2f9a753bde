"""A process with a `Verifier`, which says of each token that comes over its socket what it thinks of it.

Run as `python -m tests.faults.report.verifying SOCKET`, with the issuer, the audience and the key as its input.
"""

import asyncio
import sys
from pathlib import Path

from ostiary.verify import Refused, Unavailable, Verifier

YES, NO, UNSURE = b"yes", b"no", b"unsure"


async def serve(issuer: str, key: str, socket: Path) -> None:
    """Follow, and answer one question a connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        token = await reader.readline()
        try:
            verifier.verify(token.decode().strip())
            word = YES
        except Refused:
            word = NO
        except Unavailable:
            word = UNSURE
        writer.write(word)
        await writer.drain()
        writer.close()

    async with Verifier(issuer, audience=issuer, key=key) as verifier:
        socket.unlink(missing_ok=True)  # of the one that was killed here before
        server = await asyncio.start_unix_server(answer, socket)
        async with server:
            await server.serve_forever()


async def judge(socket: Path, token: str, *, patience: float) -> bytes:
    """Ask such a process.

    Raises:
        OSError: it does not answer.
    """
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            writer.write(f"{token}\n".encode())
            answer = await reader.read()
        finally:
            writer.transport.abort()
    if not answer:
        raise ConnectionResetError
    return answer


if __name__ == "__main__":
    named, secret = sys.stdin.read().split()
    asyncio.run(serve(named, secret, Path(sys.argv[1])))
