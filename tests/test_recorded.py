"""The recorded runs: they read back whole, and training one of them again starts on the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlcore.data.mnist import open_source
from mlcore.data.splits import split_network
from mlcore.experiments import recording
from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.inference import predict_probabilities
from mlcore.experiments.recorded import RECORDED_NETWORKS, recorded_networks
from mlcore.networks.trainer import advance

RUNS = recorded_networks()


def test_all_ten_runs_are_there_and_complete() -> None:
    assert list(RUNS) == list(RECORDED_NETWORKS)
    for name, run in RUNS.items():
        assert run.config == RECORDED_NETWORKS[name]
        assert run.summary["complete"], f"{name} ends at epoch {len(run.epochs)}"
        assert list(run.epochs["epoch"]) == list(range(1, run.config.epochs + 1))
        best = run.epochs.loc[run.epochs["validation_accuracy"].idxmax(), "epoch"]
        assert run.best_epoch == best


@pytest.mark.parametrize("name", RUNS)
def test_saved_weights_have_the_recorded_accuracy(name: str, mnist_dir: Path) -> None:
    run = RUNS[name]
    data = open_source("mnist", mnist_dir)
    rows = split_network(data, run.config.seed).validation
    for which, row in (("last", run.epochs.iloc[-1]), ("best", run.epochs.iloc[run.best_epoch - 1])):
        predicted = predict_probabilities(run.weights(which), data.images[rows]).argmax(1)
        accuracy = float(np.mean(predicted == data.labels[rows]))
        # Half precision may move one image in ten thousand, and NumPy adds in another order than PyTorch.
        assert accuracy == pytest.approx(row["validation_accuracy"], abs=3e-4), which


# Standard deviations over six seeds of the first epoch's training loss, validation and test accuracy.
SPREAD = {
    "A-baseline": (0.0054, 0.0074, 0.0072),
    "A-dropout-as-run": (0.0162, 0.0033, 0.0038),
    "B-dropout-step": (0.0165, 0.0134, 0.0118),
}


@pytest.mark.parametrize("name", SPREAD)
def test_training_again_finds_the_recorded_first_epoch(name: str, mnist_dir: Path) -> None:
    """Within the spread of seeds: another BLAS, or another processor, adds up in another order."""
    run = RUNS[name]
    one_epoch = run.config.model_copy(update={"epochs": 1})
    _, results = advance(one_epoch, None, open_source("mnist", mnist_dir), 1e9)
    ours, recorded = results[0], run.epochs.iloc[0]
    for figure, deviation in zip(("train_loss", "validation_accuracy", "test_accuracy"), SPREAD[name], strict=True):
        assert getattr(ours, figure) == pytest.approx(recorded[figure], abs=2.5 * deviation), figure
    assert ours.learning_rate == recorded["learning_rate"]


def test_a_recording_that_was_stopped_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECORDED_NETWORKS, "short", NetworkConfig(epochs=26, hidden=(8,), architecture="custom"))
    whole = recording.record_network("short", None, tmp_path / "whole", tmp_path / "whole-work")

    class Stopped(Exception):
        pass

    def stop_late(name: str, result: object) -> None:
        if getattr(result, "epoch", 0) == 26:
            raise Stopped

    with pytest.raises(Stopped):
        recording.record_network("short", None, tmp_path / "parts", tmp_path / "work", report=stop_late)
    parts = recording.record_network("short", None, tmp_path / "parts", tmp_path / "work")
    tables = [pd.read_csv(folder / "epochs.csv").drop(columns="seconds") for folder in (whole, parts)]
    pd.testing.assert_frame_equal(*tables)
    assert (whole / "last.safetensors").read_bytes() == (parts / "last.safetensors").read_bytes()


def test_named_weights_are_the_flat_vectors_layers() -> None:
    sizes = (3, 2, 1)
    flat = np.arange(11, dtype=np.float32)
    named = recording.named_weights(flat, sizes)
    # PyTorch keeps a weight as (units, inputs); the file has (inputs, units), as the formulas write it.
    np.testing.assert_array_equal(named["weight1"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(named["bias1"], [6, 7])
    np.testing.assert_array_equal(named["weight2"], [[8], [9]])
    np.testing.assert_array_equal(named["bias2"], [10])
