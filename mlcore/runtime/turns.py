"""Whose turn it is: visitors in turn, and each visitor's runs in turn.

Counting by visitor first means that ten runs of one visitor together get no more of the machine than the one run of
another, so a visitor's tenth run does not delay another's first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

# How many visitors are remembered before those who have not had a turn for longest are forgotten.
REMEMBERED = 10_000


class Turns:
    """Chooses, each time, the visitor and then the run that has waited longest since its last turn."""

    def __init__(self) -> None:
        self._turn = 0
        self._visitors: dict[str, int] = {}
        self._runs: dict[str, int] = {}

    def choose(self, waiting: Iterable[tuple[str, str]]) -> str | None:
        """The run whose turn it is, and note that it has had it.

        Args:
            waiting: (visitor, run id) of each run that could advance now, oldest first. A visitor or run that never
                had a turn comes before those who had one.
        """
        found = min(
            waiting, key=lambda item: (self._visitors.get(item[0], 0), self._runs.get(item[1], 0)), default=None
        )
        if found is None:
            return None
        self._turn += 1
        # Taken out and put in again, so that the dictionary's order is the order of turns.
        for memory, name in ((self._visitors, found[0]), (self._runs, found[1])):
            memory.pop(name, None)
            memory[name] = self._turn
            while len(memory) > REMEMBERED:
                memory.pop(next(iter(memory)))
        return found[1]


def shares(active: Iterable[tuple[str, str]], workers: int) -> dict[str, float]:
    """The part of one worker that each run gets while all of these want to train: run id -> share, 0 to 1.

    Args:
        active: (visitor, run id) of each.
        workers: how many train at the same time.
    """
    items = list(active)
    runs = Counter(visitor for visitor, _ in items)
    return {run: min(1.0, workers / (len(runs) * runs[visitor])) for visitor, run in items}
