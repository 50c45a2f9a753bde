"""What one run leaves behind, and the search for secrets in it."""

import logging
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.attacks.visits import Held


def forms_of(secret: bytes) -> set[bytes]:
    """Return the forms in which a secret may stand somewhere: itself, in hex, and in base64 at any place of a text."""
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret)[2:-1].encode()}
    for before, cut in enumerate((0, 2, 3)):
        encoded = b64encode(bytes(before) + secret)[cut : (before + len(secret)) * 8 // 6]
        forms |= {encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


@dataclass
class Run:
    """What must be found nowhere, and everything that one run left behind."""

    secrets: dict[str, set[bytes]] = field(default_factory=dict)
    places: dict[str, list[bytes]] = field(default_factory=dict)
    records: list[object] = field(default_factory=list)
    """Things that a log or a traceback may show the `repr` of."""

    def hide(self, name: str, secret: str | bytes) -> None:
        """Take note of a secret."""
        raw = secret.encode() if isinstance(secret, str) else secret
        assert len(raw) >= 16, "what is short is found by chance"
        self.secrets.setdefault(name, set()).update(forms_of(raw))

    def hide_held(self, held: Held) -> Held:
        """Take note of what a client holds: of a signed value the signature, which nobody else can make."""
        for kind in ("cookie", "access_token", "refresh_token"):
            if value := getattr(held, kind):
                self.hide(kind, value.rpartition(".")[2])
        return held

    def leave(self, place: str, text: str | bytes) -> None:
        """Take note of something left behind."""
        self.places.setdefault(place, []).append(text.encode() if isinstance(text, str) else text)

    def found(self, place: str, text: bytes) -> list[str]:
        """Return which secrets stand in a text. The files may hold the hashes of passwords, nothing else may."""
        return [
            f"{name} in {place}"
            for name, forms in self.secrets.items()
            if not (name == "hash" and place == "files") and any(form in text for form in forms)
        ]


@contextmanager
def listening(run: Run) -> Generator[None]:
    """Hear every logger at its lowest level, with all that its records carry."""

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith("http"):  # that is the client, who knows what it sends
                run.leave("logs", f"{logging.Formatter().format(record)} {record.__dict__!r}")

    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    before = [(logger, logger.level, logger.propagate, logger.disabled) for logger in loggers]
    ear = Ear()
    root.addHandler(ear)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate, logger.disabled = True, False
    try:
        yield
    finally:
        root.removeHandler(ear)
        for logger, level, propagate, disabled in before:
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled
