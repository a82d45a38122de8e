"""What a result is worth: accuracy with its interval, precision, recall and F1, and whether a difference is noise.

Everything starts from a confusion matrix (`mlcore.classification`). `accuracy_interval` says how far luck in the
choice of test images reaches, `difference_interval` how far it reaches in the difference of two.
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
    "Interval",
    "accuracy",
    "accuracy_interval",
    "confusion_matrix",
    "difference_interval",
    "loss_figure",
    "percent_text",
    "precision_recall_f1",
    "precision_recall_f1_per_class",
    "wilson_interval",
]

CONFIDENCE = 0.95


def percent_text(fraction: float, digits: int = 2) -> str:
    """A fraction as per cent: 97.86 %."""
    return f"{100 * fraction:.{digits}f} %"


def loss_figure(loss: float) -> str:
    """A loss with three decimals, or in powers of ten where it has grown large: 0.478, 1.12e+13."""
    return f"{loss:.3f}" if abs(loss) < 1000 else f"{loss:.3g}"


@dataclass(frozen=True)
class Interval:
    """An accuracy, as a fraction, and the interval that holds the true one in 95 of 100 such tests."""

    accuracy: float
    low: float
    high: float
    images: int


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


def difference_interval(first: Interval, second: Interval) -> tuple[float, float]:
    """Where the difference of two accuracies, first less second, lies with 95 % confidence; fractions.

    The interval is Newcombe's (1998, method 10), built from the two Wilson intervals; the two tests are taken as
    independent, which for two networks judged on the same images errs on the careful side.
    """
    difference = first.accuracy - second.accuracy
    low = difference - math.hypot(first.accuracy - first.low, second.high - second.accuracy)
    high = difference + math.hypot(first.high - first.accuracy, second.accuracy - second.low)
    return low, high
