"""A run under way, in the app's memory: what the dispatcher steers and what pages poll every second.

`LiveRun` holds the record, the figures so far and where the newest weights lie; its methods are the changes a run can
go through. None of them waits for a worker or for the database, so a page never does either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcore.records import EpochResult, epoch_from_dict
from mlcore.runtime.slices import SliceResult
from mlcore.runtime.tables import LATEST
from mlcore.runtime.views import ACTIVE, IDLE, STORAGE, RunRecord, held_out_accuracy

# How strongly the newest slice counts in the estimate of the pace.
PACE_WEIGHT = 0.3


@dataclass(slots=True)
class Unsaved:
    """What came of slices and is not yet in the store: figures, and label -> weights or the file they lie in."""

    results: list[Mapping[str, Any]] = field(default_factory=list)
    weights: dict[int, bytes | str] = field(default_factory=dict)
    record: bool = False
    rewind: bool = False

    def __bool__(self) -> bool:
        return bool(self.results or self.weights or self.record or self.rewind)


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run in memory.

    Attributes:
        results: figures of all epochs so far.
        latest: the newest weights, or the file they lie in; None before the first slice, or where only the store
            has them.
        known: whether the store may have weights that `latest` does not name.
        generation: counts rewinds; what a slice of an earlier generation brings is thrown away.
        in_flight: whether a worker has a slice of it, or soon will.
        stop_at: epoch at whose end it pauses; 0 for none.
        looked_at: when a visitor last saw it (monotonic seconds).
        strikes: how many of its slices in a row ended with the worker's death.
        pace: seconds per batch, smoothed; 0 while unknown.
        retry_at: not before this moment (monotonic seconds) is it tried again after trouble with the storage.
    """

    record: RunRecord
    results: list[EpochResult] = field(default_factory=list)
    latest: bytes | str | None = None
    known: bool = False
    generation: int = 0
    in_flight: bool = False
    stop_at: int = 0
    looked_at: float = field(default_factory=time.monotonic)
    strikes: int = 0
    pace: float = 0.0
    retry_at: float = 0.0
    unsaved: Unsaved = field(default_factory=Unsaved)

    @property
    def active(self) -> bool:
        """Whether it trains or waits its turn."""
        return self.record.status in ACTIVE

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train."""
        return self.record.epoch >= self.record.config.epochs or bool(self.record.halted)

    def ready(self, now: float) -> bool:
        """Whether it may have a slice: it wants one, or it waits for the storage and it is time to try again."""
        if self.in_flight or self.done:
            return False
        waits = self.record.reason == STORAGE and self.retry_at <= now and not self.unsaved
        return self.active or waits

    def go(self) -> None:
        """Train on, unless there is nothing left."""
        if self.done:
            self.set("finished")
        elif not self.active:
            self.strikes = 0
            self.set("running" if self.record.batch or self.record.epoch else "waiting")

    def set(self, status: Any, reason: Any = "", error: str = "") -> None:
        """Change the status; the dispatcher saves it."""
        self.record.status, self.record.reason, self.record.error = status, reason, error
        self.record.updated = time.time()
        self.unsaved.record = True

    def hold(self, status: Any) -> None:
        """Pause or stop by the visitor's wish, which also ends a wish for one epoch more."""
        self.stop_at = 0
        self.set(status)

    def look(self) -> None:
        """Somebody is looking: what paused because nobody was goes on."""
        self.looked_at = time.monotonic()
        if self.record.status == "interrupted" or (self.record.status == "paused" and self.record.reason == IDLE):
            self.go()

    def overshot(self, result: SliceResult) -> bool:
        """Whether a slice, cut before somebody asked for one epoch more, went past that epoch's end."""
        return 0 < self.stop_at and (self.stop_at, 0) < (result.epoch, result.batch)

    def take(self, result: SliceResult) -> None:
        """Go on from where a slice got."""
        record = self.record
        # A slice that was under way when trouble began does not end it.
        held_up = record.reason == STORAGE and bool(self.unsaved)
        record.epoch, record.batch, record.batches = result.epoch, result.batch, result.batches
        record.halted = result.halted
        record.seconds += result.seconds
        record.data_hash = record.data_hash or result.data_hash
        record.versions = record.versions or result.versions
        record.updated = time.time()
        for item in result.epochs:
            self._append(epoch_from_dict(item))
        if result.trained:
            pace = result.seconds / result.trained
            self.pace = self.pace + PACE_WEIGHT * (pace - self.pace) if self.pace else pace
        self.strikes = 0
        self._keep(result)
        if self.done:
            self.set("finished")
        elif self.stop_at and record.epoch >= self.stop_at:
            self.stop_at = 0
            if self.active or record.reason == STORAGE:
                self.set("paused")
        elif record.status == "waiting" or (record.reason == STORAGE and not held_up):
            self.set("running")

    def _append(self, epoch: EpochResult) -> None:
        self.results = [item for item in self.results if item.epoch < epoch.epoch] + [epoch]
        accuracy = held_out_accuracy(epoch)
        if accuracy > self.record.best_accuracy:
            self.record.best_accuracy, self.record.best_epoch = accuracy, epoch.epoch

    def _keep(self, result: SliceResult) -> None:
        """Note what is to be saved; a file that a newer one replaces goes."""
        replaced = self.unsaved.weights.get(LATEST, self.latest)
        self.unsaved.weights.update(result.checkpoints)
        self.unsaved.results += result.epochs
        self.unsaved.record = True
        self.latest = result.checkpoints[LATEST]
        self.known = True
        discard([replaced])

    def start_over(self) -> None:
        """Back to where it began, paused. A slice under way no longer counts."""
        record = self.record
        self.generation += 1
        self.stop_at = 0
        discard([self.latest, *self.unsaved.weights.values()])
        self.latest, self.known = None, True
        self.results = []
        record.epoch, record.batch, record.seconds, record.halted = 0, 0, 0.0, ""
        record.best_epoch, record.best_accuracy = 0, 0.0
        self.unsaved = Unsaved(rewind=True)
        self.set("paused")

    def trouble(self, sentence: str, wait: float) -> None:
        """The disk or the database will not take it: wait, and go on by itself when it does."""
        self.retry_at = time.monotonic() + wait
        if self.active or self.record.reason == STORAGE:
            self.set("paused", STORAGE, sentence)

    def seconds_left(self) -> float | None:
        """How long the rest would take with a worker of its own."""
        record = self.record
        if not self.pace or not record.batches:
            return None
        return self.pace * ((record.config.epochs - record.epoch) * record.batches - record.batch)


def discard(weights: list[bytes | str | None]) -> None:
    """Remove those of the checkpoints that are working files."""
    for item in weights:
        if isinstance(item, str):
            with suppress(OSError):
                os.unlink(item)


def content(weights: Mapping[int, bytes | str]) -> dict[int, bytes]:
    """The bytes of checkpoints, wherever they lie."""
    return {label: Path(item).read_bytes() if isinstance(item, str) else item for label, item in weights.items()}
