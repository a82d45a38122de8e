"""What a page may know about a run: `RunView`, a frozen picture of one moment.

`RunRecord` is the same run as the store keeps it. Pages see views only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from mlcore.experiments.configs import Config
from mlcore.records import EpochResult

Status = Literal["waiting", "running", "paused", "stopped", "finished", "failed", "interrupted"]
STATUSES: tuple[Status, ...] = ("waiting", "running", "paused", "stopped", "finished", "failed", "interrupted")
ACTIVE: tuple[Status, ...] = ("waiting", "running")
# What may make room for new runs: nothing more will come of these.
OVER: tuple[Status, ...] = ("finished", "stopped", "failed")

IDLE = "idle"
STORAGE = "storage"
Reason = Literal["", "idle", "storage"]


@dataclass(slots=True)
class RunRecord:
    """One row of the table of runs: everything about a run but its epochs and weights."""

    id: str
    owner: str
    config: Config
    name: str = ""
    prediction: Any = None
    group: str = ""
    parent: str = ""
    status: Status = "waiting"
    reason: Reason = ""
    error: str = ""
    halted: str = ""
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best_accuracy: float = 0.0
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    versions: dict[str, str] = field(default_factory=dict)
    data_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as it stands now.

    Attributes:
        status: "waiting" has not had its first slice yet, "running" trains in turns, "paused" waits to be resumed,
            "stopped" was ended by its owner, "finished" reached its last epoch (or `halted`), "failed" cannot go on
            (see `error`), "interrupted" was under way when the app ended and can be resumed.
        reason: why it is paused when its owner did not ask for it: "idle" (nobody was looking) or "storage" (the
            disk or the database would not take it, see `error`); both go on by themselves.
        epoch, batch, batches: finished epochs, finished batches of the epoch under way, batches in an epoch (0 until
            the first slice is back).
        halted: one sentence saying why training itself could not go on (it diverged); empty otherwise.
        error: one sentence about what is wrong; empty otherwise.
        seconds: how long it has trained, waiting apart.
        seconds_left: how long it would still take with a worker of its own; None while unknown.
        time_left: how long it will take with those who share the machine now; None unless it is under way.
        samples_per_second: images a second while it trains; None while unknown.
        sharing: runs training or waiting their turn on this machine now, this one included.
        best_epoch, best_accuracy: of the held-out accuracy (test for scratch, validation for networks); 0 before.
        last: the newest epoch's figures; None before the first.
        created, updated: seconds since 1970.
        parent: id of the run that this one was forked from; empty otherwise.
        step: whether it will pause at the end of the epoch under way.
        landing: whether a worker still has a slice of it, so that its figures will move once more even if it was
            paused or stopped meanwhile.
    """

    id: str
    config: Config
    status: Status
    reason: Reason = ""
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    halted: str = ""
    error: str = ""
    name: str = ""
    prediction: Any = None
    group: str = ""
    parent: str = ""
    seconds: float = 0.0
    seconds_left: float | None = None
    time_left: float | None = None
    samples_per_second: float | None = None
    sharing: int = 0
    best_epoch: int = 0
    best_accuracy: float = 0.0
    last: EpochResult | None = None
    created: float = 0.0
    updated: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    data_hash: str = ""
    step: bool = False
    landing: bool = False

    @property
    def live(self) -> bool:
        """Whether its figures may change without anybody doing anything."""
        return self.landing or self.status in ACTIVE or (self.status == "paused" and self.reason != "")

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in OVER

    @property
    def progress(self) -> float:
        """How much of the whole run is done, 0 to 1."""
        done = self.epoch + (self.batch / self.batches if self.batches else 0.0)
        return min(1.0, done / self.config.epochs)

    @property
    def epoch_progress(self) -> float:
        """How much of the epoch under way is done, 0 to 1."""
        return self.batch / self.batches if self.batches else 0.0


def held_out_accuracy(result: EpochResult) -> float:
    """The accuracy by which epochs are compared: on the validation part where there is one, else on the test part."""
    figures = result.figures()
    return float(figures.get("validation_accuracy", figures.get("test_accuracy", 0.0)))


def view_of(record: RunRecord, **more: Any) -> RunView:
    """The view of a record; `more` are the fields that only a run under way has."""
    return RunView(
        id=record.id,
        config=record.config,
        status=record.status,
        reason=record.reason,
        epoch=record.epoch,
        batch=record.batch,
        batches=record.batches,
        halted=record.halted,
        **{"error": record.error, **more},
        name=record.name,
        prediction=record.prediction,
        group=record.group,
        parent=record.parent,
        seconds=record.seconds,
        best_epoch=record.best_epoch,
        best_accuracy=record.best_accuracy,
        created=record.created,
        updated=record.updated,
        versions=record.versions,
        data_hash=record.data_hash,
    )
