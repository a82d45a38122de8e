"""A run cut into slices ends on the same bits as one that was not, whatever happens between two slices."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mlcore.data import open_source
from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from mlcore.networks.trainer import advance as network_advance
from mlcore.records import Checkpoint
from mlcore.runtime import slices
from mlcore.runtime.slices import SliceJob, SliceResult, history_stride, run_slice
from mlcore.scratch.trainer import advance as scratch_advance
from tests.runtime import fake_trainer

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ScratchConfig(hidden=(12, 8), activation=("tanh", "relu"), train_fraction=0.3, batch_size=100, epochs=4)
# Dropout, a schedule that cuts twice, and Adam's moments: all of it has to survive between two slices.
NETWORK = NetworkConfig(
    architecture="custom",
    hidden=(16, 8),
    dropout=0.3,
    step_size=1,
    gamma=0.5,
    learning_rate=0.01,
    batch_size=250,
    epochs=3,
)
BY_LOSS = NETWORK.model_copy(update={"step_on_loss": True, "evaluate_with_dropout": True, "initializer": "xavier"})


def figures(results) -> list[dict]:
    """Everything but how long it took."""
    return [{**item, "seconds": 0} for item in results]


def in_slices(config, rng: random.Random, directory=None) -> tuple[list[dict], bytes, int]:
    """Train to the end in slices of random length, every checkpoint through bytes or through a file."""
    results: list[dict] = []
    state: bytes | str | None = None
    count = 0
    while True:
        count += 1
        result = run_slice(
            SliceJob(
                trainer=slices.TRAINERS[config.kind],
                config=config.model_dump_json(),
                checkpoint=state if isinstance(state, bytes) else None,
                checkpoint_file=state if isinstance(state, str) else "",
                save_to=str(directory / str(count)) if directory is not None and rng.random() < 0.5 else "",
                seconds=rng.choice((1e-6, 1e-6, 1e-6, 0.001, 0.003)),
                stop_at=rng.choice((0, 1, 2)) if count < 3 else 0,
                history_bytes=rng.choice((0, 10**9)),
            )
        )
        assert not result.error, result.detail
        if rng.random() < 0.2 and count > 1:
            continue  # the worker died before its answer arrived: the slice is cut again
        results += result.epochs
        state = result.checkpoints[-1]
        if result.epoch == config.epochs:
            return figures(results), state if isinstance(state, bytes) else open(state, "rb").read(), count


@pytest.mark.parametrize("config", [SCRATCH, NETWORK, BY_LOSS], ids=["scratch", "network", "network by loss"])
def test_interrupted_equals_uninterrupted_bit_for_bit(config, tmp_path):
    advance = {"scratch": scratch_advance, "network": network_advance}[config.kind]
    whole, expected = advance(config, None, open_source("sample"), 1e9)
    assert whole.epoch == config.epochs
    for seed in (1, 2):
        results, state, count = in_slices(config, random.Random(seed), tmp_path)
        assert count > 8
        assert results == figures(item.to_dict() for item in expected)
        found = Checkpoint.from_bytes(state)
        assert {name: array.tobytes() for name, array in found.arrays.items()} == {
            name: array.tobytes() for name, array in whole.arrays.items()
        }
        same = ("epoch", "batch", "batches", "halted")
        assert [getattr(found, name) for name in same] == [getattr(whole, name) for name in same]


def fake_job(**values) -> SliceJob:
    config = values.pop("config", ScratchConfig(epochs=8, seed=1))
    return SliceJob(
        **{
            "trainer": "tests.runtime.fake_trainer",
            "config": config.model_dump_json(),
            "history_bytes": 10**6,
            **values,
        }
    )


def test_a_first_slice_keeps_the_start_and_every_epoch():
    result = run_slice(fake_job(seconds=0.15))
    assert 0 < result.epoch < 8
    labels = set(result.checkpoints)
    assert labels == {-1, 0, *range(1, result.epoch + 1)}
    assert Checkpoint.from_bytes(result.checkpoints[0]).epoch == 0
    assert result.trained == result.epoch * fake_trainer.BATCHES + result.batch
    assert len(result.data_hash) == 64
    assert "numpy" in result.versions


def test_a_slice_stops_at_the_epoch_it_is_told_to():
    result = run_slice(fake_job(seconds=10, stop_at=2))
    assert (result.epoch, result.batch) == (2, 0)


@pytest.mark.parametrize(("room", "stride"), [(10**9, 1), (100, 1), (99, 2), (50, 2), (49, 4), (0, 16)])
def test_the_weights_of_long_runs_are_kept_every_so_many_epochs(room, stride):
    assert history_stride(epochs=10, size=10, room=room) == stride


@pytest.mark.parametrize(
    ("job", "sentence", "retry"),
    [
        (fake_job(config=ScratchConfig(seed=fake_trainer.RAISES)), "should not have met", False),
        (fake_job(config=ScratchConfig(seed=fake_trainer.NO_ROOM)), "The disk is full", True),
        (fake_job(data_hash="0" * 64), "no longer those this run began with", False),
        (fake_job(config=ScratchConfig(source="mnist"), data_dir="/nowhere"), "", False),
        (fake_job(save_to="/nowhere/at/all"), "", False),
    ],
)
def test_what_goes_wrong_comes_back_as_a_sentence(job, sentence, retry):
    result = run_slice(job)
    assert result.error.endswith((".", "download"))
    assert sentence in result.error
    assert result.retry == retry
    assert result.checkpoints.get(-1) is None


def test_a_working_file_that_is_gone_or_damaged_is_told_from_an_error(tmp_path):
    damaged = tmp_path / "1"
    damaged.write_bytes(b"\x10\0\0\0\0\0\0\0not a header at all")
    for path in (damaged, tmp_path / "gone"):
        result = run_slice(fake_job(checkpoint_file=str(path)))
        assert (result.lost, result.error) == (True, "")


def test_a_result_is_small_however_large_the_weights(tmp_path):
    """Only names travel through the pipe: a worker that is killed while it writes must not leave half a message."""
    import pickle

    config = ScratchConfig(hidden=(1024, 1024), batch_size=1500, train_fraction=0.3, epochs=1)
    result: SliceResult = run_slice(
        SliceJob(trainer="mlcore.scratch.trainer", config=config.model_dump_json(), save_to=str(tmp_path / "x"))
    )
    assert not result.error
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 10**7
    assert len(pickle.dumps(dataclasses.asdict(result))) < 4096


def test_only_our_own_modules_are_warmed():
    assert slices.warm("mlcore.records") >= 0
    with pytest.raises(ValueError, match="only modules of mlcore"):
        slices.warm("os")


def test_a_worker_loads_only_what_it_needs():
    """Neither PyTorch nor the store nor pandas: a worker for scratch runs stays small."""
    script = (
        "import sys, mlcore.runtime.slices, mlcore.runtime.executors, mlcore.scratch.trainer\n"
        "print([name for name in ('torch', 'sqlalchemy', 'pandas', 'streamlit', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_app_s_process_loads_no_pytorch():
    script = "import sys, mlcore.runtime as r; r.Runtime, r.Settings, r.RunView; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"
