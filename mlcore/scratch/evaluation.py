"""How a network does on images it did not learn from, and what state its layers are in.

`evaluate` judges and looks at the hidden units on the way; `gradient_norms` and `weight_norms` say how large things
have become, layer by layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcore.classification import confusion_matrix
from mlcore.data.mnist import Digits
from mlcore.records import Confusion
from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.network import Floats, Network, as_floats, backward, forward, losses

# Images judged at a time, so that what a pass keeps stays small.
IMAGES_AT_A_TIME = 1_000
# A sigmoid or tanh unit counts as saturated within this share of its range from either end, where its slope is small.
NEAR_THE_END = 0.01


@dataclass(frozen=True)
class Judgement:
    """What an evaluation came to.

    Attributes:
        loss: mean cross-entropy in nats.
        accuracy: in [0, 1].
        confusion: (10, 10) counts, rows true.
        dead: for each hidden layer, the share of its units that are active for none of the images (ReLU; 0 for other
            activations).
        saturated: for each hidden layer, the share of its outputs within 1 % of the ends of their range on the first
            1,000 of the images (sigmoid and tanh; 0 for other activations).
    """

    loss: float
    accuracy: float
    confusion: Confusion
    dead: tuple[float, ...]
    saturated: tuple[float, ...]


def evaluate(network: Network, data: Digits, rows: NDArray[np.intp]) -> Judgement:
    """Judge a network on some rows of the data, at least one."""
    loss, predicted = 0.0, np.empty(len(rows), np.uint8)
    highest: list[Floats] = []  # of each hidden layer's units, over the images so far
    saturated: tuple[float, ...] = ()
    for begin in range(0, len(rows), IMAGES_AT_A_TIME):
        part = rows[begin : begin + IMAGES_AT_A_TIME]
        passed = forward(network, as_floats(data.images[part], network.parameters.dtype))
        loss += float(losses(passed, data.labels[part]).sum(dtype=np.float64))
        predicted[begin : begin + len(part)] = passed.logits.argmax(axis=1)
        found = [a.max(axis=0) for a in passed.a[1:]]
        highest = [np.maximum(*pair) for pair in zip(highest, found, strict=True)] if highest else found
        if begin == 0:
            saturated = tuple(_saturated(a, name) for a, name in zip(passed.a[1:], network.activations, strict=True))
    confusion = confusion_matrix(data.labels[rows], predicted)
    return Judgement(
        loss=loss / len(rows),
        accuracy=float(np.trace(confusion)) / len(rows),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        dead=tuple(_dead(units, name) for units, name in zip(highest, network.activations, strict=True)),
        saturated=saturated,
    )


def gradient_norms(network: Network, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[float, ...]:
    """For each layer, the length of the gradient of the mean loss by its weights and biases."""
    passed = forward(network, as_floats(images, network.parameters.dtype))
    gradients = backward(network, passed, labels).layers
    return tuple(float(np.hypot(_norm(layer.weights), _norm(layer.bias))) for layer in gradients)


def weight_norms(network: Network) -> tuple[float, ...]:
    """For each layer, the length of its weights taken as one vector, biases apart."""
    return tuple(_norm(layer.weights) for layer in network.layers)


def _norm(values: Floats) -> float:
    return float(np.sqrt(np.vdot(values, values)))


def _dead(highest: Floats, name: str) -> float:
    return float((highest <= 0).mean()) if ACTIVATIONS[name].can_die else 0.0


def _saturated(a: Floats, name: str) -> float:
    ends = ACTIVATIONS[name].ends
    if ends is None:
        return 0.0
    low, high = ends
    margin = NEAR_THE_END * (high - low)
    return float(((a < low + margin) | (a > high - margin)).mean())
