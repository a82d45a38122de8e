"""The runtime with real worker processes on a trainer whose arithmetic is trivial: steering, turns, owners, limits."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from mlcore.records import epoch_from_dict
from mlcore.runtime import LimitReached, Runtime, UnknownRun, new_token
from mlcore.runtime.slices import SliceJob, run_slice, warm
from tests.runtime.conftest import wait_until

LONG = 1000


def config(**values) -> ScratchConfig:
    return ScratchConfig(**{"epochs": 6, "hidden": (4,), **values})


def undisturbed(settings) -> list:
    """What the run comes to when nobody interrupts it."""
    job = SliceJob(trainer="tests.runtime.fake_trainer", config=settings.model_dump_json(), seconds=1e9)
    return [epoch_from_dict(item) for item in run_slice(job).epochs]


def status(runtime: Runtime, owner: str, run_id: str) -> str:
    view = runtime.run(owner, run_id)
    assert view is not None
    return view.status


def finished(runtime: Runtime, owner: str, run_id: str) -> Callable[[], bool]:
    """Whether a run has ended, and its end is kept."""
    return lambda: status(runtime, owner, run_id) == runtime.store.get(run_id).status == "finished"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One runtime for the tests that do not break it."""
    from mlcore.runtime import Settings
    from tests.runtime.conftest import FAKE

    directory = tmp_path_factory.mktemp("shared")
    settings = Settings(directory=directory, slice_seconds=0.1, workers=1, task_worker=False)
    runtime = Runtime.start(settings, trainers=FAKE)
    yield runtime
    runtime.close()


@pytest.fixture
def me() -> str:
    return new_token()


def test_a_run_trains_to_its_end_and_is_kept(shared, me):
    run_id = shared.submit(me, config(seed=3), name="  first\n run ", prediction={"accuracy": 0.9})
    assert status(shared, me, run_id) in ("waiting", "running")
    wait_until(finished(shared, me, run_id))
    view = shared.run(me, run_id)
    assert (view.epoch, view.batch, view.batches, view.progress) == (6, 0, 10, 1.0)
    assert (view.name, view.prediction) == ("first run", {"accuracy": 0.9})
    assert (view.best_epoch, view.best_accuracy) == (6, pytest.approx(1 - 1 / 7))
    assert view.seconds > 0
    assert view.time_left is None
    assert view.last == shared.epochs(me, run_id)[-1]
    assert shared.epochs(me, run_id) == undisturbed(config(seed=3))
    assert [item.epoch for item in shared.epochs(me, run_id, since=4)] == [5, 6]
    assert shared.checkpoint_epochs(me, run_id) == [0, 1, 2, 3, 4, 5, 6]
    assert shared.checkpoint(me, run_id).epoch == shared.checkpoint(me, run_id, 6).epoch == 6
    assert shared.checkpoint(me, run_id, 0).epoch == 0
    assert shared.checkpoint(me, run_id, 77) is None
    assert [item.id for item in shared.runs(me)] == [run_id]


def test_pausing_resuming_and_single_epochs_change_nothing_but_the_time(shared, me):
    run_id = shared.submit(me, config(seed=4, epochs=30))
    shared.step_epoch(me, run_id)
    assert shared.run(me, run_id).step
    wait_until(lambda: status(shared, me, run_id) == "paused")
    assert (shared.run(me, run_id).epoch, shared.run(me, run_id).batch) == (1, 0)
    shared.step_epoch(me, run_id)
    wait_until(lambda: shared.run(me, run_id).epoch == 2)
    assert status(shared, me, run_id) == "paused"
    shared.resume(me, run_id)
    wait_until(lambda: shared.run(me, run_id).epoch > 2)
    shared.pause(me, run_id)
    assert status(shared, me, run_id) == "paused"
    time.sleep(0.3)  # the slice under way lands
    before = shared.run(me, run_id)
    time.sleep(0.3)
    assert shared.run(me, run_id).epoch == before.epoch
    shared.stop(me, run_id)
    assert status(shared, me, run_id) == "stopped"
    shared.resume(me, run_id)
    wait_until(finished(shared, me, run_id))
    assert shared.epochs(me, run_id) == undisturbed(config(seed=4, epochs=30))


def test_a_command_takes_effect_within_two_slices(shared, me):
    run_id = shared.submit(me, config(epochs=LONG))
    wait_until(lambda: shared.run(me, run_id).epoch > 1)
    begin = shared.run(me, run_id)
    shared.pause(me, run_id)
    time.sleep(0.5)
    after = shared.run(me, run_id)
    per_slice = 0.1 / 0.004  # batches, if the machine were idle
    assert (after.epoch - begin.epoch) * 10 + after.batch - begin.batch <= 2 * per_slice + 10
    shared.delete(me, run_id)


def test_rewinding_goes_back_to_the_same_weights(shared, me):
    run_id = shared.submit(me, config(seed=5))
    wait_until(finished(shared, me, run_id))
    start = shared.checkpoint(me, run_id, 0)
    shared.rewind(me, run_id)
    view = shared.run(me, run_id)
    assert (view.status, view.epoch, view.seconds, view.best_accuracy, view.last) == ("paused", 0, 0.0, 0.0, None)
    assert shared.epochs(me, run_id) == []
    assert (shared.checkpoint(me, run_id).arrays["w"] == start.arrays["w"]).all()
    wait_until(lambda: shared.checkpoint_epochs(me, run_id) == [0])
    shared.resume(me, run_id)
    wait_until(finished(shared, me, run_id))
    assert shared.epochs(me, run_id) == undisturbed(config(seed=5))


def test_rewinding_while_it_trains(shared, me):
    run_id = shared.submit(me, config(seed=6, epochs=40))
    wait_until(lambda: shared.run(me, run_id).epoch > 2)
    shared.rewind(me, run_id)
    time.sleep(0.4)
    assert (shared.run(me, run_id).epoch, shared.epochs(me, run_id)) == (0, [])
    shared.resume(me, run_id)
    wait_until(finished(shared, me, run_id))
    assert shared.epochs(me, run_id) == undisturbed(config(seed=6, epochs=40))


def test_a_fork_changes_one_thing(shared, me):
    run_id = shared.submit(me, config(seed=7), group="pair")
    wait_until(finished(shared, me, run_id))
    forked = shared.fork(me, run_id, {"learning_rate": "0.5"})
    wait_until(finished(shared, me, forked))
    view = shared.run(me, forked)
    assert (view.config.learning_rate, view.config.seed, view.parent, view.group) == (0.5, 7, run_id, "pair")
    first, second = (shared.checkpoint(me, item, 0).arrays["w"] for item in (run_id, forked))
    assert (first == second).all()
    assert shared.epochs(me, run_id) != shared.epochs(me, forked)
    with pytest.raises(ValidationError):
        shared.fork(me, run_id, {"learning_rate": -1})


def test_nobody_touches_anothers_run(shared, me):
    run_id = shared.submit(me, config(epochs=LONG))
    for stranger in (new_token(), "", "x" * 22, "' OR 1=1 --", None, me[:-1], me + "\n"):
        assert shared.run(stranger, run_id) is None
        assert shared.runs(stranger) == []
        assert shared.epochs(stranger, run_id) == []
        assert shared.checkpoint(stranger, run_id) is None
        assert shared.checkpoint_epochs(stranger, run_id) == []
        for action in ("pause", "resume", "stop", "step_epoch", "rewind", "delete", "touch"):
            with pytest.raises(UnknownRun):
                getattr(shared, action)(stranger, run_id)
        with pytest.raises(UnknownRun):
            shared.rename(stranger, run_id, "mine")
        with pytest.raises(UnknownRun):
            shared.fork(stranger, run_id, {})
    for wrong in ("", "0" * 16, "../../lab.db", "%", None, 7, run_id.upper(), run_id + " "):
        if wrong != run_id:
            assert shared.run(me, wrong) is None
            with pytest.raises(UnknownRun):
                shared.pause(me, wrong)
    assert status(shared, me, run_id) in ("waiting", "running")
    shared.delete(me, run_id)
    assert shared.run(me, run_id) is None
    assert shared.runs(me) == []


def test_names_and_predictions_are_bounded(shared, me):
    with pytest.raises(ValueError, match="at most 80"):
        shared.submit(me, config(), name="x" * 81)
    with pytest.raises(ValueError, match="at most 4000"):
        shared.submit(me, config(), prediction="x" * 5000)
    for value in (float("nan"), object(), {1: {2}}):
        with pytest.raises(ValueError, match="finite numbers"):
            shared.submit(me, config(), prediction=value)
    assert shared.runs(me) == []


def test_tasks_are_answered_while_runs_train(shared, me):
    runs = [shared.submit(me, config(epochs=LONG)) for _ in range(3)]
    shared.submit_task(warm, "mlcore.records").result(20)
    begin = time.monotonic()
    assert shared.submit_task(warm, "mlcore.records").result(20) < 1
    assert time.monotonic() - begin < 5
    with pytest.raises(ValueError, match="only modules of mlcore"):
        shared.warm("os").result(20)
    with pytest.raises(ValueError, match="only functions of mlcore"):
        shared.submit_task(time.sleep, 1)
    for run_id in runs:
        shared.delete(me, run_id)


def test_a_tenth_run_does_not_delay_anothers_first(make_runtime):
    runtime = make_runtime(slice_seconds=0.2)
    many, one = new_token(), new_token()
    for number in range(10):
        runtime.submit(many, config(epochs=LONG, seed=number))
    wait_until(lambda: sum(view.epoch for view in runtime.runs(many)) > 5)
    first = runtime.submit(one, config(epochs=LONG))
    wait_until(lambda: runtime.run(one, first).epoch > 0, 5)
    before = (runtime.run(one, first).seconds, sum(view.seconds for view in runtime.runs(many)))
    time.sleep(3)
    after = (runtime.run(one, first).seconds, sum(view.seconds for view in runtime.runs(many)))
    mine, theirs = after[0] - before[0], after[1] - before[1]
    assert 0.6 < mine / theirs < 1.6, "half of the machine each"
    view = runtime.run(one, first)
    assert view.sharing == 11
    assert view.time_left == pytest.approx(2 * view.seconds_left)
    assert runtime.sharing() == (11, 2, 1)


def test_a_run_that_nobody_looks_at_pauses_and_goes_on_when_somebody_does(make_runtime):
    runtime = make_runtime(idle_seconds=1)
    me = new_token()
    seen, unseen = (runtime.submit(me, config(epochs=LONG)) for _ in range(2))

    def look() -> bool:
        runtime.touch(me, seen)
        return status(runtime, me, unseen) == "paused"

    wait_until(look)
    view = runtime.run(me, unseen)
    assert (view.reason, view.live) == ("idle", True)
    assert runtime.run(me, seen).status in ("waiting", "running")
    epoch = view.epoch

    def look_again() -> bool:
        runtime.touch(me, unseen)
        return runtime.run(me, unseen).epoch > epoch + 3

    wait_until(look_again)
    # What its owner paused stays paused, looked at or not.
    runtime.pause(me, unseen)
    runtime.touch(me, unseen)
    assert status(runtime, me, unseen) == "paused"


def test_limits_are_named(make_runtime):
    runtime = make_runtime(
        max_epochs=10, max_parameters=10_000, max_active_runs=2, max_runs_per_visitor=3, max_runs=4, sources=("sample",)
    )
    me = new_token()
    for wrong, words in (
        ({"epochs": 11}, "at most 10 epochs (LAB_MAX_EPOCHS), not 11"),
        ({"hidden": (128,)}, "at most 10,000 weights and biases (LAB_MAX_PARAMETERS); this one has 101,770"),
        ({"source": "mnist"}, "sample only (LAB_SOURCES), not on mnist"),
    ):
        with pytest.raises(LimitReached) as caught:
            runtime.submit(me, config(**wrong))
        assert words in str(caught.value)
    running = [runtime.submit(me, config(epochs=10, seed=seed)) for seed in (1, 2)]
    with pytest.raises(LimitReached, match=r"busy: 2 runs .*LAB_MAX_ACTIVE_RUNS"):
        runtime.submit(new_token(), config())
    for run_id in running:
        wait_until(finished(runtime, me, run_id))
    runtime.rename(me, running[0], "keep")
    third = runtime.submit(me, config(epochs=1))
    wait_until(finished(runtime, me, third))
    fourth = runtime.submit(me, config(epochs=1))
    assert {view.id for view in runtime.runs(me)} == {running[0], third, fourth}, "the oldest unnamed one made room"
    wait_until(finished(runtime, me, fourth))
    for view in runtime.runs(me):
        runtime.rename(me, view.id, f"name {view.id}")
    with pytest.raises(LimitReached, match=r"3 runs a visitor \(LAB_MAX_RUNS_PER_VISITOR\)"):
        runtime.submit(me, config())
    other = new_token()
    last = runtime.submit(other, config(epochs=1), name="named")
    wait_until(finished(runtime, other, last))
    with pytest.raises(LimitReached, match=r"4 runs in all \(LAB_MAX_RUNS\)"):
        runtime.submit(other, config())
    assert len(runtime.runs(me)) == 3


def test_room_on_disk_is_bounded(make_runtime):
    runtime = make_runtime(max_disk_mb=10)
    me = new_token()

    def finished_run(**values) -> str:
        run_id = runtime.submit(me, config(epochs=1), **values)
        wait_until(finished(runtime, me, run_id))
        wait_until(lambda: runtime.store.checkpoint(run_id, 1))
        assert runtime.store.save(runtime.store.get(run_id), (), {1: bytes(4_000_000)})
        return run_id

    named, old, newer = finished_run(name="keep"), finished_run(), finished_run()
    last = runtime.submit(me, config(epochs=1), name="the last")
    assert {view.id for view in runtime.runs(me)} == {named, newer, last}, "the oldest without a name, and no other"
    assert runtime.run(me, old) is None
    wait_until(finished(runtime, me, last))
    for run_id in (newer, last):
        runtime.rename(me, run_id, f"name {run_id}")
        assert runtime.store.save(runtime.store.get(run_id), (), {1: bytes(4_000_000)})
    with pytest.raises(LimitReached, match=r"10 MB .*LAB_MAX_DISK_MB"):
        runtime.submit(me, config())
    assert len(runtime.runs(me)) == 3


def test_both_kinds_of_run_are_trained(make_runtime):
    runtime = make_runtime()
    me = new_token()
    network = runtime.submit(me, NetworkConfig(epochs=3))
    wait_until(finished(runtime, me, network))
    assert runtime.run(me, network).config.kind == "network"


@pytest.mark.postgres
def test_runs_are_kept_in_postgresql(make_runtime, fresh_postgres, me):
    runtime = make_runtime(database_url=fresh_postgres)
    run_id = runtime.submit(me, config(seed=11), name="on a server")
    wait_until(finished(runtime, me, run_id))
    wait_until(lambda: len(runtime.store.epochs(run_id)) == 6)
    runtime.close()
    again = make_runtime(database_url=fresh_postgres)
    assert again.epochs(me, run_id) == undisturbed(config(seed=11))
    assert again.checkpoint(me, run_id).epoch == 6
    again.rewind(me, run_id)
    again.resume(me, run_id)
    wait_until(finished(again, me, run_id))
    assert again.epochs(me, run_id) == undisturbed(config(seed=11))


def test_training_on_a_dask_cluster(make_runtime, me):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: requirements-dask.txt")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
    ) as cluster:
        runtime = make_runtime(dask_address=cluster.scheduler_address, workers=0)
        run_id = runtime.submit(me, config(seed=12))
        wait_until(finished(runtime, me, run_id))
        assert runtime.epochs(me, run_id) == undisturbed(config(seed=12))
        assert runtime.checkpoint(me, run_id, 3).epoch == 3
        assert runtime.submit_task(warm, "mlcore.records").result(10) >= 0
        runtime.close()
