"""Mail for development: nobody is written to, and a person can see what they would have got."""

import asyncio
import os
import re
import select
import sys
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from io import UnsupportedOperation
from pathlib import Path

from ostiary.errors import Misconfigured, Unavailable


class Console:
    """Shows the text of each letter on the standard output."""

    async def send(self, message: EmailMessage) -> None:
        """Show a letter."""
        body = message.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        lines = [f"To: {message['To']}", f"Subject: {message['Subject']}", "", *text.rstrip().splitlines()]
        await asyncio.to_thread(_write, "".join(f"  {line}".rstrip() + "\n" for line in ["", *lines, ""]))

    async def check(self) -> str:
        """Say that letters are shown."""
        return "letters are shown on the console"


class Folder:
    """Puts each letter into a file of its own, `.eml`, which only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()

    async def send(self, message: EmailMessage) -> None:
        """Write a letter. It is there whole or not at all."""
        moment = message["Date"].datetime
        name = re.sub(r"[^\w-]", "", message["Message-ID"].partition("@")[0])
        data = message.as_bytes(policy=SMTP.clone(utf8=True))
        await asyncio.to_thread(self._put, f"{moment:%Y%m%dT%H%M%S}-{name}.eml", data)

    async def check(self) -> str:
        """See that files can be put there, if it is there already."""
        await asyncio.to_thread(self._see)
        return f"letters are put into {self._path}"

    def _put(self, name: str, data: bytes) -> None:
        self._make()
        draft = self._path / f".{name}.new"
        try:
            draft.unlink(missing_ok=True)
            with open(draft, "xb", opener=_for_its_owner) as file:
                file.write(data)
            draft.replace(self._path / name)
        except OSError as error:
            raise Unavailable(f"a letter cannot be put into {self._path}: {error.strerror}") from None

    def _make(self) -> None:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"the folder of letters {self._path} cannot be made: {error.strerror}") from None
        self._see()

    def _see(self) -> None:
        if self._path.exists() and not self._path.is_dir():
            raise Misconfigured(f"the place of letters {self._path} is not a folder")
        if self._path.exists() and not os.access(self._path, os.W_OK | os.X_OK):
            raise Misconfigured(f"the folder of letters {self._path} cannot be written to")


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _write(text: str) -> None:
    """Write a letter, unless that would wait: nobody may ever read the pipe that the console can be."""
    with suppress(UnsupportedOperation):  # what stands for the console in a test
        if not select.select([], [sys.stdout], [], 0)[1]:
            raise Unavailable("nobody reads the console")
    sys.stdout.write(text)
    sys.stdout.flush()
