"""Splits: nested, seeded, apart from each other, and of the sizes the reports have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.data.mnist import Digits
from mlcore.data.splits import split_fraction, split_network

FRACTIONS = st.floats(0.05, 0.9)
SEEDS = st.integers(0, 2**32 - 1)


def _digits(source: str) -> Digits:
    count, train = (70_000, 60_000) if source == "mnist" else (5_000, 5_000)
    return Digits(np.zeros((count, 1), np.uint8), np.zeros(count, np.uint8), source, train, "")


@settings(max_examples=50, deadline=None)
@given(count=st.integers(30, 3_000), one=FRACTIONS, other=FRACTIONS, seed=SEEDS)
def test_splits_are_whole_apart_and_nested(count: int, one: float, other: float, seed: int) -> None:
    small, large = (split_fraction(count, fraction, seed) for fraction in sorted((one, other)))
    for split in (small, large):
        assert sorted([*split.train, *split.test]) == list(range(count))
    assert set(small.train) <= set(large.train)
    assert len(large.train) == round(count * max(one, other))


def test_the_last_tenth_is_in_no_training_part() -> None:
    last_tenth = set(split_fraction(70_000, 0.9, 52).test)
    assert len(last_tenth) == 7_000
    for fraction in (0.7, 0.8, 0.9):
        split = split_fraction(70_000, fraction, 52)
        assert len(split.train) == round(70_000 * fraction)
        assert last_tenth.isdisjoint(split.train)


def test_the_seed_fixes_the_split() -> None:
    labels = np.zeros(500)
    np.testing.assert_array_equal(split_fraction(labels, 0.8, 1).train, split_fraction(500, 0.8, 1).train)
    assert not np.array_equal(split_fraction(500, 0.8, 1).train, split_fraction(500, 0.8, 2).train)


@pytest.mark.parametrize("fraction", [0, -0.1, 0.91, 1.0, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="at most 0.9"):
        split_fraction(100, fraction, 0)


def test_a_training_part_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="larger fraction"):
        split_fraction(10, 0.01, 0)


@pytest.mark.parametrize(("source", "sizes"), [("mnist", (57_000, 10_000, 3_000)), ("sample", (4_000, 750, 250))])
def test_network_splits_have_the_reports_sizes(source: str, sizes: tuple[int, ...]) -> None:
    digits = _digits(source)
    split = split_network(digits, 0)
    assert tuple(map(len, split)) == sizes
    assert sorted(np.concatenate(split)) == list(range(len(digits)))
    assert split.test.max() < digits.train_files
    assert not np.array_equal(split.test, split_network(digits, 1).test)


def test_network_validation_is_mnists_test_files() -> None:
    np.testing.assert_array_equal(split_network(_digits("mnist"), 3).validation, np.arange(60_000, 70_000))
