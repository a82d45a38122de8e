"""One thread that hands out slices: whose turn it is, what came back, what is to be kept, who is still looking.

Pages change a `LiveRun` under the lock and wake the thread; only the thread talks to workers, and only it writes how
far runs got. It never waits for a worker, and while it waits for the database, workers go on.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from mlcore.runtime.engines import Damaged
from mlcore.runtime.executors import Slot, task_slot, training_slots
from mlcore.runtime.live import LiveRun, Unsaved, content, discard
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.settings import Settings
from mlcore.runtime.slices import DISK_ERRORS, PAUSED_BY_DISK, TRAINERS, SliceJob, SliceResult, run_slice
from mlcore.runtime.store import Store
from mlcore.runtime.tables import LATEST, START
from mlcore.runtime.turns import Turns
from mlcore.runtime.views import IDLE, STORAGE

log = logging.getLogger(__name__)

# Slices a worker has at once: the one it trains, and the next.
DEPTH = 2
# A run whose slices crash the worker so many times in a row has failed.
CRASHES = 3
# A worker that was killed from outside says less about the run: memory ran out, or somebody is testing.
KILLS = 8
KILLED = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
# Seconds between two tries to keep what the disk or the database would not take.
RETRY = 2.0
BEAT = 5.0
# Seconds that a run which is over stays in memory after the last look.
LINGER = 120.0


@dataclass(eq=False, slots=True)
class Flight:
    """A slice that a worker has."""

    run: LiveRun
    generation: int
    future: Future[Any] | None = None
    head_since: float = 0.0


@dataclass(eq=False, slots=True)
class Place:
    """A slot with the slices it has, the one being trained in front."""

    slot: Slot
    flights: list[Flight] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Task:
    """A short question for a worker, and where its answer goes."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    answer: Future[Any]
    tries: int = 2


class Dispatcher:
    """Moves all live runs onward, in turn.

    Attributes:
        lock: held while live runs are read or changed.
        live: run id -> run in memory.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        trainers: Mapping[str, str] = TRAINERS,
        notice: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.lock = threading.RLock()
        self.live: dict[str, LiveRun] = {}
        self._store, self._settings, self._trainers, self._notice = store, settings, trainers, notice
        self._turns = Turns()
        self._places = [Place(slot) for slot in training_slots(settings)]
        self._task_slot = task_slot(settings, [place.slot for place in self._places])
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self.tasks_open = 0
        self._done: SimpleQueue[tuple[Place, Flight]] = SimpleQueue()
        self._wake = threading.Event()
        self._closing = False
        self._serial = 0
        self._next_beat = time.monotonic() + BEAT
        self._spool = settings.directory / "working" / store.server
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    @property
    def workers(self) -> int:
        """How many runs train at the same time."""
        return len(self._places)

    def start(self) -> None:
        """Begin to hand out slices."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the workers; slices under way are lost, their runs are not."""
        self._closing = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        for slot in {place.slot for place in self._places} | {self._task_slot}:
            slot.restart()
        shutil.rmtree(self._spool, ignore_errors=True)

    def wake(self) -> None:
        """Something changed: look at once."""
        self._wake.set()

    def worker_pids(self) -> list[int]:
        """The processes that train, for tests and measurements."""
        return [pid for place in self._places for pid in place.slot.pids()]

    def task_pids(self) -> list[int]:
        """The process that answers tasks."""
        return self._task_slot.pids()

    def ask(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have a worker call this soon, ahead of the slices that wait."""
        answer: Future[Any] = Future()
        with self.lock:
            self.tasks_open += 1
        answer.add_done_callback(lambda _: self._task_over())
        self._tasks.put(Task(function, args, answer))
        self.wake()
        return answer

    def _task_over(self) -> None:
        with self.lock:
            self.tasks_open -= 1

    def active(self) -> list[tuple[str, str]]:
        """(owner, run id) of every run that trains or waits its turn, oldest first."""
        with self.lock:
            return [(run.record.owner, run.record.id) for run in self.live.values() if run.active]

    # The thread

    def _loop(self) -> None:
        while not self._closing:
            self._wake.wait(timeout=self._patience())
            self._wake.clear()
            try:
                self._step()
            except Exception:
                # Whatever it was, thirty other runs are waiting.
                log.exception("the dispatcher met an error and goes on")
                time.sleep(0.2)

    def _patience(self) -> float:
        return 1.0 if self.live else BEAT

    def _step(self) -> None:
        self._send_tasks()
        finished = self._collect()
        # First the next slices, then the keeping: workers should not wait for the database.
        self._fill()
        self._save(finished)
        self._save([run for run in list(self.live.values()) if run.unsaved and run not in finished])
        self._replace_silent()
        self._pause_unseen()
        self._forget_finished()
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT
            self._housekeeping()
        self._fill()

    def _housekeeping(self) -> None:
        with suppress(StoreUnavailable):
            if self._store.missing():
                self._repair()
            self._store.beat()
            self._store.interrupt_orphans()

    # Handing out

    def _fill(self) -> None:
        while not self._closing:
            place = min(self._places, key=lambda item: len(item.flights))
            if len(place.flights) >= DEPTH:
                return
            with self.lock:
                run_id = self._turns.choose(
                    (run.record.owner, run.record.id)
                    for run in self.live.values()
                    if run.active and not run.in_flight and not run.done
                )
                if run_id is None:
                    return
                run = self.live[run_id]
                place = self._place_for(run, len(place.flights))
                run.in_flight = True
            self._launch(run, place)

    def _place_for(self, run: LiveRun, load: int) -> Place:
        """Of the places with the least to do, one that has trained this kind before: PyTorch is loaded once then."""
        kind = run.record.config.kind
        free = [place for place in self._places if len(place.flights) == load]
        return next((place for place in free if kind in place.slot.kinds), free[0])

    def _launch(self, run: LiveRun, place: Place) -> None:
        flight = Flight(run, run.generation)
        try:
            job = self._job(run, place.slot)
            flight.future = place.slot.submit(run_slice, job)
        except (StoreUnavailable, OSError) as error:
            with self.lock:
                run.in_flight = False
                run.trouble(_disk_sentence(error), RETRY)
            return
        place.slot.kinds.add(run.record.config.kind)
        if not place.flights:
            flight.head_since = time.monotonic()
        place.flights.append(flight)
        flight.future.add_done_callback(lambda _: self._landed(place, flight))

    def _landed(self, place: Place, flight: Flight) -> None:
        self._done.put((place, flight))
        self.wake()

    def _job(self, run: LiveRun, slot: Slot) -> SliceJob:
        settings, record = self._settings, run.record
        self._serial += 1
        prefix = self._spool / f"{record.id}.{self._serial}"
        if slot.local:
            self._spool.mkdir(parents=True, exist_ok=True)
        if run.latest is None and run.known:
            run.latest = self._fetch(run, f"{prefix}.from" if slot.local else "")
        latest = run.latest
        return SliceJob(
            trainer=self._trainers[record.config.kind],
            config=record.config.model_dump_json(),
            checkpoint=latest if isinstance(latest, bytes) else None,
            checkpoint_file=latest if isinstance(latest, str) else "",
            save_to=str(prefix) if slot.local else "",
            seconds=self._slice_seconds() / 2 ** min(run.strikes, 3),
            stop_at=run.stop_at,
            history_bytes=settings.history_mb * 1_000_000,
            data_dir=str(settings.data_dir) if settings.data_dir else None,
            data_hash=record.data_hash,
        )

    def _fetch(self, run: LiveRun, path: str) -> bytes | str | None:
        """Where the store says this run goes on: its newest weights, or those it began with."""
        data = None
        if not run.unsaved.rewind:
            data = self._store.checkpoint(run.record.id, LATEST)
        if data is None:
            data = self._store.checkpoint(run.record.id, START)
        if data is None or not path:
            return data
        Path(path).write_bytes(data)
        return path

    def _slice_seconds(self) -> float:
        """Half a second, or less while so many wait that a round would take too long."""
        settings = self._settings
        runs = max(1, len(self.active()))
        return max(settings.slice_seconds / 4, min(settings.slice_seconds, settings.turn_seconds * self.workers / runs))

    # What came back

    def _collect(self) -> list[LiveRun]:
        finished = []
        while True:
            try:
                place, flight = self._done.get_nowait()
            except Empty:
                return finished
            if flight not in place.flights:
                continue
            error = flight.future.exception() if flight.future else None
            if error is not None:
                self._worker_died(place, str(error))
                continue
            place.flights.remove(flight)
            if place.flights:
                place.flights[0].head_since = time.monotonic()
            assert flight.future is not None
            self._land(flight, flight.future.result())
            finished.append(flight.run)

    def _land(self, flight: Flight, result: SliceResult) -> None:
        run = flight.run
        with self.lock:
            run.in_flight = False
            gone = self.live.get(run.record.id) is not run
            if gone or flight.generation != run.generation:
                discard(list(result.checkpoints.values()))
            elif not result.error:
                run.take(result)
            elif result.retry:
                run.trouble(result.error, RETRY)
            else:
                run.set("failed", error=result.error)
        if result.detail:
            log.warning("run %s: %s\n%s", run.record.id, result.error, result.detail)

    def _worker_died(self, place: Place, cause: str) -> None:
        """A worker is gone: its slices are lost, the run it was training counts a strike, all wait their turn again."""
        flights, place.flights = place.flights, []
        place.slot.restart()
        killed = any(name in cause for name in KILLED)
        log.info("a worker ended (%s); %d slices are tried again", cause.splitlines()[-1:] or cause, len(flights))
        with self.lock:
            for flight in flights:
                flight.run.in_flight = False
            run = flights[0].run
            if flights[0].generation != run.generation:
                return
            run.strikes += 1
            if run.strikes >= (KILLS if killed else CRASHES):
                times = f"{run.strikes} times in a row"
                run.set(
                    "failed",
                    error=f"The worker process ended {times} while training this run, so it was given up; "
                    "it may need more memory than there is. A smaller network or batch may fit.",
                )
        self._remove_leftovers(flights)

    def _remove_leftovers(self, flights: list[Flight]) -> None:
        """Half-written files of dead slices: all of the run's that are not the one it goes on from."""
        with self.lock:
            for flight in flights:
                run = flight.run
                kept = {run.latest, *run.unsaved.weights.values()}
                for path in self._spool.glob(f"{run.record.id}.*"):
                    if str(path) not in kept:
                        discard([str(path)])

    def _replace_silent(self) -> None:
        limit = time.monotonic() - self._settings.slice_timeout
        for place in self._places:
            if place.flights and place.flights[0].head_since < limit:
                self._worker_died(place, "no answer")

    # Keeping

    def _save(self, runs: list[LiveRun]) -> None:
        for run in runs:
            if run.retry_at > time.monotonic():
                continue
            with self.lock:
                if self.live.get(run.record.id) is not run:
                    continue
                unsaved, run.unsaved = run.unsaved, Unsaved()
                record = dataclasses.replace(run.record)
                generation = run.generation
            if record.reason == STORAGE and record.status == "paused":
                record = dataclasses.replace(record, status="running", reason="", error="")
            try:
                kept = self._keep(record, unsaved)
            except Damaged:
                self._put_back(run, unsaved, generation)
                self._repair()
                return
            except (StoreUnavailable, OSError) as error:
                self._put_back(run, unsaved, generation)
                with self.lock:
                    run.trouble(_disk_sentence(error), RETRY)
                continue
            self._kept(run, unsaved, kept)

    def _keep(self, record: Any, unsaved: Unsaved) -> bool:
        if unsaved.rewind:
            self._store.rewind(record)
        return self._store.save(record, unsaved.results, content(unsaved.weights))

    def _put_back(self, run: LiveRun, unsaved: Unsaved, generation: int) -> None:
        """What could not be kept is kept later, with what came since."""
        with self.lock:
            if generation != run.generation:
                discard(list(unsaved.weights.values()))
                return
            newer = run.unsaved
            run.unsaved = Unsaved(
                [*unsaved.results, *newer.results], {**unsaved.weights, **newer.weights}, True, unsaved.rewind
            )

    def _kept(self, run: LiveRun, unsaved: Unsaved, kept: bool) -> None:
        with self.lock:
            discard([item for item in unsaved.weights.values() if item != run.latest])
            if not kept:
                # Deleted, or another server trains it now.
                self.live.pop(run.record.id, None)
                run.generation += 1
                discard([run.latest])
            elif run.record.reason == STORAGE:
                run.set("running")
                run.go()

    def _repair(self) -> None:
        """Begin a new database in place of a damaged or missing one, and keep in it all that is in memory."""
        sentence = self._store.repair()
        self._notice(sentence)
        log.warning(sentence)
        with self.lock:
            runs = list(self.live.values())
        for run in runs:
            if self._store.get(run.record.id) is None:
                self._store.insert(run.record, run.results)
            else:
                self._store.claim(run.record.id)
            with self.lock:
                run.unsaved.record = True
                run.unsaved.results = [item.to_dict() for item in run.results]
                if run.latest is not None:
                    run.unsaved.weights[LATEST] = run.latest

    # Who is looking

    def _pause_unseen(self) -> None:
        limit = time.monotonic() - self._settings.idle_seconds
        with self.lock:
            for run in self.live.values():
                if run.active and run.looked_at < limit:
                    run.set("paused", IDLE)

    def _forget_finished(self) -> None:
        limit = time.monotonic() - LINGER
        with self.lock:
            for run_id, run in list(self.live.items()):
                if not (run.active or run.in_flight or run.unsaved or run.record.reason == STORAGE) and (
                    run.looked_at < limit
                ):
                    del self.live[run_id]
                    discard([run.latest])

    # Tasks

    def _send_tasks(self) -> None:
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                return
            task.tries -= 1
            try:
                future = self._task_slot.submit(task.function, *task.args)
            except Exception as error:
                task.answer.set_exception(error)
                continue
            future.add_done_callback(lambda done, task=task: self._answer(task, done))  # type: ignore[misc]

    def _answer(self, task: Task, done: Future[Any]) -> None:
        error = done.exception()
        if error is None:
            task.answer.set_result(done.result())
        elif task.tries > 0 and "worker" in f"{type(error).__name__} {error}".lower() and not self._closing:
            self._tasks.put(task)
            self.wake()
        else:
            task.answer.set_exception(error)


def _disk_sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        cause = DISK_ERRORS.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        return PAUSED_BY_DISK.format(cause=cause)
    return str(error)
