"""What a result is worth: accuracy with its interval, precision, recall and F1, and whether a difference is noise.

Everything starts from a confusion matrix (`mlcore.classification`). `accuracy_interval` says how far luck in the
choice of test images reaches, `compare_accuracies` puts two results into one sentence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from mlcore.classification import (
    accuracy,
    confusion_matrix,
    precision_recall_f1,
    precision_recall_f1_per_class,
)

__all__ = [
    "Comparison",
    "Interval",
    "accuracy",
    "accuracy_interval",
    "compare_accuracies",
    "confusion_matrix",
    "precision_recall_f1",
    "precision_recall_f1_per_class",
    "wilson_interval",
]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An accuracy, as a fraction, and the interval that holds the true one in 95 of 100 such tests."""

    accuracy: float
    low: float
    high: float
    images: int

    @property
    def words(self) -> str:
        """`84.5 % (83.9 to 85.1)`."""
        return f"{100 * self.accuracy:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Comparison:
    """Two accuracies held against each other.

    Attributes:
        difference: first less second, as a fraction.
        low, high: 95 % interval of that difference.
        noise: whether the interval holds 0.
        words: one sentence.
    """

    difference: float
    low: float
    high: float
    noise: bool
    words: str


def wilson_interval(right: int, images: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's interval for a share: it stays inside [0, 1] and fits also near its ends (Wilson 1927).

    Args:
        right: images answered rightly.
        images: images asked about.

    Raises:
        ValueError: no images, or more right answers than images.
    """
    if not 0 <= right <= images or images < 1:
        raise ValueError(f"{right} right answers of {images} images make no accuracy")
    # By its formula: scipy.stats, which knows it too, would add half a second and 65 MB to the app's process.
    share = right / images
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    scale = 1 + z**2 / images
    centre = (share + z**2 / (2 * images)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), images)


def accuracy_interval(confusion: Any) -> Interval:
    """The accuracy that a confusion matrix shows, with its 95 % Wilson interval."""
    import numpy as np

    counts = np.asarray(confusion)
    return wilson_interval(int(np.trace(counts)), int(counts.sum()))


def compare_accuracies(
    first: Interval, second: Interval, names: tuple[str, str] = ("the first", "the second")
) -> Comparison:
    """Is the difference of two accuracies more than luck?

    The interval of the difference is Newcombe's (1998, method 10), built from the two Wilson intervals; the two tests
    are taken as independent, which for two networks judged on the same images errs on the careful side.

    Args:
        names: what to call the two in the sentence.
    """
    difference = first.accuracy - second.accuracy
    low = difference - math.hypot(first.accuracy - first.low, second.high - second.accuracy)
    high = difference + math.hypot(first.high - first.accuracy, second.accuracy - second.low)
    noise = low <= 0 <= high
    better, worse = names if difference >= 0 else names[::-1]
    size = f"{100 * abs(difference):.1f} percentage points"
    inside = f"{100 * low:+.1f} to {100 * high:+.1f}"
    if noise:
        words = f"The difference of {size} between {names[0]} and {names[1]} is inside the noise ({inside})."
    else:
        words = f"{better[0].upper()}{better[1:]} is ahead of {worse} by {size}, more than luck explains ({inside})."
    return Comparison(difference, low, high, noise, words)
