"""`python -m mlcore train …` as a user types it: what it prints, and what it says of a wrong option."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlcore.commands.train import NETWORK_FIGURES, SCRATCH_FIGURES
from mlcore.data.mnist import open_source
from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from mlcore.networks import train as train_network
from mlcore.scratch import train as train_scratch

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlcore", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def lines_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_scratch_prints_what_the_trainer_yields() -> None:
    options = "--source sample --epochs 2 --hidden 16,8 --activation tanh --initializer he --bias 0 --seed 7 --json"
    *epochs, last = lines_of(run("train", "scratch", *options.split()))
    config = ScratchConfig(epochs=2, hidden=(16, 8), activation="tanh", initializer="he", bias=0, seed=7)
    expected = list(train_scratch(config, open_source("sample")))
    assert [tuple(line) for line in epochs] == [SCRATCH_FIGURES] * 2
    for line, result in zip(epochs, expected, strict=True):
        assert {**line, "seconds": 0} == {**result.figures(), "seconds": 0}
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert summary["config"] == config.model_dump(mode="json")
    assert summary["parameters"] == config.parameters
    assert sum(map(sum, summary["confusion"])) == 1000


def test_network_prints_what_the_trainer_yields() -> None:
    options = "--source sample --architecture A --dropout 0.3 --step-size 1 --gamma 0.5 --initializer xavier --epochs 2"
    *epochs, last = lines_of(run("train", "network", *options.split(), "--json"))
    config = NetworkConfig(dropout=0.3, step_size=1, gamma=0.5, initializer="xavier", epochs=2)
    expected = list(train_network(config, open_source("sample")))
    assert [tuple(line) for line in epochs] == [NETWORK_FIGURES] * 2
    for line, result in zip(epochs, expected, strict=True):
        figures = result.figures()
        assert {**line, "seconds": 0} == {**{name: figures[name] for name in NETWORK_FIGURES}, "seconds": 0}
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert summary["parameters"] == 67_466
    best = max(expected, key=lambda result: result.validation_accuracy)
    assert summary["best_epoch"] == best.epoch
    assert summary["best_test_accuracy"] == best.test_accuracy


def test_without_json_there_is_a_table() -> None:
    done = run("train", "scratch", "--source", "sample", "--epochs", "1")
    heading, row, closing = done.stdout.splitlines()
    assert heading.split("  ")[-1].strip() == "seconds"
    assert row.split()[0] == "1"
    assert closing.startswith("109,386 parameters")


def test_a_run_that_diverges_says_so_and_ends() -> None:
    options = "--source sample --epochs 3 --initializer normal --activation relu --learning-rate 100 --json"
    done = run("train", "scratch", *options.split())
    summary = lines_of(done)[-1]["summary"]
    assert isinstance(summary, dict)
    assert summary["halted"]
    assert done.stderr.strip() == summary["halted"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("train scratch --epochs 0", "epochs must be at least 1 (not 0)."),
        ("train scratch --epochs 1e400", "epochs must be a whole number (not 1e400)."),
        ("train scratch --learning-rate nan", "learning rate must be a finite number (not nan)."),
        ("train scratch --learning-rate -1", "learning rate must be more than 0 (not -1)."),
        ("train scratch --hidden 1000000000", "hidden must be at most 1024 (not 1000000000)."),
        ("train scratch --hidden a,b", "hidden: write whole numbers with commas between, like 128, 64 (not a,b)."),
        ("train scratch --source foo", "source must be 'mnist' or 'sample' (not foo)."),
        ("train network --architecture C", "architecture must be 'A', 'B' or 'custom' (not C)."),
        ("train network --dropout 1", "dropout must be at most 0.9 (not 1)."),
        ("train network --bogus 1", "No such option: --bogus"),
        ("record networks --only Z", "--only knows"),
        ("record networks --device tpu", "--device must be cpu or cuda (not 'tpu')."),
    ],
)
def test_bad_input_costs_status_2_and_one_sentence(arguments: str, sentence: str) -> None:
    done = run(*arguments.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_mnist_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run("train", "scratch", "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path) in done.stderr
