"""Training by slices: the same bits however it is cut, sensible ends, and the report's accuracies on full MNIST."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore import scratch
from mlcore.data import Digits, open_source, split_fraction
from mlcore.experiments.configs import ScratchConfig
from mlcore.records import Checkpoint, ScratchEpoch, is_over
from mlcore.scratch import trainer
from mlcore.scratch.evaluation import evaluate
from mlcore.scratch.network import Network, as_floats, backward, forward, losses
from mlcore.scratch.optimizers import OPTIMIZERS

SMALL = ScratchConfig(hidden=(16, 8), epochs=2, train_fraction=0.3, initializer="he")


@pytest.fixture(scope="module")
def digits() -> Digits:
    return open_source("sample")


def _without_time(results: list[ScratchEpoch]) -> list[ScratchEpoch]:
    return [dataclasses.replace(result, seconds=0.0) for result in results]


def _in_slices(
    config: ScratchConfig, digits: Digits, seconds: list[float]
) -> tuple[Checkpoint, list[ScratchEpoch], int]:
    """Train in slices of these lengths over and over, with a trip through bytes between any two."""
    checkpoint, results, slices = trainer.start(config), [], 0
    while not is_over(config, checkpoint):
        checkpoint, more = trainer.advance(config, checkpoint, digits, seconds[slices % len(seconds)])
        checkpoint = Checkpoint.from_bytes(checkpoint.to_bytes())
        results += more
        slices += 1
    return checkpoint, results, slices


class TestSlices:
    @pytest.mark.parametrize("activation", ["relu", "sigmoid", ("tanh", "leaky_relu")])
    def test_an_interrupted_run_ends_on_the_same_bits(self, digits: Digits, activation: str) -> None:
        config = SMALL.model_copy(update={"activation": activation})
        whole, results, slices = _in_slices(config, digits, [math.inf])
        assert slices == 1
        # Zero seconds are one batch a slice.
        cut, cut_results, cuts = _in_slices(config, digits, [0.0])
        assert cuts == 2 * whole.batches
        assert cut.arrays["parameters"].tobytes() == whole.arrays["parameters"].tobytes()
        assert _without_time(cut_results) == _without_time(results)

    @settings(max_examples=8, deadline=None)
    @given(seconds=st.lists(st.floats(0, 0.01), min_size=1, max_size=5))
    def test_whatever_the_slices(self, seconds: list[float]) -> None:
        digits = open_source("sample")
        whole, results, _ = _in_slices(SMALL, digits, [math.inf])
        cut, cut_results, _ = _in_slices(SMALL, digits, seconds)
        assert cut.arrays["parameters"].tobytes() == whole.arrays["parameters"].tobytes()
        assert _without_time(cut_results) == _without_time(results)

    def test_a_slice_keeps_to_its_time_and_leaves_its_checkpoint_alone(self, digits: Digits) -> None:
        config = SMALL.model_copy(update={"epochs": 1000})
        first, _ = trainer.advance(config, None, digits, 0.05)
        before = first.to_bytes()
        second, _ = trainer.advance(config, first, digits, 0.05)
        assert first.to_bytes() == before
        assert (second.epoch, second.batch) > (first.epoch, first.batch)

    def test_no_seconds_give_the_start(self, digits: Digits) -> None:
        checkpoint, results = trainer.advance(SMALL, None, digits, 0)
        assert (checkpoint.epoch, checkpoint.batch, results) == (0, 0, [])
        assert checkpoint.batches == math.ceil(1_500 / 22)
        np.testing.assert_array_equal(checkpoint.arrays["parameters"], trainer.start(SMALL).arrays["parameters"])

    def test_a_finished_run_stays_as_it_is(self, digits: Digits) -> None:
        checkpoint, _ = trainer.advance(SMALL, None, digits, math.inf)
        again, results = trainer.advance(SMALL, checkpoint, digits, 1.0)
        assert results == []
        assert again.to_bytes() == checkpoint.to_bytes()

    def test_another_process_finds_the_same_bits(self, digits: Digits) -> None:
        code = (
            "import hashlib, math\n"
            "from mlcore.data import open_source\n"
            "from mlcore.experiments.configs import ScratchConfig\n"
            "from mlcore.scratch import trainer\n"
            f"config = ScratchConfig.model_validate_json({SMALL.model_dump_json()!r})\n"
            "checkpoint, _ = trainer.advance(config, None, open_source('sample'), math.inf)\n"
            "print(hashlib.sha256(checkpoint.arrays['parameters'].tobytes()).hexdigest())\n"
            "import sys; assert 'torch' not in sys.modules"
        )
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        ours, _ = trainer.advance(SMALL, None, digits, math.inf)
        assert done.stdout.strip() == hashlib.sha256(ours.arrays["parameters"].tobytes()).hexdigest()


class TestNumbers:
    def test_an_epoch_is_what_the_formulas_say(self, digits: Digits) -> None:
        """The trainer's first epoch, done again with network.py alone, in float64."""
        config = SMALL.model_copy(update={"epochs": 1})
        begun = trainer.start(config, np.float64)
        checkpoint, (result,) = trainer.advance(config, begun, digits, math.inf)
        network = Network(config.sizes, config.activations, begun.arrays["parameters"].copy())
        split = split_fraction(len(digits), config.train_fraction, config.seed)
        order = trainer.epoch_order(split.train, config.seed, 0)
        loss, right = 0.0, 0
        for first in range(0, len(order), config.batch_size):
            rows = order[first : first + config.batch_size]
            passed = forward(network, as_floats(digits.images[rows], np.float64))
            loss += losses(passed, digits.labels[rows]).sum()
            right += (passed.logits.argmax(axis=1) == digits.labels[rows]).sum()
            gradients = backward(network, passed, digits.labels[rows])
            OPTIMIZERS["sgd"].update(network.parameters, gradients.gradient, config.learning_rate)
        np.testing.assert_allclose(checkpoint.arrays["parameters"], network.parameters, rtol=0, atol=1e-11)
        assert result.train_loss == pytest.approx(loss / len(order), abs=1e-11)
        assert result.train_accuracy == right / len(order)
        norms = [np.hypot(np.linalg.norm(layer.weights), np.linalg.norm(layer.bias)) for layer in gradients.layers]
        assert result.statistics["gradient_norm"] == pytest.approx(norms, rel=1e-9)
        passed = forward(network, as_floats(digits.images[split.test], np.float64))
        assert result.test_loss == pytest.approx(losses(passed, digits.labels[split.test]).mean(), abs=1e-10)
        assert result.test_accuracy == np.trace(result.confusion) / len(split.test)
        assert np.sum(result.confusion) == len(split.test)

    def test_every_epoch_has_an_order_of_its_own(self) -> None:
        rows = np.arange(100)
        first, second = (trainer.epoch_order(rows, 52, epoch) for epoch in (0, 1))
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(np.sort(first), rows)
        np.testing.assert_array_equal(first, trainer.epoch_order(rows, 52, 0))

    def test_a_batch_larger_than_the_data_is_one_batch(self, digits: Digits) -> None:
        config = SMALL.model_copy(update={"batch_size": 70_000, "epochs": 2, "learning_rate": 0.1})
        checkpoint, results = trainer.advance(config, None, digits, math.inf)
        assert checkpoint.batches == 1
        assert results[1].train_loss < results[0].train_loss

    def test_one_image_a_batch_and_no_hidden_layer(self, digits: Digits) -> None:
        config = SMALL.model_copy(update={"batch_size": 1, "hidden": (), "epochs": 1})
        *_, result = scratch.train(config, digits)
        assert result.test_accuracy > 0.8
        assert result.statistics["dead"] == ()

    def test_train_yields_every_epoch(self, digits: Digits) -> None:
        results = list(scratch.train(SMALL, digits))
        assert [result.epoch for result in results] == [1, 2]
        assert all(result.seconds > 0 for result in results)

    def test_dead_and_saturated_units_are_counted(self, digits: Digits) -> None:
        config = ScratchConfig(hidden=(4, 4), activation=("relu", "tanh"))
        network = trainer.network_of(config)
        first, second, _ = network.layers
        first.weights[:, :3] = 0
        first.bias[:] = [-1, -1, 1, 1]  # two units that are never active
        second.weights[:] = 0
        second.bias[:] = [10, -10, 0, 0.5]  # two units at the ends of tanh
        judged = evaluate(network, digits, np.arange(0, 5_000, 7))
        assert judged.dead == (0.5, 0.0)
        assert judged.saturated == (0.0, 0.5)


class TestFailures:
    @pytest.mark.parametrize("slices", [[math.inf], [0.0], [0.003, 0.0]])
    def test_divergence_stops_with_a_sentence_at_the_same_place(self, digits: Digits, slices: list[float]) -> None:
        config = SMALL.model_copy(update={"learning_rate": 100.0, "initializer": "normal", "activation": "leaky_relu"})
        checkpoint, results, _ = _in_slices(config, digits, slices)
        whole, whole_results, _ = _in_slices(config, digits, [math.inf])
        assert checkpoint.halted == whole.halted
        assert "no longer a finite number" in checkpoint.halted
        assert "Try a smaller learning rate" in checkpoint.halted
        assert (checkpoint.epoch, checkpoint.batch) == (whole.epoch, whole.batch)
        assert checkpoint.arrays["parameters"].tobytes() == whole.arrays["parameters"].tobytes()
        assert _without_time(results) == _without_time(whole_results)
        assert list(scratch.train(config, digits)) == []

    def test_a_rate_of_1_kills_relu_units_and_training_goes_on(self, digits: Digits) -> None:
        config = SMALL.model_copy(update={"learning_rate": 1.0, "initializer": "normal", "epochs": 3})
        *_, last = scratch.train(config, digits)
        assert max(last.statistics["dead"]) > 0.5
        assert last.test_accuracy < 0.3


@pytest.mark.full_data
@pytest.mark.parametrize(
    ("activation", "initializer", "low", "high"),
    [("tanh", "normal", 0.82, 0.86), ("relu", "normal", 0.87, 0.91), ("relu", "he", 0.97, 1.0)],
)
def test_the_reports_run_on_full_mnist(
    mnist_dir: Path, activation: str, initializer: str, low: float, high: float
) -> None:
    config = ScratchConfig(source="mnist", activation=activation, initializer=initializer)
    assert (config.epochs, config.batch_size, config.seed, config.train_fraction) == (25, 22, 52, 0.8)
    *_, last = scratch.train(config, open_source("mnist", mnist_dir))
    assert last.epoch == 25
    assert low <= last.test_accuracy <= high
