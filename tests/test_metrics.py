"""Metrics against scikit-learn and SciPy, and the words that a difference earns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from mlcore.classification import accuracy, confusion_matrix, precision_recall_f1
from mlcore.experiments.comparison import compare_shares
from mlcore.experiments.metrics import accuracy_interval, difference_interval, wilson_interval


def _answers(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.integers(0, 10, 2_000).astype(np.uint8)
    predicted = np.where(rng.random(2_000) < 0.7, truth, rng.integers(0, 10, 2_000)).astype(np.uint8)
    if kind == "a digit never called":
        predicted[predicted == 4] = 9
    if kind == "a digit never there":
        predicted, truth = predicted[truth != 7], truth[truth != 7]
    if kind == "a digit neither called nor there":
        keep = (truth != 7) & (predicted != 7)
        predicted, truth = predicted[keep], truth[keep]
    if kind == "one answer to all":
        predicted[:] = 3
    return truth, predicted


KINDS = (
    "ordinary",
    "a digit never called",
    "a digit never there",
    "a digit neither called nor there",
    "one answer to all",
)


@pytest.mark.parametrize("kind", KINDS)
def test_all_figures_equal_scikit_learns(kind: str) -> None:
    truth, predicted = _answers(kind, np.random.default_rng(3))
    confusion = confusion_matrix(truth, predicted)
    expected = sklearn_metrics.confusion_matrix(truth, predicted, labels=range(10))
    np.testing.assert_array_equal(confusion, expected)
    assert accuracy(confusion) == pytest.approx(sklearn_metrics.accuracy_score(truth, predicted), abs=1e-12)
    for average in ("weighted", "macro"):
        ours = precision_recall_f1(confusion, average)
        theirs = sklearn_metrics.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        np.testing.assert_allclose(ours, theirs[:3], rtol=0, atol=1e-12)
    ours_each = precision_recall_f1(confusion, None)
    theirs_each = sklearn_metrics.precision_recall_fscore_support(truth, predicted, labels=range(10), zero_division=0)
    for ours_figure, theirs_figure in zip(ours_each, theirs_each[:3], strict=True):
        np.testing.assert_allclose(ours_figure, theirs_figure, rtol=0, atol=1e-12)


def test_rows_are_true_digits() -> None:
    confusion = confusion_matrix(np.array([4, 4, 9]), np.array([9, 4, 9]))
    assert confusion[4, 9] == 1
    assert confusion[9, 4] == 0


def test_what_is_not_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 9"):
        confusion_matrix(np.array([1, 10]), np.array([1, 1]))
    with pytest.raises(ValueError, match="cannot be compared"):
        confusion_matrix(np.array([1, 2]), np.array([1]))


def test_wilson_interval_by_hand() -> None:
    # Wilson 1927: centre (p + z²/2n) / (1 + z²/n), half-width z/(1 + z²/n) · sqrt(p(1-p)/n + z²/4n²), z = 1.959964.
    z, n, p = 1.959963984540054, 10, 0.8
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    interval = wilson_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((centre - half, centre + half), abs=1e-12)


@pytest.mark.parametrize(("right", "images"), [(0, 10), (8, 10), (9_783, 10_000), (3_000, 3_000)])
def test_wilson_interval_is_scipys(right: int, images: int) -> None:
    theirs = binomtest(right, images).proportion_ci(0.95, method="wilson")
    interval = wilson_interval(right, images)
    assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_interval_stays_inside() -> None:
    assert wilson_interval(50, 50).high == pytest.approx(1.0)
    assert wilson_interval(50, 50).low < 0.95
    assert wilson_interval(0, 50).low == pytest.approx(0.0)
    with pytest.raises(ValueError, match="no accuracy"):
        wilson_interval(3, 2)


def test_interval_of_a_confusion_matrix() -> None:
    interval = accuracy_interval(np.diag([90] * 10) + np.eye(10, k=1) * 10)
    assert interval.images == 990
    assert (interval.accuracy, interval.low, interval.high) == pytest.approx((0.909, 0.890, 0.925), abs=5e-4)


def test_a_small_difference_is_called_noise_and_a_large_one_is_not() -> None:
    close = compare_shares(0.831, 1_000, 0.835, 1_000)
    assert close.noise
    assert "inside the noise" in close.words
    far = compare_shares(0.974, 1_000, 0.845, 1_000)
    assert not far.noise
    assert far.difference == pytest.approx(-12.9)
    # Newcombe's interval, worked out with the two Wilson intervals by hand.
    low, high = difference_interval(wilson_interval(845, 1_000), wilson_interval(974, 1_000))
    assert (far.low, far.high) == pytest.approx((100 * low, 100 * high))
    assert (low, high) == pytest.approx((-0.1541, -0.1048), abs=5e-5)


def test_the_noise_verdict_holds_its_level() -> None:
    """Two equally good networks are called different in about 5 of 100 comparisons."""
    rng = np.random.default_rng(1)
    draws = rng.binomial(1_000, 0.9, size=(400, 2)) / 1_000
    called = sum(not compare_shares(first, 1_000, second, 1_000).noise for first, second in draws)
    assert 4 <= called <= 40
