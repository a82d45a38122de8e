"""Which images are learned from and which are judged on: seeded, so that a lesson repeats, and nested.

`split_fraction` cuts the pooled images as report R1 does (70-30, 80-20, 90-10 or any fraction), `split_network` cuts
them in three as report R2 does. Both shuffle without regard to the digits: ten classes of nearly equal size stay
nearly equal in any large random part, so the parts are not stratified.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlcore.data.mnist import Digits

Indices = NDArray[np.intp]

LARGEST_TRAIN_FRACTION = 0.9

# Streams of random numbers that share a seed but must not share numbers: one name, one stream.
_FRACTION_STREAM = 1
_NETWORK_STREAM = 2

# Report R2: 60,000 training images less a random 5 %. The sample keeps the same roles at its own size.
_NETWORK_TEST = {"mnist": 3_000, "sample": 250}
_SAMPLE_VALIDATION = 750


class Split(NamedTuple):
    """Row numbers of two parts that share nothing and together are everything."""

    train: Indices
    test: Indices


class NetworkSplit(NamedTuple):
    """Row numbers of three parts that share nothing."""

    train: Indices
    validation: Indices
    test: Indices


def split_fraction(images: int | ArrayLike, train_fraction: float, seed: int) -> Split:
    """Cut n images into a training part and the rest, at random.

    One seed fixes one order of all images, and the training part is always its beginning. So the parts are nested
    (70 % is inside 80 %, inside 90 %), and the last tenth of that order is never trained on, whatever the fraction.

    Args:
        images: how many there are, or anything with that length, such as the labels.
        train_fraction: share to train on, in (0, 0.9].
        seed: fixes the order.

    Returns:
        Row numbers in that random order, so any beginning of a part is a random sample of it.

    Raises:
        ValueError: the fraction is out of range, or leaves nothing to train on.
    """
    count = int(images) if isinstance(images, (int, np.integer)) else len(np.asarray(images))
    if not 0 < train_fraction <= LARGEST_TRAIN_FRACTION:
        raise ValueError(f"the training fraction must be more than 0 and at most 0.9 (not {train_fraction})")
    training = round(count * train_fraction)
    if training < 1:
        raise ValueError(f"{train_fraction:g} of {count} images leaves none to train on: take a larger fraction")
    order = np.random.default_rng((seed, _FRACTION_STREAM)).permutation(count)
    return Split(order[:training], order[training:])


def split_network(digits: Digits, seed: int) -> NetworkSplit:
    """Cut as report R2 does: a random 5 % of the training files is the test part, MNIST's test files validate.

    Full MNIST gives 57,000 / 10,000 / 3,000 images; the sample, which has no test files, 4,000 / 750 / 250.
    """
    order = np.random.default_rng((seed, _NETWORK_STREAM)).permutation(digits.train_files)
    test, rest = np.split(order, [_NETWORK_TEST[digits.source]])
    if digits.source == "sample":
        validation, train = np.split(rest, [_SAMPLE_VALIDATION])
        return NetworkSplit(train, validation, test)
    return NetworkSplit(rest, np.arange(digits.train_files, len(digits.labels)), test)
