"""How well digits were told apart, counted from a confusion matrix; plain NumPy, for both trainers.

`confusion_matrix` counts true against predicted digits, `precision_recall_f1_per_class` judges every digit, and
`precision_recall_f1` averages the ten into one figure.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def confusion_matrix(truth: NDArray[Any], predicted: NDArray[Any], classes: int = 10) -> Counts:
    """Count how often each true class was called each class.

    Args:
        truth: (n,) true classes, whole numbers from 0 to classes - 1.
        predicted: (n,) predicted classes, likewise.

    Returns:
        (classes, classes) counts; rows are true classes, columns predicted ones.

    Raises:
        ValueError: the two differ in length, or hold something that is not a class.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"{truth.shape[0]} true classes cannot be compared with {predicted.shape[0]} predicted ones")
    for values in (truth, predicted):
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < classes:
            raise ValueError(f"classes must be whole numbers from 0 to {classes - 1}")
    # One number per pair (true, predicted), so that counting pairs is counting numbers.
    pairs = truth.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def accuracy(confusion: Any) -> float:
    """The share of right answers, in [0, 1]: the diagonal over everything. NaN where there is nothing to judge."""
    counts = np.asarray(confusion, dtype=np.int64)
    return _ratio(np.trace(counts), counts.sum(), empty=float("nan"))


def precision_recall_f1_per_class(confusion: Any) -> tuple[Floats, Floats, Floats]:
    """Three figures per class, each (classes,) in [0, 1].

    precision = of those called c, the share that are c; recall = of those that are c, the share called c;
    F1 = 2 · precision · recall / (precision + recall). A class that is never called, or never there, counts as 0,
    as scikit-learn has it with `zero_division=0`.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    right = np.diagonal(counts)
    called, there = counts.sum(axis=0), counts.sum(axis=1)
    precision = _ratios(right, called)
    recall = _ratios(right, there)
    # The same as 2PR / (P + R), without a 0 / 0 where a class has no right answer.
    f1 = _ratios(2 * right, called + there)
    return precision, recall, f1


def precision_recall_f1(
    confusion: Any, average: Literal["weighted", "macro"] | None = "weighted"
) -> tuple[float, float, float] | tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of all classes together.

    Args:
        confusion: (classes, classes) counts; rows are true classes.
        average: `weighted` by how many of each class there are (report R2's figures; its recall equals accuracy),
            `macro` for the plain mean over classes, None for one (classes,) array each.
    """
    per_class = precision_recall_f1_per_class(confusion)
    if average is None:
        return per_class
    there = np.asarray(confusion, dtype=np.float64).sum(axis=1)
    # scikit-learn averages over the classes that occur, as truth or as answer.
    occurs = there + np.asarray(confusion, dtype=np.float64).sum(axis=0) > 0
    weights = there if average == "weighted" else occurs.astype(np.float64)
    total = float(weights.sum())
    precision, recall, f1 = (_ratio(float(figures @ weights), total) for figures in per_class)
    return precision, recall, f1


def _ratio(part: float, whole: float, empty: float = 0.0) -> float:
    return float(part) / float(whole) if whole else empty


def _ratios(part: Floats, whole: Floats) -> Floats:
    result: Floats = np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
    return result
