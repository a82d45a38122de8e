"""One thread that hands out slices: whose turn it is, what came back, what is to be kept, who is still looking.

Pages change a `LiveRun` under the lock and wake the thread; only the thread talks to workers, and only it writes how
far runs got. It never waits for a worker, and while it waits for the database, workers go on.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from mlcore.runtime.crew import Crew, Died, Landed
from mlcore.runtime.executors import Slot, task_slot, training_slots
from mlcore.runtime.keeper import RETRY, Keeper, sentence_of
from mlcore.runtime.live import LiveRun, discard
from mlcore.runtime.memory import trim
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.settings import Settings
from mlcore.runtime.slices import TRAINERS, SliceJob
from mlcore.runtime.store import Store
from mlcore.runtime.tasks import Tasks
from mlcore.runtime.turns import Turns
from mlcore.runtime.views import IDLE, STORAGE

log = logging.getLogger(__name__)

# A run whose slices end the worker so many times in a row has failed.
CRASHES = 3
# A worker that somebody else killed says less about the run.
KILLS = 8
# Seconds between two signs of life to other servers on the same database.
BEAT = 5.0
# Every so many of them, memory that visitors left behind is given back: once a minute.
TRIM_EVERY = 12
# Seconds that a run which does not move stays in memory after the last look.
LINGER = 120.0

GIVEN_UP = (
    "The worker process ended {times} times in a row while training this run, so it was given up; it may need more "
    "memory than there is. A smaller network or batch may fit."
)


class Dispatcher:
    """Moves all live runs onward, in turn.

    Attributes:
        lock: held while live runs are read or changed.
        live: run id -> run in memory.
        tasks: short questions, answered ahead of the slices.
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
        self._store, self._settings, self._trainers = store, settings, trainers
        self._wake = threading.Event()
        slots = training_slots(settings, tuple(name for name in (trainers["scratch"],) if name.startswith("mlcore.")))
        self._crew = Crew(slots, self.wake)
        self.tasks = Tasks(task_slot(settings, slots), self.wake)
        self._keeper = Keeper(store, self.live, self.lock, notice)
        self._turns = Turns()
        self._closing = False
        self._serial = self._beats = 0
        self._next_beat = time.monotonic() + BEAT
        self._working = settings.directory / "working" / store.server
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    @property
    def workers(self) -> int:
        """How many runs train at the same time."""
        return len(self._crew.places)

    def start(self) -> None:
        """Begin to hand out slices."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the workers; slices under way are lost, their runs are not."""
        self._closing = True
        self.tasks.close()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._crew.close()
        self.tasks.slot.restart()
        shutil.rmtree(self._working, ignore_errors=True)

    def wake(self) -> None:
        """Something changed: look at once."""
        self._wake.set()

    def worker_pids(self) -> list[int]:
        """The processes that train."""
        return self._crew.pids()

    def active(self) -> list[tuple[str, str]]:
        """(owner, run id) of every run that trains or waits its turn, oldest first."""
        with self.lock:
            return [(run.record.owner, run.record.id) for run in self.live.values() if run.active]

    def forget(self, run_id: str) -> None:
        """A run was deleted: what a slice of it still brings is thrown away."""
        with self.lock:
            run = self.live.pop(run_id, None)
            if run is not None:
                run.generation += 1
                discard([run.latest, *run.unsaved.weights.values()])

    # The thread

    def _loop(self) -> None:
        self._crew.start()
        while not self._closing:
            self._wake.wait(timeout=1.0)
            self._wake.clear()
            try:
                self._step()
            except Exception as error:
                if self._closing or "interpreter shutdown" in str(error):
                    # Python ends, and the pools before anybody calls `close`.
                    return
                # Whatever it was, thirty other runs are waiting.
                log.exception("the dispatcher met an error and goes on")
                time.sleep(0.2)

    def _step(self) -> None:
        self.tasks.send()
        for item in self._crew.news(self._settings.slice_timeout):
            if isinstance(item, Landed):
                self._land(item)
            else:
                self._strike(item)
        # First the next slices, then the keeping: workers should not wait for the database.
        self._fill()
        with self.lock:
            unsaved = [run for run in self.live.values() if run.unsaved]
        self._keeper.save(unsaved)
        self._pause_unseen()
        self._forget_resting()
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT
            self._sign_of_life()
        self._fill()

    def _sign_of_life(self) -> None:
        self._beats += 1
        if self._beats % TRIM_EVERY == 0:
            trim()
        with suppress(StoreUnavailable):
            if self._store.lost():
                self._keeper.repair()
            self._store.beat()
            self._store.interrupt_orphans()

    # Handing out

    def _fill(self) -> None:
        while not self._closing:
            load = self._crew.room()
            if load is None:
                return
            with self.lock:
                now = time.monotonic()
                run_id = self._turns.choose(
                    (run.record.owner, run.record.id) for run in self.live.values() if run.ready(now)
                )
                if run_id is None:
                    return
                run = self.live[run_id]
                run.in_flight = True
                generation = run.generation
            self._launch(run, generation, load)

    def _launch(self, run: LiveRun, generation: int, load: int) -> None:
        place = self._crew.place_for(run.record.config.kind, load)
        try:
            job = self._job(run, place.slot)
        except (StoreUnavailable, OSError) as error:
            with self.lock:
                run.in_flight = False
                run.trouble(sentence_of(error), RETRY)
            return
        self._crew.launch(place, run, generation, job)

    def _job(self, run: LiveRun, slot: Slot) -> SliceJob:
        settings, record = self._settings, run.record
        self._serial += 1
        prefix = self._working / f"{record.id}.{self._serial}"
        if slot.local:
            self._working.mkdir(parents=True, exist_ok=True)
        latest = run.latest
        if latest is None and run.known:
            latest = self._keeper.fetch(run, prefix.with_suffix(f".{self._serial}.from") if slot.local else None)
            with self.lock:
                run.latest = latest
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

    def _slice_seconds(self) -> float:
        """Half a second, or less while so many wait that a round would take too long."""
        settings = self._settings
        runs = max(1, len(self.active()))
        return max(settings.slice_seconds / 4, min(settings.slice_seconds, settings.turn_seconds * self.workers / runs))

    # What came back

    def _land(self, landed: Landed) -> None:
        run, result = landed.flight.run, landed.result
        with self.lock:
            run.in_flight = False
            if landed.flight.generation != run.generation or run.overshot(result):
                # Rewound or deleted while it was trained, or to be cut again so that it ends with the epoch.
                discard(list(result.checkpoints.values()))
            elif result.lost:
                run.latest, run.known = None, True
            elif not result.error:
                run.take(result)
            elif result.retry:
                run.trouble(result.error, RETRY)
            else:
                run.set("failed", error=result.error)
        if result.detail:
            log.warning("run %s: %s\n%s", run.record.id, result.error, result.detail)

    def _strike(self, died: Died) -> None:
        """A worker is gone: the run it was training counts a strike, and all its slices are cut again."""
        log.info("a worker ended (%s); slices cut again: %d", " ".join(died.cause.split())[:300], len(died.flights))
        with self.lock:
            for flight in died.flights:
                flight.run.in_flight = False
                self._remove_leftovers(flight.run)
            run = died.flights[0].run
            if died.flights[0].generation != run.generation or not died.ready:
                return
            run.strikes += 1
            if run.strikes >= (KILLS if died.killed else CRASHES):
                run.set("failed", error=GIVEN_UP.format(times=run.strikes))

    def _remove_leftovers(self, run: LiveRun) -> None:
        """Half-written files of a dead slice: all of the run's that it does not go on from."""
        kept = {run.latest, *run.unsaved.weights.values()}
        discard([str(path) for path in self._working.glob(f"{run.record.id}.*") if str(path) not in kept])

    # Who is looking

    def _pause_unseen(self) -> None:
        limit = time.monotonic() - self._settings.idle_seconds
        with self.lock:
            for run in self.live.values():
                if run.active and run.looked_at < limit:
                    run.set("paused", IDLE)

    def _forget_resting(self) -> None:
        """Runs that nobody moves or looks at any more live in the store alone."""
        limit = time.monotonic() - LINGER
        with self.lock:
            for run_id, run in list(self.live.items()):
                at_rest = not (run.active or run.in_flight or run.unsaved or run.record.reason == STORAGE)
                if at_rest and run.looked_at < limit:
                    del self.live[run_id]
                    discard([run.latest])
