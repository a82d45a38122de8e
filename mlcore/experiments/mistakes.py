"""The images behind one cell of a confusion matrix, surest answers first, each with its ten probabilities.

`answers_for_digit(network, digits, rows, 4)` lets a network of lesson 2 answer for every 4 among some rows;
`cell_of(answers, 9)` keeps those it called 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.data.mnist import Digits
from mlcore.scratch.network import Network, as_floats, forward


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network said about some images of one digit.

    Attributes:
        rows: (n,) row numbers of the images in the source.
        probabilities: (n, 10), each row adding up to 1.
        said: (n,) the likeliest digit of each.
    """

    rows: NDArray[np.intp]
    probabilities: NDArray[Any]
    said: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)


def answers_for_digit(network: Network, digits: Digits, rows: NDArray[np.intp], true: int) -> Answers:
    """What a network says about all images of the digit `true` among `rows`.

    Only these are computed, a tenth of the rows or so, so that a page can ask again for every epoch.
    """
    mine = rows[digits.labels[rows] == true]
    probabilities = forward(network, as_floats(digits.images[mine], network.parameters.dtype)).probabilities
    return Answers(mine, probabilities, probabilities.argmax(axis=1))


def cell_of(answers: Answers, said: int) -> Answers:
    """Those of the answers that were `said`, the most confident first."""
    chosen = np.flatnonzero(answers.said == said)
    chosen = chosen[np.argsort(-answers.probabilities[chosen, said], kind="stable")]
    return Answers(answers.rows[chosen], answers.probabilities[chosen], answers.said[chosen])
