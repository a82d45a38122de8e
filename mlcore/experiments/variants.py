"""What a change did to a run, in words: two runs of one network, compared by rules at the last epoch both have.

Each rule of `COMPARISONS` reads the curves of a run and of its variant and returns a sentence with the numbers it saw,
or `None`; `compare` asks all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlcore.experiments.comparison import compare_shares
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.overfitting import (
    Curves,
    Finding,
    came_apart,
    how_it_is_read,
    loss_text,
    times_text,
)

LEVELS = (0.98, 0.97, 0.96, 0.95, 0.9, 0.8)
"""Validation accuracies to which the two runs race; the highest that both reach is taken."""


def gap_changed(base: Curves, other: Curves) -> str | None:
    """The gap at the end is at least a fifth smaller or larger."""
    ours, theirs = base.at_end(base.gap), other.at_end(other.gap)
    if min(ours, theirs) <= 0 or 0.8 < theirs / ours < 1.25:
        return None
    word = "narrower" if theirs < ours else "wider"
    ratio = max(ours, theirs) / min(ours, theirs)
    return (
        f"At the end the gap between validation and training loss (evaluation mode) is {loss_text(theirs)} "
        f"with {other.name} and {loss_text(ours)} with {base.name}: {times_text(ratio)} {word}."
    )


def turning_moved(base: Curves, other: Curves) -> str | None:
    """The validation loss turns in one run only, or at another epoch."""
    if base.turned and not other.turned:
        return (
            f"With {base.name} validation loss turned at epoch {base.epoch[base.lowest]:.0f}; with {other.name} it "
            f"had not turned by epoch {other.epoch[-1]:.0f}."
        )
    if other.turned and not base.turned:
        return (
            f"With {other.name} validation loss turned at epoch {other.epoch[other.lowest]:.0f}; with {base.name} it "
            f"had not turned by epoch {base.epoch[-1]:.0f}."
        )
    here, there = base.epoch[base.lowest], other.epoch[other.lowest]
    if not base.turned or abs(there - here) < max(2, 0.2 * here):
        return None
    word = "later" if there > here else "earlier"
    return (
        f"Validation loss turned {word}: at epoch {there:.0f} with {other.name}, at epoch {here:.0f} with {base.name}."
    )


def lowest_changed(base: Curves, other: Curves) -> str | None:
    """The lowest validation loss differs by 5 % or more."""
    ours, theirs = base.validation_loss[base.lowest], other.validation_loss[other.lowest]
    if abs(theirs / ours - 1) < 0.05:
        return None
    word = "better" if theirs < ours else "worse"
    return (
        f"At its best epoch {other.name} is {word} in validation loss: {loss_text(theirs)} (epoch "
        f"{other.epoch[other.lowest]:.0f}) against {loss_text(ours)} (epoch {base.epoch[base.lowest]:.0f})."
    )


def accuracy_changed(base: Curves, other: Curves) -> str | None:
    """Whether the accuracies at the end differ by more than chance would explain; one of three sentences, always."""
    ours, theirs = base.at_end(base.validation_accuracy), other.at_end(other.validation_accuracy)
    verdict = compare_shares(ours, base.validation_images, theirs, base.validation_images)
    figures = f"{percent_text(theirs)} with {other.name}, {percent_text(ours)} with {base.name}"
    if verdict.noise:
        return f"Validation accuracy at the end is much the same: {figures}, {verdict.words}."
    if verdict.difference > 0:
        return f"Validation accuracy at the end is higher: {figures}, {verdict.words}."
    return f"Here {other.name} hurt: validation accuracy at the end is lower, {figures}, {verdict.words}."


def learns_slower(base: Curves, other: Curves) -> str | None:
    """The variant needs at least half as many epochs again, and two more, for the highest level both reach."""
    reached = [
        level for level in LEVELS if min(base.validation_accuracy.max(), other.validation_accuracy.max()) >= level
    ]
    if not reached:
        return None
    here, there = (run.epoch[int(np.argmax(run.validation_accuracy >= reached[0]))] for run in (base, other))
    if there < max(1.5 * here, here + 2):
        return None
    return (
        f"Where it costs: {other.name} learns more slowly. {100 * reached[0]:.0f} % of the validation images are "
        f"first right at epoch {there:.0f}, with {base.name} at epoch {here:.0f}."
    )


def fit_worsened(base: Curves, other: Curves) -> str | None:
    """The training images are learned less well at the end, by 0.2 points or more."""
    ours, theirs = base.at_end(base.train_accuracy_eval), other.at_end(other.train_accuracy_eval)
    if ours - theirs < 0.002:
        return None
    text = (
        f"The training images are learned less well: {percent_text(theirs)} of them right at the end with "
        f"{other.name}, {percent_text(ours)} with {base.name}."
    )
    falling, held = other.learning_rate[-1] < other.learning_rate[0], other.dropout > base.dropout
    if falling and held:
        return f"{text} A falling rate and dropout both hold it back; these two runs cannot tell which does more."
    if falling:
        return f"{text} The rate fell before they were learned."
    return f"{text} That is the price of holding a network back." if held else text


def frozen(base: Curves, other: Curves) -> str | None:
    """The schedule has cut the variant's rate to a thousandth: from there on it only stands still."""
    small = other.learning_rate <= 1e-3 * other.learning_rate[0] * (1 + 1e-9)
    if not small[-1] or base.learning_rate[-1] < base.learning_rate[0]:
        return None
    since = int(np.argmax(small))
    return (
        f"From epoch {other.epoch[since]:.0f} on, the schedule leaves {other.name} a rate of "
        f"{other.learning_rate[since]:.0e} or less: its training accuracy moved from "
        f"{percent_text(float(other.train_accuracy_eval[since]))} there to "
        f"{percent_text(other.at_end(other.train_accuracy_eval))}; that of {base.name} went from "
        f"{percent_text(float(base.train_accuracy_eval[since]))} to "
        f"{percent_text(base.at_end(base.train_accuracy_eval))}."
    )


COMPARISONS: dict[str, Callable[[Curves, Curves], str | None]] = {
    "gap_changed": gap_changed,
    "turning_moved": turning_moved,
    "lowest_changed": lowest_changed,
    "accuracy_changed": accuracy_changed,
    "learns_slower": learns_slower,
    "fit_worsened": fit_worsened,
    "frozen": frozen,
}


def compare(base: Curves, other: Curves) -> list[Finding]:
    """What differs between two runs of one network, at the epochs they share, in the order of `COMPARISONS`."""
    shared = min(len(base), len(other))
    if shared < 3:
        return [Finding("too_short", f"The two runs share {shared} epochs; three are needed to compare them.")]
    base, other = base.first(shared), other.first(shared)
    for run in (base, other):
        if came_apart(run):
            return [Finding("came_apart", f"There is nothing to compare: {run.name} came apart.")]
    found = [Finding(name, text) for name, rule in COMPARISONS.items() if (text := rule(base, other)) is not None]
    return found + how_it_is_read(other)
