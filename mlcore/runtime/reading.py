"""Reading runs: from memory while they are under way, from the store otherwise, and only what is the visitor's own.

`Reader` is the half of `Runtime` that changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlcore.records import Checkpoint, EpochResult
from mlcore.runtime.dispatcher import Dispatcher
from mlcore.runtime.live import LiveRun
from mlcore.runtime.problems import UnknownRun
from mlcore.runtime.store import Store
from mlcore.runtime.tables import LATEST, START
from mlcore.runtime.tokens import owner_key, valid_run_id
from mlcore.runtime.turns import shares
from mlcore.runtime.views import RunRecord, RunView, view_of


class Reader:
    """What may be known about runs, by their owners.

    Attributes:
        store: where runs are kept.
    """

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self.store = store
        self._dispatcher = dispatcher

    def run(self, owner: str, run_id: str) -> RunView | None:
        """A run as it stands; None if there is no such run of this visitor."""
        try:
            key = owner_key(owner)
            run = self._live(key, run_id)
            if run is not None:
                return self._live_view(run)
            record = self._owned(key, run_id)
        except UnknownRun:
            return None
        last = self.store.epochs(record.id, record.epoch - 1) if record.epoch else []
        return view_of(record, last=last[-1] if last else None)

    def runs(self, owner: str) -> list[RunView]:
        """All runs of a visitor, newest first."""
        try:
            key = owner_key(owner)
        except UnknownRun:
            return []
        last = self.store.last_epochs(key)
        views = []
        for record in self.store.of_owner(key):
            run = self._live(key, record.id)
            views.append(self._live_view(run) if run else view_of(record, last=last.get(record.id)))
        return views

    def epochs(self, owner: str, run_id: str, since: int = 0) -> list[EpochResult]:
        """The figures of a run's epochs after `since`, in order; empty if there is no such run."""
        try:
            return [item for item in self._results(self._record(owner, run_id).id) if item.epoch > since]
        except UnknownRun:
            return []

    def checkpoint(self, owner: str, run_id: str, epoch: int | None = None) -> Checkpoint | None:
        """The weights after an epoch (0: the start; None: the newest), or None where they are not kept."""
        try:
            data = self._weights(self._record(owner, run_id).id, epoch)
        except UnknownRun:
            return None
        return Checkpoint.from_bytes(data) if data is not None else None

    def checkpoint_epochs(self, owner: str, run_id: str) -> list[int]:
        """The epochs whose weights are kept, in order; 0 is the start. Long runs keep every second, fourth …"""
        try:
            return self.store.labels(self._record(owner, run_id).id)
        except UnknownRun:
            return []

    def sharing(self) -> tuple[int, int, int]:
        """How busy the machine is: (runs under way, visitors they belong to, workers)."""
        active = self._dispatcher.active()
        return len(active), len({visitor for visitor, _ in active}), self._dispatcher.workers

    # Whose run is it

    def _live(self, key: str, run_id: str) -> LiveRun | None:
        with self._dispatcher.lock:
            run = self._dispatcher.live.get(run_id) if isinstance(run_id, str) else None
        return run if run is not None and run.record.owner == key else None

    def _owned(self, key: str, run_id: str) -> RunRecord:
        record = self.store.get(run_id) if valid_run_id(run_id) else None
        if record is None or record.owner != key:
            raise UnknownRun
        return record

    def _record(self, owner: str, run_id: str) -> RunRecord:
        key = owner_key(owner)
        run = self._live(key, run_id)
        return run.record if run else self._owned(key, run_id)

    def _results(self, run_id: str) -> list[EpochResult]:
        with self._dispatcher.lock:
            run = self._dispatcher.live.get(run_id)
            if run is not None:
                return list(run.results)
        return self.store.epochs(run_id)

    def _weights(self, run_id: str, epoch: int | None) -> bytes | None:
        """The newest weights in memory where there are some, else what the store has."""
        with self._dispatcher.lock:
            run = self._dispatcher.live.get(run_id)
            rewound = run is not None and run.unsaved.rewind
            found = None
            if run is not None and not rewound:
                found = run.latest if epoch is None else run.unsaved.weights.get(epoch)
            if isinstance(found, bytes):
                return found
            if isinstance(found, str):
                with suppress(OSError):
                    return Path(found).read_bytes()
        if rewound:
            return self.store.checkpoint(run_id, START) if not epoch else None
        if epoch is not None:
            return self.store.checkpoint(run_id, epoch) if epoch >= 0 else None
        newest = self.store.checkpoint(run_id, LATEST)
        return newest if newest is not None else self.store.checkpoint(run_id, START)

    def _live_view(self, run: LiveRun) -> RunView:
        with self._dispatcher.lock:
            active = self._dispatcher.active()
            left = run.seconds_left()
            share = shares(active, self._dispatcher.workers).get(run.record.id)
            return view_of(
                run.record,
                last=run.results[-1] if run.results else None,
                seconds_left=left,
                time_left=left / share if left is not None and share else None,
                samples_per_second=run.record.config.batch_size / run.pace if run.pace else None,
                sharing=len(active),
                step=run.stop_at > 0,
                landing=run.in_flight,
            )
