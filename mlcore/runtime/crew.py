"""The workers at their places: who has which slice, what came back, who died.

`Crew` hands a slice to a place and tells, later, either how far it got or that its worker is gone. It knows runs only
as what a slice belongs to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from mlcore.runtime.executors import Slot
from mlcore.runtime.live import LiveRun
from mlcore.runtime.slices import SliceJob, SliceResult, run_slice

# Slices a worker has at once: the one it trains, and the next.
DEPTH = 2
# A worker that has not come up after so many seconds is tried again, after a pause.
STARTUP = 60.0
PAUSE = 1.0
# How the system says that somebody else ended a worker (memory ran out, or somebody is testing).
KILLED = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")


@dataclass(eq=False, slots=True)
class Flight:
    """A slice that a worker has.

    Attributes:
        generation: the run's when the slice was cut; see `LiveRun`.
        head_since: since when it is the one being trained (monotonic seconds).
    """

    run: LiveRun
    generation: int
    future: Future[Any]
    head_since: float


@dataclass(eq=False, slots=True)
class Place:
    """A slot with the slices it has, the one being trained in front; it gets none before `not_before`."""

    slot: Slot
    flights: list[Flight] = field(default_factory=list)
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Landed:
    """A slice came back."""

    flight: Flight
    result: SliceResult


@dataclass(frozen=True, slots=True)
class Died:
    """A worker is gone, and with it these slices; it was training the first of them.

    Attributes:
        killed: somebody else ended it; else it ended by itself, or did not answer.
        ready: it had come up, so the slice may have to do with it.
    """

    flights: list[Flight]
    cause: str
    killed: bool
    ready: bool


class Crew:
    """All places where slices are trained."""

    def __init__(self, slots: list[Slot], wake: Callable[[], None]) -> None:
        self.places = [Place(slot) for slot in slots]
        self._wake = wake
        self._done: SimpleQueue[tuple[Place, Flight]] = SimpleQueue()

    def room(self) -> int | None:
        """How many slices the place with the least to do has; None if all have enough."""
        least = min((len(place.flights) for place in self._open()), default=DEPTH)
        return least if least < DEPTH else None

    def _open(self) -> list[Place]:
        now = time.monotonic()
        return [place for place in self.places if place.not_before <= now]

    def place_for(self, kind: str, load: int) -> Place:
        """Of the places with so much to do, one that has trained this kind before: PyTorch is loaded there already."""
        free = [place for place in self._open() if len(place.flights) == load]
        return next((place for place in free if kind in place.slot.kinds), free[0])

    def launch(self, place: Place, run: LiveRun, generation: int, job: SliceJob) -> None:
        """Hand a slice to a place."""
        future = place.slot.submit(run_slice, job)
        flight = Flight(run, generation, future, time.monotonic())
        place.slot.kinds.add(run.record.config.kind)
        place.flights.append(flight)
        future.add_done_callback(lambda _: self._came_back(place, flight))

    def _came_back(self, place: Place, flight: Flight) -> None:
        self._done.put((place, flight))
        self._wake()

    def news(self, timeout: float) -> Iterator[Landed | Died]:
        """What happened since the last call; a worker that has not answered for `timeout` seconds counts as gone."""
        while True:
            try:
                place, flight = self._done.get_nowait()
            except Empty:
                break
            if flight not in place.flights:
                continue
            error = flight.future.exception()
            if error is not None:
                yield self._bury(place, str(error))
                continue
            place.flights.remove(flight)
            if place.flights:
                place.flights[0].head_since = time.monotonic()
            yield Landed(flight, flight.future.result())
        for place in self.places:
            if place.flights and self._silent(place, timeout):
                yield self._bury(place, f"no answer for {timeout:g} seconds")

    @staticmethod
    def _silent(place: Place, timeout: float) -> bool:
        """Whether a slice takes too long; the clock of a worker's first one starts when the worker is up."""
        since, up_at = place.flights[0].head_since, place.slot.up_at
        if not up_at:
            return since < time.monotonic() - max(STARTUP, timeout)
        return max(since, up_at) < time.monotonic() - timeout

    def _bury(self, place: Place, cause: str) -> Died:
        ready = place.slot.up_at > 0
        flights, place.flights = place.flights, []
        place.slot.restart()
        if not ready:
            place.not_before = time.monotonic() + PAUSE
        return Died(flights, cause, any(name in cause for name in KILLED), ready)

    def start(self) -> None:
        """Start the workers, so that the first slice need not wait for one."""
        for place in self.places:
            place.slot.start()

    def pids(self) -> list[int]:
        """The processes that train."""
        return [pid for place in self.places for pid in place.slot.pids()]

    def close(self) -> None:
        """End all workers."""
        for place in self.places:
            place.slot.restart()
