"""The one object pages talk to: submit a run, steer it, read how far it is.

Every method takes the visitor's token first, and a run that is not that visitor's is as good as none. Reading a run
under way touches only memory, so that thirty panels can poll every second.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from mlcore.experiments.configs import Config, read_config
from mlcore.runtime.admission import Admission, one_line, prediction_of
from mlcore.runtime.database import sqlite_file
from mlcore.runtime.dispatcher import Dispatcher
from mlcore.runtime.engines import Damaged
from mlcore.runtime.live import LiveRun
from mlcore.runtime.problems import LimitReached, UnknownRun
from mlcore.runtime.reading import Reader
from mlcore.runtime.repair import set_aside
from mlcore.runtime.settings import Settings, read_settings
from mlcore.runtime.slices import TRAINERS, warm
from mlcore.runtime.store import Store
from mlcore.runtime.tokens import new_run_id, owner_key
from mlcore.runtime.views import IDLE, OVER, RunRecord

# Tasks that may wait for a worker; more would not be answered while anybody still waits.
MOST_TASKS = 64
# What a task may come from: code of ours.
TASK_MODULES = ("mlcore.",)


class Runtime(Reader):
    """Trains runs for many visitors, and keeps them.

    Attributes:
        limits: what this installation allows.
        notices: sentences for whoever opens the app (a database that was set aside, a setting that was ignored).
    """

    def __init__(
        self, settings: Settings, notices: tuple[str, ...] = (), trainers: Mapping[str, str] = TRAINERS
    ) -> None:
        self.notices: list[str] = list(notices)
        self.limits = self._with_directory(settings)
        store = self._open_store()
        super().__init__(store, Dispatcher(store, self.limits, trainers, self.notices.append))
        self._admission = Admission(self.limits, self.store, self._delete)
        self._closed = threading.Event()
        self._remove_old_working_files()
        self._dispatcher.start()
        atexit.register(self.close)

    @classmethod
    def start(cls, settings: Settings | None = None, *, trainers: Mapping[str, str] = TRAINERS) -> Runtime:
        """Open the store and start the dispatcher: once a process.

        Args:
            settings: None to read the environment (`LAB_*`).
            trainers: run kind -> module with its `advance`.

        Raises:
            StoreUnavailable: the database cannot be opened.
        """
        if settings is not None:
            return cls(settings, trainers=trainers)
        found, notices = read_settings()
        return cls(found, notices, trainers)

    def close(self) -> None:
        """End workers and dispatcher; runs under way are resumed when the app is back."""
        if self._closed.is_set():
            return
        self._closed.set()
        atexit.unregister(self.close)
        self._dispatcher.close()
        self.store.close()

    def _with_directory(self, settings: Settings) -> Settings:
        """A place we can write to: the one the settings name, or a temporary one, with a sentence."""
        directory = settings.directory.expanduser().resolve()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                pass
        except OSError as error:
            directory = Path(tempfile.mkdtemp(prefix="backprop-lab-"))
            self.notices.append(
                f"The run directory may not be written ({error.strerror}): runs are kept until the machine restarts."
            )
        return settings.model_copy(update={"directory": directory})

    def _open_store(self) -> Store:
        url = self.limits.database_url or f"sqlite:///{self.limits.directory / 'lab.db'}"
        try:
            return Store(url)
        except Damaged:
            path = sqlite_file(url)
            if path is None:
                raise
            self.notices.append(set_aside(path)[1])
            return Store(url)

    def _remove_old_working_files(self) -> None:
        """What earlier processes, now gone, left in the working directory."""
        working = self.limits.directory / "working"
        alive = self.store.servers()
        for path in working.iterdir() if working.is_dir() else ():
            if path.name not in alive:
                shutil.rmtree(path, ignore_errors=True)

    # Beginning runs

    def submit(self, owner: str, config: Config, *, name: str = "", prediction: Any = None, group: str = "") -> str:
        """Queue a run; it trains as soon as it is its turn.

        Args:
            owner: the visitor's token.
            config: what to train.
            name: what to call it; a named run is never deleted to make room.
            prediction: what the visitor expects of it: anything JSON can hold.
            group: a name that runs which belong together share.

        Returns:
            The new run's id.

        Raises:
            LimitReached: a limit of this app stands in the way.
            ValueError: name, group or prediction is too long.
            StoreUnavailable: it cannot be kept at the moment.
        """
        return self._begin(owner_key(owner), config, name=name, prediction=prediction, group=group)

    def fork(
        self, owner: str, run_id: str, changes: Mapping[str, Any], *, name: str = "", prediction: Any = None
    ) -> str:
        """A new run with some settings changed, from the same start.

        The start is the same because it depends only on the seed, the layers and how the weights are drawn; where a
        change touches one of these, so does the start.

        Args:
            changes: config field -> new value.

        Raises:
            pydantic.ValidationError: the changed config is not valid.
            UnknownRun, LimitReached, StoreUnavailable: as in `submit`.
        """
        source = self._record(owner, run_id)
        config = read_config({**source.config.model_dump(mode="json"), **changes})
        return self._begin(source.owner, config, name=name, prediction=prediction, group=source.group, parent=source.id)

    def _begin(self, key: str, config: Config, *, name: str, prediction: Any, group: str, parent: str = "") -> str:
        record = RunRecord(
            id=new_run_id(),
            owner=key,
            config=config,
            name=one_line("name", name),
            group=one_line("group", group),
            prediction=prediction_of(prediction),
            parent=parent,
        )
        self._admission.check(config, self._active_count())
        self._admission.make_room(key)
        self.store.insert(record)
        try:
            with self._dispatcher.lock:
                self._admission.check_active(self._active_count())
                self._dispatcher.live[record.id] = LiveRun(record)
        except LimitReached:
            # Others came in between: a run that was refused leaves no trace.
            self.store.delete([record.id])
            raise
        self._dispatcher.wake()
        return record.id

    # Steering

    def pause(self, owner: str, run_id: str) -> None:
        """Hold a run; what its slice under way brings is kept."""
        self._steer(owner, run_id, lambda run: None if run.record.status in OVER else run.hold("paused"))

    def resume(self, owner: str, run_id: str) -> None:
        """Let a run that was paused, stopped, interrupted or has failed go on from where it is.

        Raises:
            LimitReached: too many runs are under way.
        """

        self._steer(owner, run_id, lambda run: self._go(run, 0))

    def stop(self, owner: str, run_id: str) -> None:
        """End a run where it is; its figures and weights stay."""
        self._steer(owner, run_id, lambda run: None if run.done else run.hold("stopped"))

    def step_epoch(self, owner: str, run_id: str) -> None:
        """Train to the end of the epoch under way (or of the next, between two), then pause.

        Raises:
            LimitReached: too many runs are under way.
        """
        self._steer(owner, run_id, lambda run: self._go(run, run.record.epoch + 1))

    def _go(self, run: LiveRun, stop_at: int) -> None:
        if not run.active and not run.done:
            self._admission.check_active(self._active_count())
        run.stop_at = stop_at
        run.go()

    def rewind(self, owner: str, run_id: str) -> None:
        """Take a run back to its first weights and pause it there; its figures go."""
        self._steer(owner, run_id, LiveRun.start_over)

    def rename(self, owner: str, run_id: str, name: str) -> None:
        """Give a run a name of up to 80 characters; an empty one takes its name away."""
        record = self._record(owner, run_id)
        name = one_line("name", name)
        self.store.rename(record.id, name)
        with self._dispatcher.lock:
            run = self._dispatcher.live.get(record.id)
            if run is not None:
                run.record.name = name

    def delete(self, owner: str, run_id: str) -> None:
        """Delete a run with its figures and weights."""
        record = self._record(owner, run_id)
        self._delete([record.id])

    def _delete(self, run_ids: list[str]) -> None:
        for run_id in run_ids:
            self._dispatcher.forget(run_id)
        self.store.delete(run_ids)

    def _active_count(self) -> int:
        return len(self._dispatcher.active())

    def touch(self, owner: str, run_id: str) -> None:
        """Somebody is looking: keep the run going, or let it go on if it paused because nobody was."""
        run = self._live(owner_key(owner), run_id)
        if run is None:
            record = self._record(owner, run_id)
            waits = record.status == "interrupted" or (record.status == "paused" and record.reason == IDLE)
            if not waits or self.store.elsewhere(record.id):
                return
            run = self._adopt(record)
        with self._dispatcher.lock:
            if run.active or self._active_count() < self.limits.max_active_runs:
                run.look()
        if run.active:
            self._dispatcher.wake()

    def _steer(self, owner: str, run_id: str, change: Callable[[LiveRun], None]) -> None:
        key = owner_key(owner)
        run = self._live(key, run_id) or self._adopt(self._owned(key, run_id))
        with self._dispatcher.lock:
            run.looked_at = time.monotonic()
            change(run)
        self._dispatcher.wake()

    def _adopt(self, record: RunRecord) -> LiveRun:
        """Bring a run from the store into memory, as this server's."""
        if not self.store.claim(record.id):
            raise UnknownRun
        run = LiveRun(record, self.store.epochs(record.id), known=True)
        if run.active:
            # It was another server's; it is this one's now.
            run.set("interrupted")
        done = record.epoch * record.batches + record.batch
        run.pace = record.seconds / done if done else 0.0
        with self._dispatcher.lock:
            return self._dispatcher.live.setdefault(record.id, run)

    # Tasks

    def submit_task(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have a worker call a function of mlcore soon, ahead of the slices: a PyTorch proof, a probe.

        Args:
            function: importable from mlcore.
            args: plain values or arrays.

        Raises:
            LimitReached: too many wait already.
        """
        module = getattr(function, "__module__", "") or ""
        if not module.startswith(TASK_MODULES):
            raise ValueError(f"only functions of mlcore are run in a worker, not {function!r:.60}")
        if self._dispatcher.tasks.open >= MOST_TASKS:
            raise LimitReached(f"{MOST_TASKS} questions wait for an answer already: try again in a moment.")
        return self._dispatcher.tasks.ask(function, *args)

    def warm(self, *modules: str) -> Future[Any]:
        """Have the worker for tasks import these modules of mlcore, so that the first task need not wait for it."""
        return self.submit_task(warm, *modules)

    def worker_pids(self) -> list[int]:
        """The processes that train."""
        return self._dispatcher.worker_pids()

    def task_pids(self) -> list[int]:
        """The process that answers tasks."""
        return self._dispatcher.tasks.slot.pids()
