"""One question for all who wait for its answer: the first asks, in its own thread, and the others wait for that."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Shared(Generic[K, V]):
    """Asks once about each thing at a time, for all who wait."""

    def __init__(self, ask: Callable[[K], V]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: dict[K, Future[V]] = {}

    def answer(self, about: K) -> V:
        """Return the answer, or raise what asking raised."""
        with self._lock:
            asking = self._asking.get(about)
            is_first = asking is None
            if asking is None:
                asking = self._asking[about] = Future()
        if is_first:
            self._answer(about, asking)
        return asking.result()

    def forget(self) -> None:
        """Begin anew, in this process. What is being asked in its parent is nothing to us."""
        self._lock = threading.Lock()
        self._asking = {}

    def cancel(self) -> None:
        """Do nothing: who asks is a thread with a question of its own, and leaves with its answer."""

    def _answer(self, about: K, asking: Future[V]) -> None:
        try:
            answer = self._ask(about)
        except BaseException as error:  # noqa: BLE001 - everybody who waits must hear of it, whatever it is
            self._over(about, asking)
            asking.set_exception(error)
        else:
            self._over(about, asking)
            asking.set_result(answer)

    def _over(self, about: K, asking: Future[V]) -> None:
        """Take a question out of the table before it is answered: who comes after the answer asks anew."""
        with self._lock:
            if self._asking.get(about) is asking:
                del self._asking[about]
