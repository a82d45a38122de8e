"""Two networks on the same images: where both are wrong, where only one is, and whether the difference can be chance.

`disagreement` sorts the images into four groups; `Disagreement.chance` is McNemar's exact test on those where exactly
one of the two is right, the only ones that tell two networks apart. `explain` and `explain_silence` say what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]

GROUPS = {
    "both_wrong": "both wrong",
    "only_first_wrong": "only the first wrong",
    "only_second_wrong": "only the second wrong",
    "both_right": "both right",
}


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Positions of the images in each group, each group with the surest mistake first.

    Attributes:
        both_right: in the order of the images.
    """

    both_wrong: Indices
    only_first_wrong: Indices
    only_second_wrong: Indices
    both_right: Indices

    @property
    def chance(self) -> float:
        """Probability of a split at least as uneven between equally good networks (McNemar's exact test, two-sided)."""
        fewer, more = sorted((len(self.only_first_wrong), len(self.only_second_wrong)))
        uneven = fewer + more
        tail = sum(comb(uneven, wins) for wins in range(fewer + 1))
        # Whole numbers until the last division: comb(500, k) does not fit a float.
        return min(1.0, 2 * tail / 2**uneven) if uneven else 1.0


def disagreement(
    labels: npt.NDArray[Any], first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]
) -> Disagreement:
    """Sort images by which of two networks gets them right.

    Args:
        labels: (n,) true digits.
        first, second: (n, 10) probabilities of the two networks.

    Raises:
        ValueError: the three do not have the same length.
    """
    if not len(labels) == len(first) == len(second):
        raise ValueError(f"{len(labels)} labels, {len(first)} and {len(second)} answers: all three must be as many")
    answers = first.argmax(axis=1), second.argmax(axis=1)
    wrong1, wrong2 = answers[0] != labels, answers[1] != labels
    # How sure a network is of its answer; of two mistakes the surer one counts.
    sure1, sure2 = first.max(axis=1), second.max(axis=1)

    def group(members: npt.NDArray[np.bool_], sureness: npt.NDArray[np.floating]) -> Indices:
        positions = np.flatnonzero(members)
        return positions[np.argsort(-sureness[positions], kind="stable")]

    return Disagreement(
        both_wrong=group(wrong1 & wrong2, np.maximum(sure1, sure2)),
        only_first_wrong=group(wrong1 & ~wrong2, sure1),
        only_second_wrong=group(~wrong1 & wrong2, sure2),
        both_right=np.flatnonzero(~wrong1 & ~wrong2),
    )


def explain(result: Disagreement, first: str, second: str) -> str:
    """The split in words, with the numbers and what chance has to say."""
    total = sum(len(getattr(result, group)) for group in GROUPS)
    only1, only2 = len(result.only_first_wrong), len(result.only_second_wrong)
    text = (
        f"Of {total:,} images both get {len(result.both_wrong):,} wrong; {first} alone is wrong on {only1:,}, "
        f"{second} alone on {only2:,}. "
    )
    if not only1 + only2:
        return text + "The two answer alike on every image."
    chance = result.chance
    probability = f"{chance:.2f}" if chance >= 0.01 else f"{chance:.0e}"
    if chance < 0.05:
        better = first if only1 < only2 else second
        return (
            text + f"If they were equally good, a split this uneven would come up with probability {probability}: "
            f"{better} is better."
        )
    return (
        text
        + f"A split this uneven comes up with probability {probability} if they are equally good: it settles nothing."
    )


def explain_silence(
    name: str,
    labels: npt.NDArray[Any],
    answers: npt.NDArray[np.floating],
    biases: npt.NDArray[np.floating],
) -> str:
    """Images to which a network gives the answer of its output biases and no other, in words; "" for fewer than two.

    Args:
        name: what to call the network.
        labels: (n,) true digits.
        answers: (n, 10) its probabilities.
        biases: (10,) what it says where its last hidden layer is silent, `inference.answer_of_biases`.
    """
    silent = np.isclose(answers, biases, atol=1e-6).all(axis=1)
    count = int(silent.sum())
    if count < 2:
        return ""
    wrong = answers.argmax(axis=1) != labels
    return (
        f"{count:,} of these {len(labels):,} images leave every unit of {name}'s last hidden layer at 0. Only its "
        f"output biases answer then, with the same ten probabilities each time: {100 * biases.max():.1f} % for "
        f"{biases.argmax()}. Of its {int(wrong.sum()):,} mistakes, {int((wrong & silent).sum()):,} are of this kind."
    )
