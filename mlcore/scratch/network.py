"""A fully connected network in NumPy alone: how it starts, how it answers, and how its gradients are computed.

`initial_network` draws the weights, `forward` keeps every z and every a on the way to the logits, and `backward` walks
back through them. Notation: layer l = 1 … L has weights W_l (inputs, units) and biases b_l (units,); a batch has n
images, one a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.initializers import INITIALIZERS
from mlcore.scratch.losses import LOSSES, softmax

Floats = NDArray[Any]
LOSS = LOSSES["cross_entropy"]


class Layer(NamedTuple):
    """weights: (inputs, units); bias: (units,). Also used for their gradients, which have the same shapes."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Network:
    """A network and all its parameters.

    Attributes:
        sizes: units of every layer, input and output included, e.g. (784, 128, 64, 10).
        activations: of each hidden layer, names from `ACTIVATIONS`.
        parameters: one flat vector of all weights and biases; `layers` are views into it.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    parameters: Floats

    @property
    def layers(self) -> list[Layer]:
        """The parameters of each layer, as views: changing them changes the network."""
        return layers_of(self.sizes, self.parameters)


@dataclass(frozen=True, eq=False)
class Forward:
    """Everything a forward pass computed.

    Attributes:
        z: of layers 1 … L, each (n, units); the last are the logits.
        a: of layers 0 … L - 1, each (n, units); the first are the images.
    """

    z: list[Floats]
    a: list[Floats]

    @property
    def logits(self) -> Floats:
        """(n, 10): the last layer's z."""
        return self.z[-1]

    @property
    def probabilities(self) -> Floats:
        """(n, 10): softmax of the logits."""
        return softmax(self.logits)


@dataclass(frozen=True, eq=False)
class Backward:
    """Everything a backward pass computed, for the mean loss over the batch.

    Attributes:
        deltas: ∂loss/∂z of layers 1 … L, each (n, units).
        gradient: ∂loss/∂parameters, one flat vector in the order of `Network.parameters`.
        layers: the same by layer, as views: ∂loss/∂W (inputs, units) and ∂loss/∂b (units,).
    """

    deltas: list[Floats]
    gradient: Floats
    layers: list[Layer]


def layers_of(sizes: Sequence[int], parameters: Floats) -> list[Layer]:
    """Cut a flat vector into layers: for each, the rows of its weights, then its biases as one row more."""
    return [Layer(block[:-1], block[-1]) for block in blocks_of(sizes, parameters)]


def blocks_of(sizes: Sequence[int], parameters: Floats) -> list[Floats]:
    """Each layer as one (inputs + 1, units) array, biases in the last row."""
    blocks, start = [], 0
    for inputs, units in pairwise(sizes):
        end = start + (inputs + 1) * units
        blocks.append(parameters[start:end].reshape(inputs + 1, units))
        start = end
    return blocks


def initial_network(
    sizes: Sequence[int],
    activations: Sequence[str],
    initializer: str,
    bias: float,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> Network:
    """A network before its first update (report R1: weights from N(0, 1), every bias 1).

    Args:
        initializer: a name from `INITIALIZERS`.
        bias: what every bias starts at.
        rng: draws the weights, layer by layer.
        dtype: float32 to train, float64 to check gradients; the same numbers, rounded.
    """
    deviation = INITIALIZERS[initializer].deviation
    parts = []
    for inputs, units in pairwise(sizes):
        parts.append(rng.standard_normal(inputs * units) * deviation(inputs, units))
        parts.append(np.full(units, bias))
    return Network(tuple(sizes), tuple(activations), np.concatenate(parts).astype(dtype))


def as_floats(images: NDArray[np.uint8], dtype: DTypeLike = np.float32) -> Floats:
    """Pixels from 0 … 255 to [0, 1]."""
    scaled: Floats = np.multiply(images, np.reciprocal(np.asarray(255, dtype)), dtype=dtype)
    return scaled


def forward(network: Network, images: Floats) -> Forward:
    """Let the network answer.

    Args:
        images: (n, 784), floats in [0, 1].
    """
    a, z = [images], []
    layers = network.layers
    for layer, name in zip(layers[:-1], network.activations, strict=True):
        z.append(a[-1] @ layer.weights + layer.bias)  # z_l = a_{l-1} W_l + b_l      (n, units)
        a.append(ACTIVATIONS[name].value(z[-1]))  # a_l = φ(z_l)                 (n, units)
    z.append(a[-1] @ layers[-1].weights + layers[-1].bias)  # the logits: z_L = a_{L-1} W_L + b_L   (n, 10)
    return Forward(z, a)


def backward(network: Network, passed: Forward, labels: NDArray[Any]) -> Backward:
    """The gradient of the mean loss by every parameter, from the last layer to the first.

    Args:
        passed: what `forward` returned for a batch.
        labels: (n,), the true digits of that batch.
    """
    gradient = np.empty_like(network.parameters)
    gradients = layers_of(network.sizes, gradient)
    delta = LOSS.gradient(passed.logits, labels)  # δ_L = (p - y) / n                (n, 10)
    deltas = [delta]
    for index in reversed(range(len(gradients))):
        np.matmul(passed.a[index].T, delta, out=gradients[index].weights)  # ∂loss/∂W_l = a_{l-1}ᵀ δ_l  (inputs, units)
        np.sum(delta, axis=0, out=gradients[index].bias)  # ∂loss/∂b_l = Σ_n δ_l             (units,)
        if index > 0:
            slope = ACTIVATIONS[network.activations[index - 1]].slope(passed.a[index])
            delta = (delta @ network.layers[index].weights.T) * slope  # δ_{l-1} = (δ_l W_lᵀ) ∘ φ'(z_{l-1})
            deltas.insert(0, delta)
    return Backward(deltas, gradient, gradients)


def losses(passed: Forward, labels: NDArray[Any]) -> Floats:
    """(n,): the cross-entropy of each image, in nats."""
    return LOSS.per_image(passed.logits, labels)
