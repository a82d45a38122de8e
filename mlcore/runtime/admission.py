"""What may come in: the limits of this installation, each refused in a sentence that names it and says what it is.

`Admission` checks a config before it becomes a run, and makes room where the caps on kept runs are reached: the oldest
finished runs without a name go first, one with a name never does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mlcore.experiments.configs import Config
from mlcore.runtime.problems import LimitReached
from mlcore.runtime.settings import Settings
from mlcore.runtime.store import Store

# Longest name or group, in characters, and longest prediction, as JSON.
MOST_NAME = 80
MOST_PREDICTION = 4000


class Admission:
    """The limits at work.

    Args:
        delete: deletes runs by id, wherever they are held.
    """

    def __init__(self, limits: Settings, store: Store, delete: Callable[[list[str]], None]) -> None:
        self._limits, self._store, self._delete = limits, store, delete

    def check(self, config: Config, active: int) -> None:
        """Whether this may be trained here, while so many runs are under way.

        Raises:
            LimitReached: it may not; the sentence says which limit and what it is.
        """
        limits = self._limits
        if config.source not in limits.sources:
            allowed = " or ".join(limits.sources)
            raise LimitReached(f"This app trains on {allowed} only (LAB_SOURCES), not on {config.source}.")
        if config.epochs > limits.max_epochs:
            raise LimitReached(
                f"This app trains for at most {limits.max_epochs:,} epochs (LAB_MAX_EPOCHS), not {config.epochs:,}."
            )
        if config.parameters > limits.max_parameters:
            raise LimitReached(
                f"This app trains networks of at most {limits.max_parameters:,} weights and biases "
                f"(LAB_MAX_PARAMETERS); this one has {config.parameters:,}."
            )
        self.check_active(active)

    def check_active(self, active: int) -> None:
        """Whether one more run may be under way.

        Raises:
            LimitReached: too many are.
        """
        most = self._limits.max_active_runs
        if active >= most:
            raise LimitReached(
                f"The app is busy: {most} runs are training or waiting, the most it takes at a time "
                "(LAB_MAX_ACTIVE_RUNS). Try again when some have finished."
            )

    def make_room(self, owner: str) -> None:
        """See to it that one more run of this owner (by its key) can be kept.

        Raises:
            LimitReached: it cannot: nothing that is kept may go.
        """
        limits, store = self._limits, self._store
        most = limits.max_runs_per_visitor
        if (over := store.count(owner) + 1 - most) > 0:
            self._delete(store.expendable(owner, over))
            if store.count(owner) >= most:
                raise LimitReached(
                    f"This app keeps {most} runs a visitor (LAB_MAX_RUNS_PER_VISITOR), and all of yours are under way "
                    "or have a name: delete one first."
                )
        if (over := store.count() + 1 - limits.max_runs) > 0:
            self._delete(store.expendable(limit=over))
            if store.count() >= limits.max_runs:
                raise LimitReached(
                    f"This app keeps {limits.max_runs:,} runs in all (LAB_MAX_RUNS), and all are under way or have a "
                    "name: somebody has to delete one first."
                )
        while store.used_bytes() > limits.max_disk_mb * 1_000_000:
            oldest = store.expendable(limit=1)
            if not oldest:
                raise LimitReached(
                    f"The runs kept here fill the {limits.max_disk_mb:,} MB there are for them (LAB_MAX_DISK_MB): "
                    "somebody has to delete one first."
                )
            self._delete(oldest)


def one_line(what: str, text: Any) -> str:
    """A name as it is kept: one line, no control characters.

    Raises:
        ValueError: it is too long.
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    if len(line) > MOST_NAME:
        raise ValueError(f"A {what} may have at most {MOST_NAME} characters, not {len(line)}.")
    return line


def prediction_of(value: Any) -> Any:
    """A prediction as it is kept.

    Raises:
        ValueError: JSON cannot hold it, or it is too long.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("A prediction has to be made of texts and finite numbers.") from None
    if len(text) > MOST_PREDICTION:
        raise ValueError(f"A prediction may have at most {MOST_PREDICTION} characters, not {len(text)}.")
    return json.loads(text)
