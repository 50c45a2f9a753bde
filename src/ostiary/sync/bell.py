"""Tells the one thread that listens that something was written."""

import threading


class Bell:
    """A bell that is not missed for being busy: what rang meanwhile is heard when it is listened to again."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """Tell."""
        self._rung.set()

    def heard(self, *, wait: float) -> bool:
        """Return `True` as soon as it has rung since it was last heard, or `False` after `wait` seconds."""
        rung = self._rung.wait(wait)
        self._rung.clear()
        return rung
