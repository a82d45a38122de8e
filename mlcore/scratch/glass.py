"""One training step under the glass: every z, every a, every gradient, and the update of any one weight.

`one_step` takes the step that `train` would take on a batch, in float64 and slowly, and keeps everything;
`OneStep.weight_update` follows a single weight through it, with its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcore.data.mnist import Digits
from mlcore.records import Checkpoint
from mlcore.scratch.network import (
    Backward,
    Floats,
    Forward,
    Layer,
    Network,
    as_floats,
    backward,
    forward,
    layers_of,
    losses,
)
from mlcore.scratch.optimizers import OPTIMIZERS
from mlcore.scratch.threads import one_thread
from mlcore.scratch.trainer import ScratchSettings, network_of


@dataclass(frozen=True)
class WeightUpdate:
    """How one weight (or bias) changed: new = old - rate · gradient.

    Attributes:
        inputs: (n,), the value this weight multiplied in each image of the batch, a_{l-1}; ones for a bias.
        deltas: (n,), ∂loss/∂z of the unit it feeds, in each image.
        gradient: the sum of inputs · deltas.
    """

    inputs: Floats
    deltas: Floats
    gradient: float
    learning_rate: float
    old: float
    new: float


@dataclass(frozen=True, eq=False)
class OneStep:
    """Everything that happened in one step on n images.

    Attributes:
        rows: (n,), which images of the data.
        images: (n, 784), floats in [0, 1].
        labels: (n,), true digits.
        passed: every z and a; see `Forward`.
        loss: mean cross-entropy before the update, in nats.
        gradients: every delta and gradient; see `Backward`.
        before, after: the network around the update.
        loss_after: the same batch's loss after the update.
    """

    rows: NDArray[np.intp]
    images: Floats
    labels: NDArray[np.uint8]
    passed: Forward
    loss: float
    gradients: Backward
    before: Network
    after: Network
    loss_after: float
    learning_rate: float

    def shapes(self) -> list[dict[str, str]]:
        """For each layer, the shapes of what enters, W, b, z, and their gradients: the rows of a table."""
        table = []
        for number, layer in enumerate(self.before.layers, start=1):
            shapes = {"a of the layer below": self.passed.a[number - 1].shape, "W": layer.weights.shape}
            shapes |= {"b": layer.bias.shape, "z": self.passed.z[number - 1].shape}
            table.append({"layer": str(number)} | {name: " × ".join(map(str, shape)) for name, shape in shapes.items()})
        return table

    def weight_update(self, layer: int, source: int | None, unit: int) -> WeightUpdate:
        """Follow one parameter.

        Args:
            layer: 1 for the first.
            source: which input of the layer the weight comes from; None for the bias.
            unit: which unit it leads to.

        Raises:
            ValueError: there is no such weight.
        """
        sizes = self.before.sizes
        if not 1 <= layer < len(sizes):
            raise ValueError(f"the layer must be from 1 to {len(sizes) - 1} (not {layer})")
        inputs, units = sizes[layer - 1], sizes[layer]
        if not (0 <= unit < units and (source is None or 0 <= source < inputs)):
            raise ValueError(f"layer {layer} has inputs 0 to {inputs - 1} and units 0 to {units - 1}")
        deltas = self.gradients.deltas[layer - 1][:, unit]
        values = np.ones_like(deltas) if source is None else self.passed.a[layer - 1][:, source]

        def of(layers: Sequence[Layer]) -> float:
            weights, bias = layers[layer - 1]
            return float(bias[unit] if source is None else weights[source, unit])

        gradient, old, new = of(self.gradients.layers), of(self.before.layers), of(self.after.layers)
        return WeightUpdate(values, deltas, gradient, self.learning_rate, old, new)


def one_step(
    config: ScratchSettings, data: Digits, rows: int | Sequence[int], checkpoint: Checkpoint | None = None
) -> OneStep:
    """Take one step of the run on the images named, and keep everything.

    Args:
        config: the run's settings; see `ScratchSettings`.
        rows: one image, or the images of a batch, by their place in the data.
        checkpoint: where the run stands; None for its initial weights.

    Raises:
        ValueError: there is no such image.
    """
    chosen = np.atleast_1d(np.asarray(rows, dtype=np.intp))
    if not (chosen.size and 0 <= chosen.min() <= chosen.max() < len(data)):
        raise ValueError(f"images are numbered from 0 to {len(data) - 1}: name at least one of them")
    trained = network_of(config, checkpoint)
    before = Network(trained.sizes, trained.activations, trained.parameters.astype(np.float64))
    images, labels = as_floats(data.images[chosen], np.float64), data.labels[chosen]
    with one_thread():
        passed = forward(before, images)
        gradients = backward(before, passed, labels)
        after = Network(before.sizes, before.activations, before.parameters.copy())
        OPTIMIZERS["sgd"].update(after.parameters, gradients.gradient, config.learning_rate)
        loss_after = float(losses(forward(after, images), labels).mean())
    loss = float(losses(passed, labels).mean())
    return OneStep(
        chosen, images, labels, passed, loss, gradients, before, after, loss_after, float(config.learning_rate)
    )


def layers_from_flat(step: OneStep, flat: Floats) -> list[Layer]:
    """Cut another flat vector (PyTorch's gradients of the same step, say) into this step's layers."""
    return layers_of(step.before.sizes, flat)
