"""The from-scratch network's training step done by PyTorch, to hold both results side by side.

`torch_step` takes the same weights, images and rate, lets autograd find the gradients and `torch.optim.SGD` take the
step. It takes and returns plain arrays, so it can run in a worker while the app itself never loads PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlcore.scratch.activations import LEAK

_ACTIVATIONS: dict[str, Callable[[], torch.nn.Module]] = {
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "leaky_relu": lambda: torch.nn.LeakyReLU(LEAK),
}


def torch_step(
    sizes: Sequence[int],
    activations: Sequence[str],
    parameters: NDArray[Any],
    images: NDArray[Any],
    labels: NDArray[Any],
    learning_rate: float,
    steps: int = 1,
) -> dict[str, Any]:
    """Take gradient steps on one batch with PyTorch, in the precision of `parameters`.

    Args:
        sizes: units of every layer, input and output included.
        activations: of each hidden layer.
        parameters: flat, in the order of `mlcore.scratch.network.Network.parameters`; left as it is.
        images: (n, inputs), floats in [0, 1].
        labels: (n,), true classes.
        learning_rate: of plain gradient descent.
        steps: how many steps on this batch.

    Returns:
        `logits` (n, classes) and `loss` before the last step, `gradient` of that step and `parameters` after it, both
        flat in the order above.
    """
    model = build(sizes, activations, parameters)
    inputs = torch.from_numpy(np.array(images, dtype=parameters.dtype))
    targets = torch.from_numpy(np.asarray(labels).astype(np.int64))
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = model(inputs)
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        optimizer.step()
    return {
        "logits": logits.detach().numpy(),
        "loss": float(loss.detach()),
        "gradient": _flat(model, lambda parameter: parameter.grad),
        "parameters": _flat(model, lambda parameter: parameter.detach()),
    }


def build(sizes: Sequence[int], activations: Sequence[str], parameters: NDArray[Any]) -> torch.nn.Sequential:
    """The same network as a PyTorch module, with copies of the parameters."""
    modules: list[torch.nn.Module] = []
    start = 0
    names = [*activations, None]
    for index, name in enumerate(names):
        fan_in, units = sizes[index], sizes[index + 1]
        end = start + (fan_in + 1) * units
        block = torch.from_numpy(parameters[start:end].reshape(fan_in + 1, units).copy())
        linear = torch.nn.Linear(fan_in, units, dtype=block.dtype)
        with torch.no_grad():
            # PyTorch keeps weights as (units, inputs).
            linear.weight.copy_(block[:-1].T)
            linear.bias.copy_(block[-1])
        modules.append(linear)
        if name is not None:
            modules.append(_ACTIVATIONS[name]())
        start = end
    return torch.nn.Sequential(*modules)


def _flat(model: torch.nn.Sequential, take: Callable[[torch.Tensor], torch.Tensor | None]) -> NDArray[Any]:
    parts = []
    for module in model:
        if isinstance(module, torch.nn.Linear):
            weight, bias = take(module.weight), take(module.bias)
            assert weight is not None
            assert bias is not None
            parts += [weight.T.reshape(-1), bias]
    return torch.cat(parts).numpy()
