"""An exhaustive search: every state of a small world, the nearest first."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import NamedTuple, Protocol, Self


class World(Protocol):
    """One state of a small world."""

    def steps(self) -> Iterable[tuple[str, Self]]:
        """Yield everything that can happen next, in words, with the state it leads to."""
        ...

    def broken(self) -> str:
        """Return the promise that is broken here, or nothing."""
        ...

    def essence(self) -> Hashable:
        """Return the same for two states that differ in nothing that matters."""
        ...


class Found(NamedTuple):
    """How many states were visited, and the shortest story of a broken promise, or none."""

    states: int
    story: tuple[str, ...]


def search(start: World) -> Found:
    """Visit every state that can be reached, until a promise is broken or nothing new is left."""
    came_from: dict[Hashable, tuple[Hashable, str]] = {start.essence(): (None, "")}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        here = state.essence()
        if wrong := state.broken():
            return Found(len(came_from), (*_story(came_from, here), wrong))
        for what, after in state.steps():
            if (there := after.essence()) not in came_from:
                came_from[there] = (here, what)
                waiting.append(after)
    return Found(len(came_from), ())


def _story(came_from: dict[Hashable, tuple[Hashable, str]], here: Hashable) -> list[str]:
    story: list[str] = []
    while (step := came_from[here])[1]:
        here = step[0]
        story.insert(0, step[1])
    return story
