"""Keeping what came of slices: from memory into the store, again and again until the store takes it.

A database that is locked, a disk that is full: the run pauses with a sentence, its newest weights wait in memory or in
their working file, and it goes on by itself once they are kept. A damaged file is replaced by one with all that is in
memory. Only the dispatcher's thread saves.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mlcore.runtime.engines import Damaged
from mlcore.runtime.live import LiveRun, Unsaved, content, discard
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.slices import DISK_ERRORS, PAUSED_BY_DISK
from mlcore.runtime.store import Store
from mlcore.runtime.tables import LATEST, START
from mlcore.runtime.views import RunRecord

log = logging.getLogger(__name__)

# Seconds between two tries to keep what the disk or the database would not take.
RETRY = 2.0


class Keeper:
    """Saves live runs.

    Args:
        live: run id -> run in memory, the dispatcher's.
        lock: held while live runs are read or changed.
        notice: takes a sentence for whoever opens the app.
    """

    def __init__(
        self, store: Store, live: dict[str, LiveRun], lock: threading.RLock, notice: Callable[[str], None]
    ) -> None:
        self._store, self._live, self._lock, self._notice = store, live, lock, notice

    def fetch(self, run: LiveRun, path: Path | None) -> bytes | str | None:
        """Where the store says this run goes on: its newest weights, or those it began with; None if it has neither.

        Args:
            path: file to leave them in, so that they need not go through a pipe; None for the bytes themselves.

        Raises:
            StoreUnavailable, OSError: they cannot be had at the moment.
        """
        data = None if run.unsaved.rewind else self._store.checkpoint(run.record.id, LATEST)
        if data is None:
            data = self._store.checkpoint(run.record.id, START)
        if data is None or path is None:
            return data
        path.write_bytes(data)
        return str(path)

    def save(self, runs: Iterable[LiveRun]) -> None:
        """Keep what these runs have that the store has not."""
        for run in runs:
            if run.retry_at > time.monotonic():
                continue
            with self._lock:
                if not run.unsaved or self._live.get(run.record.id) is not run:
                    continue
                unsaved, run.unsaved = run.unsaved, Unsaved()
                record = dataclasses.replace(run.record)
                generation = run.generation
            try:
                kept = self._keep(record, unsaved)
            except Damaged:
                self._put_back(run, unsaved, generation)
                self.repair()
                return
            except FileNotFoundError:
                # Somebody removed the working files: train on from what was kept last.
                self._forget_files(run, unsaved, generation)
            except (StoreUnavailable, OSError) as error:
                self._put_back(run, unsaved, generation)
                with self._lock:
                    run.trouble(sentence_of(error), RETRY)
            else:
                self._kept(run, unsaved, kept)

    def _keep(self, record: RunRecord, unsaved: Unsaved) -> bool:
        weights = content(unsaved.weights)
        if unsaved.rewind:
            self._store.rewind(record)
        return self._store.save(record, unsaved.results, weights)

    def _put_back(self, run: LiveRun, unsaved: Unsaved, generation: int) -> None:
        """What could not be kept is kept later, with what came since."""
        with self._lock:
            if generation != run.generation:
                discard(list(unsaved.weights.values()))
                return
            newer = run.unsaved
            run.unsaved = Unsaved(
                results=[*unsaved.results, *newer.results],
                weights={**unsaved.weights, **newer.weights},
                record=True,
                rewind=unsaved.rewind or newer.rewind,
            )

    def _forget_files(self, run: LiveRun, unsaved: Unsaved, generation: int) -> None:
        unsaved.weights = {label: item for label, item in unsaved.weights.items() if isinstance(item, bytes)}
        self._put_back(run, unsaved, generation)
        with self._lock:
            run.latest, run.known = None, True

    def _kept(self, run: LiveRun, unsaved: Unsaved, kept: bool) -> None:
        with self._lock:
            discard([item for item in unsaved.weights.values() if item != run.latest])
            if not kept:
                # Deleted, or another server trains it now.
                self._live.pop(run.record.id, None)
                run.generation += 1
                discard([run.latest])

    def repair(self) -> None:
        """Begin a new database in place of a damaged or missing one, and keep in it all that is in memory.

        Raises:
            StoreUnavailable: there is no place for a new one.
        """
        sentence = self._store.repair()
        self._notice(sentence)
        log.warning(sentence)
        with self._lock:
            runs = list(self._live.values())
        for run in runs:
            if self._store.get(run.record.id) is None:
                self._store.insert(run.record, run.results)
            else:
                self._store.claim(run.record.id)
            with self._lock:
                run.unsaved.record = True
                run.unsaved.results = [item.to_dict() for item in run.results]
                if run.latest is not None:
                    run.unsaved.weights[LATEST] = run.latest


def sentence_of(error: Exception) -> str:
    """Why something could not be kept, in words."""
    if isinstance(error, OSError):
        cause = DISK_ERRORS.get(error.errno or 0) or (os.strerror(error.errno) if error.errno else str(error))
        return PAUSED_BY_DISK.format(cause=cause)
    return str(error)
