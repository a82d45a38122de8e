"""Networks A and B as PyTorch modules: linear layers with ReLU between, dropout after each hidden activation.

`build` makes one with its initial weights; `INITIALIZERS` is the table of the ways to draw them. The trainer keeps a
network's parameters in one flat vector, in the order of `module.parameters()`; `load_parameters` puts them back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def build(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """A fully connected network from `sizes[0]` inputs to `sizes[-1]` logits (report R2, figures 8 and 9).

    Args:
        sizes: units of every layer, input and output included, e.g. (784, 64, 128, 64, 10).
        dropout: probability with which each hidden activation is set to zero in training mode.

    Returns:
        Linear, ReLU and (where `dropout` is above 0) Dropout for each hidden layer, then one Linear: no softmax, which
        belongs to the loss.
    """
    layers: list[nn.Module] = []
    for inputs, units in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    return nn.Sequential(*layers)


def _pytorch_default(layer: nn.Linear, generator: torch.Generator) -> None:
    # What nn.Linear does by itself: weights and biases uniform within ±1/√fan_in.
    bound = 1 / math.sqrt(layer.in_features)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _with_zero_bias(draw: Callable[[Tensor, torch.Generator], Tensor]) -> Callable[[nn.Linear, torch.Generator], None]:
    def initialize(layer: nn.Linear, generator: torch.Generator) -> None:
        draw(layer.weight, generator)
        nn.init.zeros_(layer.bias)

    return initialize


INITIALIZERS: dict[str, Callable[[nn.Linear, torch.Generator], None]] = {
    "default": _pytorch_default,
    "normal": _with_zero_bias(lambda weight, g: nn.init.normal_(weight, 0, 1, generator=g)),
    "small": _with_zero_bias(lambda weight, g: nn.init.normal_(weight, 0, 0.01, generator=g)),
    "xavier": _with_zero_bias(lambda weight, g: nn.init.xavier_uniform_(weight, generator=g)),
    "he": _with_zero_bias(lambda weight, g: nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=g)),
}


@torch.no_grad()
def initial_parameters(sizes: Sequence[int], initializer: str, seed: int) -> Tensor:
    """The flat parameter vector a run starts from; the same for every run with these sizes, initializer and seed.

    Returns:
        float32 of shape (parameters,), in the order of `build(sizes).parameters()`: weight (units, inputs), then bias
        (units,), layer by layer.
    """
    generator = torch.Generator().manual_seed(seed)
    module = build(sizes)
    for layer in module:
        if isinstance(layer, nn.Linear):
            INITIALIZERS[initializer](layer, generator)
    return nn.utils.parameters_to_vector(module.parameters()).detach().clone()


@torch.no_grad()
def load_parameters(module: nn.Module, parameters: Tensor) -> None:
    """Copy a flat vector of shape (parameters,) into `module`."""
    nn.utils.vector_to_parameters(parameters.clone(), module.parameters())


def layer_views(parameters: Tensor, sizes: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Each layer's weight (units, inputs) and bias (units,), as views into the flat vector: no copy is made."""
    views, start = [], 0
    for inputs, units in pairwise(sizes):
        middle, end = start + units * inputs, start + units * inputs + units
        views.append((parameters[start:middle].view(units, inputs), parameters[middle:end]))
        start = end
    return views
