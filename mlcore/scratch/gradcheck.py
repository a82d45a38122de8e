"""Is the backward pass right? Nudge one parameter at a time and see whether the loss moves as the gradient says.

`gradient_check` compares both for some parameters of every layer and keeps the two numbers of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcore.data.mnist import Digits
from mlcore.records import Checkpoint
from mlcore.scratch.network import Floats, Network, as_floats, backward, forward, losses
from mlcore.scratch.threads import one_thread
from mlcore.scratch.trainer import ScratchSettings, network_of

# Half of the difference between two float64 losses of size 1 is uncertain by 1e-16; a nudge of 1e-5 makes that 1e-11,
# while what the straight line misses shrinks with the nudge's square.
NUDGE = 1e-5
# What rounding leaves uncertain would be a large part of a gradient close to 0. So an error is held against the
# gradient, but at least against a thousandth of the largest one among the same layer's weights (or biases), and 1e-6.
SMALLEST_PART = 1e-3
SMALLEST = 1e-6
AGREES = 1e-4
"""A worst relative error below this is rounding; a mistake in a formula gives 0.01 and more."""


@dataclass(frozen=True)
class CheckedParameter:
    """One parameter's gradient computed twice.

    Attributes:
        layer: 1 for the first.
        kind: weight or bias.
        place: (input, unit) of a weight, (unit,) of a bias.
        analytic: from the backward pass.
        numeric: (loss(w + h) - loss(w - h)) / 2h.
        scale: the largest gradient among the same layer's weights, or biases.
        relative_error: |analytic - numeric| / max(|analytic|, |numeric|, scale / 1000, 1e-6).
    """

    layer: int
    kind: Literal["weight", "bias"]
    place: tuple[int, ...]
    analytic: float
    numeric: float
    scale: float

    @property
    def relative_error(self) -> float:
        size = max(abs(self.analytic), abs(self.numeric), SMALLEST_PART * self.scale, SMALLEST)
        return abs(self.analytic - self.numeric) / size


@dataclass(frozen=True)
class GradientCheck:
    """All parameters checked; `worst` is the one whose two numbers differ most."""

    parameters: tuple[CheckedParameter, ...]
    images: int

    @property
    def worst(self) -> CheckedParameter:
        return max(self.parameters, key=lambda checked: checked.relative_error)

    def worst_of_layer(self, layer: int) -> CheckedParameter:
        """The worst among one layer's; layers count from 1."""
        return max((p for p in self.parameters if p.layer == layer), key=lambda checked: checked.relative_error)


def gradient_check(
    config: ScratchSettings,
    data: Digits,
    *,
    checkpoint: Checkpoint | None = None,
    images: int = 8,
    per_layer: int = 20,
    seed: int = 0,
) -> GradientCheck:
    """Check the gradients of a run's network on some images, in float64.

    Args:
        checkpoint: where the run stands; None for its initial weights.
        images: how many, drawn by the seed.
        per_layer: how many weights, and at most how many biases, of every layer.
        seed: draws images and parameters.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(data), size=images, replace=False)
    trained = network_of(config, checkpoint)
    network = Network(trained.sizes, trained.activations, trained.parameters.astype(np.float64))
    with one_thread():
        return check_network(network, as_floats(data.images[rows], np.float64), data.labels[rows], per_layer, rng)


def check_network(
    network: Network, images: Floats, labels: NDArray[np.uint8], per_layer: int, rng: np.random.Generator
) -> GradientCheck:
    """Check `per_layer` weights and biases of every layer; all of them where a layer has no more.

    Args:
        network: with float64 parameters; they are nudged, and put back.
        images: (n, inputs), float64; weights on pixels that are blank in all of them have gradient 0 and are passed
            over where others are left.
    """
    gradients = backward(network, forward(network, images), labels).layers
    checked = []
    for number, (layer, gradient) in enumerate(zip(network.layers, gradients, strict=True), start=1):
        kinds: tuple[tuple[Literal["weight", "bias"], Floats, Floats], ...] = (
            ("weight", layer.weights, gradient.weights),
            ("bias", layer.bias, gradient.bias),
        )
        for kind, values, analytic in kinds:
            scale = float(np.abs(analytic).max())
            for flat in _chosen(analytic, per_layer, rng):
                place = tuple(int(index) for index in np.unravel_index(flat, values.shape))
                numeric = _central_difference(network, values, place, images, labels)
                checked.append(CheckedParameter(number, kind, place, float(analytic[place]), numeric, scale))
    return GradientCheck(tuple(checked), len(images))


def _chosen(gradient: Floats, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Which entries to check: those with a gradient first."""
    order = rng.permutation(gradient.size)
    has_none = gradient.reshape(-1)[order] == 0
    return order[np.argsort(has_none, kind="stable")][:count]


def _central_difference(
    network: Network, values: Floats, place: tuple[int, ...], images: Floats, labels: NDArray[np.uint8]
) -> float:
    """(loss(w + h) - loss(w - h)) / 2h, from each image's difference, so that large losses do not drown small ones."""
    kept = values[place]
    values[place] = kept + NUDGE
    above = losses(forward(network, images), labels)
    values[place] = kept - NUDGE
    below = losses(forward(network, images), labels)
    values[place] = kept
    return float((above - below).mean() / (2 * NUDGE))
