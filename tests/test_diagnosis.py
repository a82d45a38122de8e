"""Instructive failures: real trainings that fail, and the sentence each of them earns; a good one earns none."""

from __future__ import annotations

import pytest

from mlcore.data.mnist import open_source
from mlcore.data.splits import split_fraction
from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.diagnosis import Diagnosis, diagnose
from mlcore.experiments.reports import practised_config
from mlcore.records import Checkpoint, ScratchEpoch, is_over
from mlcore.scratch.trainer import advance
from ui.lesson2.state import FAILURES, failure_settings


def trained(config: ScratchConfig) -> tuple[list[ScratchEpoch], str]:
    digits, checkpoint, epochs = open_source("sample"), None, []
    while checkpoint is None or not is_over(config, checkpoint):
        checkpoint, new = advance(config, checkpoint, digits, 5.0)
        epochs += new
    assert isinstance(checkpoint, Checkpoint)
    return epochs, checkpoint.halted


def diagnosed(config: ScratchConfig) -> list[Diagnosis]:
    epochs, halted = trained(config)
    images = len(split_fraction(5_000, config.train_fraction, config.seed).train)
    return diagnose(config, epochs, images, halted)


@pytest.mark.parametrize(
    ("failure", "rule", "happened", "advice"),
    [
        ("sigmoid", "saturated", "sigmoid units sit where the curve is flat", "Xavier"),
        ("dead", "dead", "dead ReLUs", "leaky ReLU"),
        ("diverge", "diverged", "no longer a finite number", "rate of 10"),
        ("batch", "one_batch", "one single batch and one single update", "182 updates an epoch"),
    ],
)
def test_each_failure_of_the_page_is_told_with_what_to_try(failure, rule, happened, advice):
    found = diagnosed(ScratchConfig(**{**failure_settings(failure), "epochs": 3}))
    told = next(diagnosis for diagnosis in found if diagnosis.rule == rule)
    assert happened in told.happened
    assert advice in told.advice
    assert all(diagnosis.rule != "guessing" for diagnosis in found) or len(found) == 1


def test_every_failure_button_is_a_valid_run():
    assert all(ScratchConfig(**failure_settings(name)).source == "sample" for name in FAILURES)


def test_what_to_try_against_saturation_does_help():
    """Sigmoid with Xavier weights is not saturated any more."""
    settings = {**failure_settings("sigmoid"), "initializer": "xavier", "bias": 0.0, "epochs": 2}
    assert all(diagnosis.rule != "saturated" for diagnosis in diagnosed(ScratchConfig(**settings)))


def test_a_good_training_is_left_alone():
    assert diagnosed(practised_config(source="sample", epochs=3)) == []


def epoch(number: int, loss: float, accuracy: float) -> ScratchEpoch:
    return ScratchEpoch(
        epoch=number, train_loss=loss, train_accuracy=accuracy, seconds=1.0, test_loss=loss, test_accuracy=accuracy
    )


def test_a_rising_loss_is_named_with_its_numbers():
    config = practised_config(source="sample", learning_rate=0.5)
    found = diagnose(config, [epoch(1, 0.4, 0.9), epoch(2, 0.3, 0.9), epoch(3, 0.9, 0.7)], 4000)
    assert [diagnosis.rule for diagnosis in found] == ["overshoots"]
    assert "0.3 after epoch 2, 0.9 now" in found[0].happened
    assert diagnose(config, [epoch(1, 0.4, 0.9), epoch(2, 0.41, 0.9)], 4000) == []


def test_guessing_is_said_only_where_nothing_better_explains_it():
    slow = practised_config(source="sample", learning_rate=1e-6)
    assert diagnose(slow, [epoch(1, 2.31, 0.1)], 4000) == []
    found = diagnose(slow, [epoch(1, 2.31, 0.1), epoch(2, 2.30, 0.11)], 4000)
    assert [diagnosis.rule for diagnosis in found] == ["guessing"]
    assert "rate of 1e-05" in found[0].advice
    halted = diagnose(slow, [epoch(1, 2.31, 0.1), epoch(2, 2.30, 0.11)], 4000, "It diverged.")
    assert [diagnosis.rule for diagnosis in halted] == ["diverged"]
