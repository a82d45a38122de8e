"""How wrong an answer is: a number to make small, and its gradient, side by side.

`LOSSES["cross_entropy"]` takes the logits z of the output layer; softmax turns them into probabilities p.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Labels = NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """A loss.

    Attributes:
        formula, gradient_formula: LaTeX, per image.
        per_image: (logits (n, classes), labels (n,)) -> (n,) losses in nats.
        gradient: likewise -> (n, classes), the derivative of the *mean* loss by each logit.
    """

    label: str
    formula: str
    gradient_formula: str
    per_image: Callable[[Floats, Labels], Floats]
    gradient: Callable[[Floats, Labels], Floats]


def softmax(logits: Floats) -> Floats:
    """Probabilities (n, classes) that add up to 1 in each row: p_j = e^{z_j} / Σ_k e^{z_k}.

    Taking the largest logit away from all of them changes nothing in p and keeps e^z from overflowing.
    """
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _cross_entropy(logits: Floats, labels: Labels) -> Floats:
    # -log p_y = log Σ_k e^{z_k} - z_y; written so, it stays finite where p_y itself would round to 0.
    largest = logits.max(axis=1)
    log_of_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    losses: Floats = log_of_sum - logits[np.arange(len(labels)), labels]
    return losses


def _cross_entropy_gradient(logits: Floats, labels: Labels) -> Floats:
    # d(-log p_y) / dz_j = p_j - [j = y]: how much probability is in the wrong place.
    gradient = softmax(logits)
    gradient[np.arange(len(labels)), labels] -= 1
    gradient /= len(labels)
    return gradient


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(
        "cross-entropy",
        r"L = -\log p_y, \quad p_j = \frac{e^{z_j}}{\sum_k e^{z_k}}",
        r"\frac{\partial L}{\partial z_j} = p_j - [j = y]",
        _cross_entropy,
        _cross_entropy_gradient,
    ),
}
