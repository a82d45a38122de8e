"""Honest selection: the best epoch is chosen on the validation images, so it must be judged on images that had no say.

`select` finds the epoch and puts its accuracy on both parts beside the last epoch's, each with a 95 % interval;
`explain` says in words what that is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcore.experiments.comparison import Verdict, compare_shares
from mlcore.experiments.metrics import percent_text, wilson_interval


@dataclass(frozen=True, slots=True)
class Judged:
    """One epoch's accuracy on the validation and on the test images; fractions, with 95 % Wilson intervals."""

    epoch: int
    validation_accuracy: float
    validation_interval: tuple[float, float]
    test_accuracy: float
    test_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Selection:
    """The epoch chosen on the validation images, and the last one.

    Attributes:
        validation_images, test_images: how many images each accuracy stands on.
    """

    best: Judged
    last: Judged
    validation_images: int
    test_images: int

    @property
    def gain(self) -> Verdict:
        """Test accuracy of the best epoch minus that of the last, in points, with its 95 % interval."""
        return compare_shares(self.last.test_accuracy, self.test_images, self.best.test_accuracy, self.test_images)


def select(table: Mapping[str, Any], validation_images: int, test_images: int) -> Selection:
    """Choose the epoch with the highest validation accuracy; of equal ones, the first.

    Args:
        table: columns `epoch`, `validation_accuracy` and `test_accuracy`, one value per epoch.

    Raises:
        ValueError: there is no epoch yet.
    """
    epochs, validation, test = (
        np.asarray(table[name], dtype=np.float64) for name in ("epoch", "validation_accuracy", "test_accuracy")
    )
    if not len(epochs):
        raise ValueError("no epoch is finished yet, so there is none to choose")

    def judge(position: int) -> Judged:
        """The epoch in this place of the table, with its intervals."""
        on_validation, on_test = float(validation[position]), float(test[position])
        return Judged(
            epoch=int(epochs[position]),
            validation_accuracy=on_validation,
            validation_interval=_interval(on_validation, validation_images),
            test_accuracy=on_test,
            test_interval=_interval(on_test, test_images),
        )

    return Selection(judge(int(np.argmax(validation))), judge(len(epochs) - 1), validation_images, test_images)


def _interval(share: float, images: int) -> tuple[float, float]:
    interval = wilson_interval(round(share * images), images)
    return interval.low, interval.high


def explain(selection: Selection) -> str:
    """What choosing was worth, in words, with the numbers of this run."""
    best, last = selection.best, selection.last
    text = (
        f"Epoch {best.epoch} was chosen because {percent_text(best.validation_accuracy)} of the validation images "
        "are right "
        f"there, the most of all epochs. That figure flatters: the images that chose the epoch also judged it. On the "
        f"{selection.test_images:,} test images, which had no say, the same weights have "
        f"{percent_text(best.test_accuracy)} "
        f"(95 % interval {percent_text(best.test_interval[0])} to {percent_text(best.test_interval[1])}). "
    )
    if best.epoch == last.epoch:
        return text + "It is also the last epoch, so choosing changed nothing."
    return text + (
        f"The last epoch, {last.epoch}, has {percent_text(last.test_accuracy)} on the same test images. "
        f"What choosing was worth: {selection.gain.words}."
    )
