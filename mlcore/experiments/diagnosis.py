"""What went wrong with a training, said by rules that quote the numbers they saw, and what to try instead.

`diagnose(config, epochs, images)` looks at a run of the NumPy network so far and returns one `Diagnosis` per failure it
recognises: divergence, dead ReLUs, saturated units, a batch as large as the data, a rate that overshoots, guessing.
A run that learns as it should gets none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import percent_text
from mlcore.records import ScratchEpoch

MOSTLY = 0.5
"""Share of a layer's units from which we say that the layer does not work."""
GUESSING = 0.2
"""Accuracy below which a network does little more than guess one of ten digits."""
USUAL_RATE = 0.01
HIGH_RATE = 0.1
"""Rates that train the networks of this lesson, and above which a dead unit is put down to the rate."""
CLIMBED = 1.5
"""The training loss is called rising when it is this many times its lowest."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One failure: which rule saw it, what happened (with its numbers), and what to try."""

    rule: str
    happened: str
    advice: str


@dataclass(frozen=True, slots=True)
class _Run:
    """What the rules look at."""

    config: ScratchConfig
    epochs: Sequence[ScratchEpoch]
    images: int
    halted: str

    @property
    def last(self) -> ScratchEpoch:
        return self.epochs[-1]


def diagnose(config: ScratchConfig, epochs: Sequence[ScratchEpoch], images: int, halted: str = "") -> list[Diagnosis]:
    """Every failure that the rules recognise in a run so far, the most telling first.

    Args:
        epochs: the finished epochs, oldest first; may be empty.
        images: size of the training part.
        halted: why the trainer stopped, in its own words; empty where it did not.
    """
    run = _Run(config, epochs, images, halted)
    found = [diagnosis for rule in RULES if (diagnosis := rule(run)) is not None]
    # One that has diverged or guesses for a known reason need not be told that it guesses.
    if len(found) > 1:
        found = [diagnosis for diagnosis in found if diagnosis.rule != "guessing"]
    return found


def _diverged(run: _Run) -> Diagnosis | None:
    if not run.halted or _all_dead(run):
        return None
    # The trainer's sentence goes on to advise in general; here the settings are known.
    happened = run.halted.partition(" Try ")[0]
    advice = f"Try a rate of {min(run.config.learning_rate / 10, USUAL_RATE):g} from the same start"
    advice += ", and He weights." if run.config.initializer == "normal" else "."
    return Diagnosis("diverged", happened, advice)


def _dead(run: _Run) -> Diagnosis | None:
    worst = _worst_layer(run, "dead")
    if worst is None:
        return None
    layer, share = worst
    rate = run.config.learning_rate
    happened = (
        f"{percent_text(share, 0)} of the units of hidden layer {layer} give 0 for every test image: dead ReLUs. "
        "Where the output is 0 the gradient is 0 too, so their own weights stand still"
        + ("." if layer == 1 else "; only changes in the layers below could wake them.")
    )
    if run.halted:
        happened = f"Training stopped after epoch {run.last.epoch}: {happened}"
    if rate > HIGH_RATE:
        happened += f" Steps at rate {rate:g} threw their weights so far that no image reaches them."
        advice = f"Try a rate of {min(rate / 10, HIGH_RATE):g} from the same start."
    elif run.config.initializer == "normal":
        happened += (
            f" Weights from N(0, 1) make the first steps huge (training loss {run.epochs[0].train_loss:.3g} in epoch "
            f"{run.epochs[0].epoch}), and such steps can throw a unit's weights so far that no image reaches it."
        )
        advice = "Try He weights from the same seed, or leaky ReLU, which keeps a small slope below 0."
    else:
        advice = f"Try a rate of {rate / 10:g}, or leaky ReLU, which keeps a small slope below 0."
    return Diagnosis("dead", happened, advice)


def _all_dead(run: _Run) -> bool:
    """Whether it is for want of living units, not for a loss without bound, that training stopped."""
    return bool(run.halted and run.epochs) and 1.0 in run.last.statistics.get("dead", ())


def _saturated(run: _Run) -> Diagnosis | None:
    worst = _worst_layer(run, "saturated")
    if worst is None:
        return None
    layer, share = worst
    activation = run.config.activations[layer - 1]
    fan_in = run.config.sizes[layer - 1]
    happened = (
        f"Hidden layer {layer} is saturated: in {percent_text(share, 0)} of cases its {activation} units sit where "
        "the curve is flat, so the gradient that reaches the weights below is nearly 0."
    )
    if run.config.initializer == "normal":
        happened += (
            f" Each z adds up {fan_in} products with weights from N(0, 1): its standard deviation grows like the "
            f"square root of the number of inputs that are not 0 (at most √{fan_in} = {math.sqrt(fan_in):.0f})."
        )
    advice = "Try Xavier weights, which are divided by about that square root, from the same seed."
    if run.config.initializer != "normal":
        advice = f"Try a rate of {run.config.learning_rate / 10:g}, or ReLU, which is flat on one side only."
    return Diagnosis("saturated", happened, advice)


def _one_batch(run: _Run) -> Diagnosis | None:
    if run.config.batch_size < run.images or run.images <= 1:
        return None
    smaller = max(1, min(22, run.images // 10))
    happened = (
        f"The batch size is {run.config.batch_size:,} and there are {run.images:,} training images: every epoch is one "
        f"single batch and one single update, {run.config.epochs} updates in all."
    )
    advice = f"Try batches of {smaller}: {math.ceil(run.images / smaller):,} updates an epoch from the same images."
    return Diagnosis("one_batch", happened, advice)


def _overshoots(run: _Run) -> Diagnosis | None:
    losses = [epoch.train_loss for epoch in run.epochs]
    if run.halted or len(losses) < 2 or not all(map(math.isfinite, losses)):
        return None
    lowest = min(losses)
    if losses[-1] < CLIMBED * lowest or losses[-1] - lowest < 0.05:
        return None
    at = losses.index(lowest) + 1
    happened = (
        f"The training loss rises: {lowest:.3g} after epoch {at}, {losses[-1]:.3g} now. "
        f"At rate {run.config.learning_rate:g} the steps jump over the valley they should go down."
    )
    return Diagnosis("overshoots", happened, f"Try a rate of {run.config.learning_rate / 10:g} from the same start.")


def _guessing(run: _Run) -> Diagnosis | None:
    if len(run.epochs) < 2 or run.last.train_accuracy >= GUESSING:
        return None
    happened = (
        f"After {run.last.epoch} epochs {percent_text(run.last.train_accuracy, 1)} of the training images are right; "
        "always saying the same digit gets about 10 %. The network has learned next to nothing."
    )
    slow = run.config.learning_rate < 0.001
    advice = (
        f"Try a rate of {min(0.1, run.config.learning_rate * 10):g}."
        if slow
        else "Try He weights and a rate of 0.01, then change one thing at a time."
    )
    return Diagnosis("guessing", happened, advice)


def _worst_layer(run: _Run, name: str) -> tuple[int, float] | None:
    """The hidden layer (counted from 1) with the largest share, if it is more than `MOSTLY`."""
    shares = run.last.statistics.get(name, ()) if run.epochs else ()
    known = [(share, layer) for layer, share in enumerate(shares, start=1) if math.isfinite(share)]
    if not known:
        return None
    share, layer = max(known, key=lambda item: (item[0], -item[1]))
    return (layer, share) if share >= MOSTLY else None


RULES: tuple[Callable[[_Run], Diagnosis | None], ...] = (
    _diverged,
    _dead,
    _saturated,
    _one_batch,
    _overshoots,
    _guessing,
)
