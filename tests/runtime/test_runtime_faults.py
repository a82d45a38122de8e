"""What must never cost a run: a dead worker, a dead server, a damaged, locked, full or vanished database."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlcore.experiments.configs import ScratchConfig
from mlcore.records import epoch_from_dict
from mlcore.runtime import Runtime, Settings, StoreUnavailable, new_token
from mlcore.runtime.engines import PRAGMAS
from mlcore.runtime.slices import SliceJob, run_slice
from tests.runtime import fake_trainer
from tests.runtime.conftest import wait_until

ROOT = Path(__file__).resolve().parents[2]


def config(**values) -> ScratchConfig:
    return ScratchConfig(**{"epochs": 30, "hidden": (4,), **values})


def undisturbed(settings) -> list:
    job = SliceJob(trainer="tests.runtime.fake_trainer", config=settings.model_dump_json(), seconds=1e9)
    return [epoch_from_dict(item) for item in run_slice(job).epochs]


def finish(runtime: Runtime, owner: str, run_id: str, settings) -> None:
    """Wait for the end, and compare it with that of a run nothing happened to."""
    wait_until(lambda: runtime.run(owner, run_id).status == "finished", 30)
    assert runtime.epochs(owner, run_id) == undisturbed(settings)
    wait_until(lambda: len(runtime.store.epochs(run_id)) == settings.epochs)
    assert runtime.store.epochs(run_id) == undisturbed(settings)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def me() -> str:
    return new_token()


# Workers


def test_a_killed_worker_costs_its_slice_and_not_its_run(make_runtime, me):
    runtime = make_runtime()
    runs = {runtime.submit(me, config(seed=seed)): config(seed=seed) for seed in (1, 2)}
    killed = set()
    for epoch in (2, 8, 15):
        wait_until(lambda epoch=epoch: all(view.epoch >= epoch for view in runtime.runs(me)), 30)
        (pid,) = wait_until(lambda: [pid for pid in runtime.worker_pids() if pid not in killed])
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    for run_id, settings in runs.items():
        finish(runtime, me, run_id, settings)


@pytest.mark.parametrize(
    ("seed", "values", "words"),
    [
        (fake_trainer.CRASHES, {}, "ended 3 times in a row"),
        (fake_trainer.HANGS, {"slice_timeout": 1}, "ended 3 times in a row"),
        (fake_trainer.RAISES, {}, "RuntimeError: the fake trainer was asked to fail"),
    ],
)
def test_a_run_that_breaks_its_worker_is_given_up_and_the_others_go_on(make_runtime, me, seed, values, words):
    runtime = make_runtime(**values)
    bad, good = runtime.submit(me, config(seed=seed)), runtime.submit(me, config(seed=5))
    view = wait_until(lambda: (found := runtime.run(me, bad)).status == "failed" and found, 40)
    assert words in view.error
    finish(runtime, me, good, config(seed=5))


def test_being_killed_from_outside_is_forgiven_longer(make_runtime, me, monkeypatch):
    monkeypatch.setattr("mlcore.runtime.dispatcher.KILLS", 4)
    runtime = make_runtime()
    bad = runtime.submit(me, config(seed=fake_trainer.IS_KILLED))
    view = wait_until(lambda: (found := runtime.run(me, bad)).status == "failed" and found, 40)
    assert "ended 4 times in a row" in view.error
    assert "more memory" in view.error


def test_workers_stand_back_and_end_with_the_runtime(make_runtime, me):
    runtime = make_runtime(nice=7, task_worker=True)
    run_id = runtime.submit(me, config(epochs=500))
    wait_until(lambda: runtime.run(me, run_id).epoch)
    runtime.warm("mlcore.records").result(20)
    (worker,), (task,) = runtime.worker_pids(), runtime.task_pids()
    assert os.getpriority(os.PRIO_PROCESS, worker) == os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert b"OMP_NUM_THREADS=1" in Path(f"/proc/{worker}/environ").read_bytes()
    runtime.close()
    wait_until(lambda: not alive(worker) and not alive(task), 5)


def test_a_worker_that_is_frozen_for_a_while_goes_on(make_runtime, me):
    """As when the machine sleeps: nothing is lost, and what took long is not held against the run."""
    runtime = make_runtime()
    run_id = runtime.submit(me, config(seed=1))
    wait_until(lambda: runtime.run(me, run_id).epoch > 3)
    (pid,) = runtime.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(pid, signal.SIGCONT)
    finish(runtime, me, run_id, config(seed=1))
    assert runtime.worker_pids() == [pid]


SERVER = """
import sys, time
from pathlib import Path
from mlcore.experiments.configs import ScratchConfig
from mlcore.runtime import Runtime, Settings
settings = Settings(directory=Path(sys.argv[1]), slice_seconds=0.1, workers=1, task_worker=False)
runtime = Runtime.start(settings, trainers={"scratch": "tests.runtime.fake_trainer"})
owner = sys.argv[2]
ids = [runtime.submit(owner, ScratchConfig(epochs=30, hidden=(4,), seed=seed)) for seed in (1, 2)]
paused = runtime.submit(owner, ScratchConfig(epochs=30, hidden=(4,), seed=3))
runtime.pause(owner, paused)
while True:
    time.sleep(0.05)
    views = [runtime.run(owner, item) for item in ids]
    print([[v.id, v.epoch, v.batch] for v in views], paused, *runtime.worker_pids(), sep=";", flush=True)
"""


def test_a_killed_server_loses_at_most_one_slice_and_leaves_no_worker(make_runtime, me, tmp_path):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), me], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    for line in server.stdout:
        views, paused, *workers = line.replace("'", '"').strip().split(";")
        seen = {run_id: (epoch, batch) for run_id, epoch, batch in json.loads(views)}
        if all(epoch >= 4 for epoch, _ in seen.values()):
            break
    server.send_signal(signal.SIGKILL)
    server.wait()
    wait_until(lambda: not any(alive(int(pid)) for pid in workers), 5)

    runtime = make_runtime()
    for run_id, (epoch, batch) in seen.items():
        view = runtime.run(me, run_id)
        assert view.status == "interrupted"
        # What was shown may have been one slice ahead of what was kept.
        assert view.epoch * 10 + view.batch >= epoch * 10 + batch - 0.1 / fake_trainer.BATCH_SECONDS - 1
    assert runtime.run(me, paused).status == "paused"
    first, second = seen
    runtime.resume(me, first)
    runtime.touch(me, second)  # somebody is looking: it goes on by itself
    for seed, run_id in enumerate(seen, 1):
        finish(runtime, me, run_id, config(seed=seed))
    assert runtime.run(me, paused).status == "paused"
    working = list((tmp_path / "working").iterdir())
    assert [path.name for path in working] == [runtime.store.server], "what the dead server left is cleared away"


def test_two_servers_on_one_database_do_not_train_the_same_run(make_runtime, me):
    first = make_runtime()
    run_id = first.submit(me, config(epochs=500))
    wait_until(lambda: first.run(me, run_id).epoch > 1)
    second = make_runtime()
    assert second.run(me, run_id).status == "running"
    second.touch(me, run_id)
    assert second.run(me, run_id).status == "running"
    assert first.run(me, run_id) is not None
    assert run_id not in second._dispatcher.live
    second.pause(me, run_id)
    wait_until(lambda: not first._dispatcher.live)
    wait_until(lambda: first.run(me, run_id).status == "paused")


# The database


def test_a_file_that_is_no_database_is_set_aside(make_runtime, me, tmp_path):
    (tmp_path / "lab.db").write_bytes(b"this is not a database " * 1000)
    runtime = make_runtime()
    (notice,) = runtime.notices
    assert "was set aside as lab.db.damaged-" in notice
    (kept,) = tmp_path.glob("lab.db.damaged-*")
    assert kept.read_bytes().startswith(b"this is not a database")
    finish(runtime, me, runtime.submit(me, config(seed=1)), config(seed=1))


def test_what_can_be_read_of_a_damaged_database_is_taken_over(make_runtime, me, tmp_path):
    runtime = make_runtime()
    runs = [runtime.submit(me, config(epochs=3, seed=seed), name=f"run {seed}") for seed in range(1, 6)]
    wait_until(lambda: all(view.status == "finished" for view in runtime.runs(me)))
    time.sleep(0.3)
    runtime.close()
    path = tmp_path / "lab.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_runs_owner'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(os.urandom(size))
    again = make_runtime()
    assert "5 of its runs could be read" in again.notices[0]
    assert {view.name for view in again.runs(me)} == {f"run {seed}" for seed in range(1, 6)}
    for seed, run_id in enumerate(runs, 1):
        assert again.epochs(me, run_id) == undisturbed(config(epochs=3, seed=seed))
        assert again.checkpoint(me, run_id).epoch == 3


def test_a_database_that_is_damaged_while_runs_train(make_runtime, me, tmp_path, monkeypatch):
    monkeypatch.setattr("mlcore.runtime.dispatcher.BEAT", 0.2)
    runtime = make_runtime()
    run_id = runtime.submit(me, config(epochs=40, seed=1))
    wait_until(lambda: runtime.run(me, run_id).epoch > 3)
    for name in ("lab.db", "lab.db-wal"):
        with (tmp_path / name).open("r+b") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(0)
            file.write(os.urandom(length))
    finish(runtime, me, run_id, config(epochs=40, seed=1))
    wait_until(lambda: any("set aside" in notice for notice in runtime.notices))
    assert list(tmp_path.glob("lab.db.damaged-*"))
    assert runtime.checkpoint(me, run_id).epoch == 40


def test_a_database_that_is_deleted_while_runs_train(make_runtime, me, tmp_path, monkeypatch):
    monkeypatch.setattr("mlcore.runtime.dispatcher.BEAT", 0.2)
    runtime = make_runtime()
    run_id = runtime.submit(me, config(epochs=40, seed=1))
    wait_until(lambda: runtime.run(me, run_id).epoch > 3)
    for path in tmp_path.glob("lab.db*"):
        path.unlink()
    finish(runtime, me, run_id, config(epochs=40, seed=1))
    assert any("had gone" in notice for notice in runtime.notices)
    assert (tmp_path / "lab.db").exists()


def test_a_locked_database_holds_runs_up_and_loses_nothing(make_runtime, me, tmp_path, monkeypatch):
    monkeypatch.setattr("mlcore.runtime.keeper.RETRY", 0.2)
    monkeypatch.setattr("mlcore.runtime.engines.PRAGMAS", (*PRAGMAS[:-2], "busy_timeout=100", *PRAGMAS[-1:]))
    runtime = make_runtime()
    run_id = runtime.submit(me, config(epochs=40, seed=1))
    wait_until(lambda: runtime.run(me, run_id).epoch > 3)
    with closing(sqlite3.connect(tmp_path / "lab.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        view = wait_until(lambda: (found := runtime.run(me, run_id)).reason == "storage" and found)
        assert (view.status, view.live) == ("paused", True)
        assert "locked by another program" in view.error
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            runtime.submit(me, config())
        assert runtime.epochs(me, run_id), "what is there can be looked at"
        other.execute("ROLLBACK")
    finish(runtime, me, run_id, config(epochs=40, seed=1))


def test_a_database_that_is_locked_when_the_app_starts(make_runtime, me, tmp_path, monkeypatch):
    monkeypatch.setattr("mlcore.runtime.engines.PRAGMAS", (*PRAGMAS[:-2], "busy_timeout=100", *PRAGMAS[-1:]))
    make_runtime().close()
    with closing(sqlite3.connect(tmp_path / "lab.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            make_runtime()
        other.execute("ROLLBACK")
    finish(runtime := make_runtime(), me, runtime.submit(me, config(seed=1)), config(seed=1))
    assert not runtime.notices, "a locked file is not taken for a damaged one"


def test_a_full_disk_holds_runs_up_and_loses_nothing(make_runtime, me, monkeypatch):
    monkeypatch.setattr("mlcore.runtime.keeper.RETRY", 0.2)
    runtime = make_runtime()
    run_id = runtime.submit(me, config(epochs=40, seed=1))
    wait_until(lambda: runtime.run(me, run_id).epoch > 3)
    engine = runtime.store._engine
    full = [True]

    def no_room(connection, *_):
        connection.execute("PRAGMA max_page_count = 1" if full[0] else "PRAGMA max_page_count = 1000000")

    sa.event.listen(engine, "checkout", no_room)
    view = wait_until(lambda: (found := runtime.run(me, run_id)).reason == "storage" and found)
    assert view.status == "paused"
    assert "disk is full" in view.error
    long = {"prediction": "x" * 3900}
    with pytest.raises(StoreUnavailable, match="disk is full"):
        _ = [runtime.submit(me, config(epochs=1), **long) for _ in range(20)]
    full[0] = False
    finish(runtime, me, run_id, config(epochs=40, seed=1))


def test_a_full_disk_under_the_working_files(make_runtime, me):
    runtime = make_runtime()
    run_id = runtime.submit(me, config(seed=fake_trainer.NO_ROOM))
    view = wait_until(lambda: (found := runtime.run(me, run_id)).reason == "storage" and found)
    assert "The disk is full" in view.error
    runtime.stop(me, run_id)
    time.sleep(0.3)
    assert runtime.run(me, run_id).status == "stopped"


def test_working_files_that_vanish_are_taken_from_the_store(make_runtime, me, tmp_path):
    runtime = make_runtime()
    run_id = runtime.submit(me, config(epochs=40, seed=1))
    for epoch in (3, 20):
        wait_until(lambda epoch=epoch: runtime.run(me, run_id).epoch > epoch)
        for path in (tmp_path / "working").glob("*/*"):
            path.unlink(missing_ok=True)
    finish(runtime, me, run_id, config(epochs=40, seed=1))


def test_a_directory_that_may_not_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    runtime = Runtime.start(Settings(directory=tmp_path / "file" / "runs", workers=1))
    assert "until the machine restarts" in runtime.notices[0]
    assert runtime.runs(new_token()) == []
    runtime.close()
