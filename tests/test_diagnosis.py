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
        ("dead", "dead", "dead ReLUs", "rate of 0.1"),
        ("diverge", "diverged", "no longer a finite number", "rate of 0.01 from the same start, and He weights"),
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


@pytest.mark.parametrize(
    ("failure", "advised"),
    [
        ("sigmoid", {"initializer": "xavier"}),
        ("dead", {"learning_rate": 0.1}),
        ("diverge", {"learning_rate": 0.01, "initializer": "he"}),
        ("batch", {"batch_size": 22}),
    ],
)
def test_what_is_advised_does_help(failure, advised):
    """The same start with nothing but the advice followed: whatever was said before is not said any more."""
    config = ScratchConfig(**{**failure_settings(failure), "epochs": 3})
    before = {diagnosis.rule for diagnosis in diagnosed(config)}
    after = {diagnosis.rule for diagnosis in diagnosed(ScratchConfig(**{**config.model_dump(), **advised}))}
    assert before and not before & after


def test_a_layer_without_a_living_unit_stops_the_training():
    config = ScratchConfig(**failure_settings("dead"))
    checkpoint, epochs = advance(config, None, open_source("sample"), 1e9)
    assert checkpoint.epoch == len(epochs) == 1 < config.epochs
    assert "all 64 units of hidden layer 2 give 0" in checkpoint.halted
    told = diagnose(config, epochs, 4000, checkpoint.halted)
    assert [diagnosis.rule for diagnosis in told] == ["dead"]
    assert told[0].happened.startswith("Training stopped after epoch 1: 100 % of the units of hidden layer 2")


def test_dead_units_at_a_usual_rate_are_put_down_to_their_weights():
    dead = ScratchEpoch(
        epoch=1,
        train_loss=1.0,
        train_accuracy=0.8,
        seconds=1.0,
        test_loss=1.0,
        test_accuracy=0.8,
        statistics={"dead": (0.1, 0.52)},
    )
    theirs, he = (ScratchConfig(activation="relu", initializer=name) for name in ("normal", "he"))
    assert "He weights" in diagnose(theirs, [dead], 4000)[0].advice
    assert "rate of 0.001" in diagnose(he, [dead], 4000)[0].advice


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
