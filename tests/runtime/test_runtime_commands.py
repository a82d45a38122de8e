"""Pause, resume, one epoch, stop, rewind and fork: each takes effect within two slices, while others train as well.

A worker has two slices at a time, the one it trains and the next. So whatever a command does not undo at once is done
when two more slices have come back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mlcore.experiments.configs import ScratchConfig
from mlcore.runtime import Runtime, RunView, Settings, new_token
from mlcore.runtime.crew import Landed
from tests.runtime.conftest import FAKE, wait_until
from tests.runtime.test_runtime import LONG, undisturbed

TWO_SLICES = 2


@dataclass
class Lab:
    """A visitor's run, another visitor's run beside it, and the slices that came back since the last command."""

    runtime: Runtime
    me: str = field(default_factory=new_token)
    other: str = field(default_factory=new_token)
    run_id: str = ""
    other_id: str = ""
    landed: list[str] = field(default_factory=list)

    def view(self) -> RunView:
        found = self.runtime.run(self.me, self.run_id)
        assert found is not None
        return found

    def give(self, command: str) -> None:
        """The command; from here on slices are counted."""
        with self.runtime._dispatcher.lock:
            self.landed.clear()
            getattr(self.runtime, command)(self.me, self.run_id)

    def more(self, count: int) -> None:
        """Wait until so many slices more, anybody's, have come back."""
        goal = len(self.landed) + count
        wait_until(lambda: len(self.landed) >= goal)

    def before(self, run_id: str) -> int:
        """How many slices came back before this run's first."""
        wait_until(lambda: run_id in self.landed)
        return self.landed.index(run_id)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    settings = Settings(directory=tmp_path_factory.mktemp("commands"), slice_seconds=0.1, workers=1, task_worker=False)
    found = Runtime.start(settings, trainers=FAKE)
    yield found
    found.close()


@pytest.fixture(params=["alone", "beside another"])
def lab(runtime: Runtime, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A run that trains, alone or beside another visitor's, on one worker."""
    lab = Lab(runtime)
    land = runtime._dispatcher._land

    def count(item: Landed) -> None:
        land(item)
        lab.landed.append(item.flight.run.record.id)

    monkeypatch.setattr(runtime._dispatcher, "_land", count)
    if request.param == "beside another":
        lab.other_id = runtime.submit(lab.other, ScratchConfig(epochs=LONG, hidden=(4,)))
    lab.run_id = runtime.submit(lab.me, ScratchConfig(epochs=LONG, hidden=(4,), seed=9))
    wait_until(lambda: lab.view().epoch > 3)
    yield lab
    for owner in (lab.me, lab.other):
        for view in runtime.runs(owner):
            runtime.delete(owner, view.id)


@pytest.mark.parametrize(("command", "status"), [("pause", "paused"), ("stop", "stopped")])
def test_pause_and_stop_hold_it_where_it_is(lab, command, status):
    lab.give(command)
    assert lab.view().status == status, "said at once"
    if lab.other_id:
        lab.more(6)
    else:
        time.sleep(0.5)
    assert lab.landed.count(lab.run_id) <= TWO_SLICES
    assert lab.view().status == status
    there = lab.view().epoch, lab.view().batch
    time.sleep(0.4)
    assert (lab.view().epoch, lab.view().batch) == there


@pytest.mark.parametrize("held_by", ["pause", "stop"])
def test_resume_has_the_next_turn(lab, held_by):
    lab.give(held_by)
    time.sleep(0.5)
    lab.give("resume")
    assert lab.view().status == "running", "said at once"
    assert lab.before(lab.run_id) <= TWO_SLICES
    assert lab.view().epoch > 0


def test_one_epoch_of_a_paused_run_ends_with_that_epoch(lab):
    lab.give("pause")
    time.sleep(0.5)
    epoch = lab.view().epoch
    lab.give("step_epoch")
    assert lab.view().step
    assert lab.before(lab.run_id) <= TWO_SLICES
    wait_until(lambda: lab.view().status == "paused")
    assert (lab.view().epoch, lab.view().batch) == (epoch + 1, 0)


def test_one_epoch_of_a_run_that_trains_ends_with_the_epoch_under_way(lab):
    """Also where the slice under way was cut before anybody asked, and goes past that end: it is cut again."""
    with lab.runtime._dispatcher.lock:
        epoch = lab.view().epoch
        lab.give("step_epoch")
    wait_until(lambda: lab.view().status == "paused")
    assert lab.landed.count(lab.run_id) <= TWO_SLICES
    assert (lab.view().epoch, lab.view().batch) == (epoch + 1, 0)
    time.sleep(0.4)
    assert (lab.view().epoch, lab.view().batch) == (epoch + 1, 0)
    results = lab.runtime.epochs(lab.me, lab.run_id)
    assert results == undisturbed(ScratchConfig(epochs=epoch + 1, hidden=(4,), seed=9))


def test_rewind_is_there_at_once_and_stays(lab):
    lab.give("rewind")
    view = lab.view()
    assert (view.status, view.epoch, view.batch, view.last) == ("paused", 0, 0, None)
    if lab.other_id:
        lab.more(6)
    else:
        time.sleep(0.5)
    assert lab.landed.count(lab.run_id) <= TWO_SLICES, "those come back and count for nothing"
    assert (lab.view().epoch, lab.view().batch, lab.runtime.epochs(lab.me, lab.run_id)) == (0, 0, [])
    lab.give("resume")
    assert lab.before(lab.run_id) <= TWO_SLICES


def test_a_fork_has_its_first_slice_within_two(lab):
    lab.landed.clear()
    forked = lab.runtime.fork(lab.me, lab.run_id, {"learning_rate": 0.5})
    if lab.other_id:
        # Visitors take turns, and this one may have had its own just now: two whole slices besides the one under way.
        assert lab.before(forked) <= TWO_SLICES + 1
    else:
        assert lab.before(forked) <= TWO_SLICES
    view = lab.runtime.run(lab.me, forked)
    assert view is not None
    assert (view.parent, view.config.learning_rate) == (lab.run_id, 0.5)


def test_commands_in_a_row_end_with_the_last(lab):
    for command in ("pause", "resume", "step_epoch", "rewind", "resume", "stop"):
        lab.give(command)
    assert lab.view().status == "stopped"
    lab.give("resume")
    wait_until(lambda: lab.view().epoch >= 3)
    lab.give("step_epoch")
    wait_until(lambda: lab.view().status == "paused")
    view = lab.view()
    assert view.batch == 0
    whole = undisturbed(ScratchConfig(epochs=view.epoch, hidden=(4,), seed=9))
    assert lab.runtime.epochs(lab.me, lab.run_id) == whole
