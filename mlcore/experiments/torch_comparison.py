"""The same training step by our NumPy network and by PyTorch, held side by side number by number.

`step_by_torch` runs in a worker process and is the only function here that loads PyTorch; `differences` compares what
it brought back with our own `OneStep`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.scratch.glass import OneStep, layers_from_flat


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantity of the step, computed twice.

    Attributes:
        name: what it is.
        numbers: how many numbers it is made of.
        ours, theirs: one number of each, the one where they differ most.
        largest: the largest absolute difference.
    """

    name: str
    numbers: int
    ours: float
    theirs: float
    largest: float


def step_by_torch(
    sizes: Sequence[int],
    activations: Sequence[str],
    parameters: NDArray[Any],
    images: NDArray[Any],
    labels: NDArray[Any],
    learning_rate: float,
) -> dict[str, Any]:
    """One step of gradient descent by PyTorch; arguments and result as of `mlcore.networks.step_proof.torch_step`."""
    from mlcore.networks.step_proof import torch_step

    return torch_step(sizes, activations, parameters, images, labels, learning_rate)


def torch_arguments(step: OneStep) -> tuple[Any, ...]:
    """What `step_by_torch` needs to take the same step."""
    before = step.before
    return (before.sizes, before.activations, before.parameters, step.images, step.labels, step.learning_rate)


def differences(step: OneStep, theirs: Mapping[str, Any]) -> list[Difference]:
    """Loss, logits, every layer's gradient and every layer's new weights: ours beside PyTorch's."""
    found = [
        _difference("loss", np.array([step.loss]), np.array([theirs["loss"]])),
        _difference("logits", step.passed.logits, theirs["logits"]),
    ]
    for name, ours, flat in (
        ("gradient", step.gradients.layers, theirs["gradient"]),
        ("updated parameters", step.after.layers, theirs["parameters"]),
    ):
        for number, (mine, other) in enumerate(zip(ours, layers_from_flat(step, flat), strict=True), start=1):
            joined = (np.vstack([layer.weights, layer.bias]) for layer in (mine, other))
            found.append(_difference(f"{name}, layer {number}", *joined))
    return found


def _difference(name: str, ours: NDArray[Any], theirs: NDArray[Any]) -> Difference:
    gaps = np.abs(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64))
    at = np.unravel_index(int(gaps.argmax()), gaps.shape)
    return Difference(name, gaps.size, float(ours[at]), float(theirs[at]), float(gaps[at]))
