"""One training step of a ReLU network, written out: the forward pass, the loss, and the backward pass.

These are the operations that autograd would run for `model.build` and `CrossEntropyLoss` (a test compares the two),
called by hand so that each result lands in a buffer made once, where autograd would build its graph anew for each
batch. benchmarks/networks.py measures what that saves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mlcore.networks.architectures import MEAN, STANDARD_DEVIATION
from mlcore.networks.model import layer_views


def normalise(pixels: Tensor, out: Tensor) -> Tensor:
    """Pixels (n, 784), uint8, as the networks see them: (pixel / 255 − mean) / standard deviation, in `out`."""
    return out.copy_(pixels).mul_(1 / (255 * STANDARD_DEVIATION)).sub_(MEAN / STANDARD_DEVIATION)


def multiply(left: Tensor, right: Tensor, out: Tensor) -> None:
    """The matrix product left (n, k) · right (k, m), in `out` (n, m).

    On a processor NumPy does it, in the same memory: its BLAS (OpenBLAS) is faster on these sizes than the one that
    PyTorch brings (MKL), by a tenth to nearly a half (docs/decisions.md).
    """
    if out.device.type == "cpu":
        np.matmul(left.numpy(), right.numpy(), out=out.numpy())
    else:
        torch.mm(left, right, out=out)


class DropoutMasks:
    """Which hidden activations to keep, as a function of (seed, epoch, batch): nothing to save, nothing to replay.

    Args:
        probability: share of the units to drop, in (0, 1).
        units: units of each hidden layer.
    """

    def __init__(self, probability: float, units: Sequence[int]) -> None:
        self.units = tuple(units)
        # One signed 16-bit number decides for each unit: a share of `probability` of them lies below this.
        self.threshold = round(probability * 2**16) - 2**15
        self.scale = 1 / (1 - probability)

    def draw(self, count: int, *key: int) -> list[Tensor]:
        """For each hidden layer a bool tensor (count, units), True where the activation is kept."""
        total = sum(self.units) * count
        # Four decisions come out of every 64-bit number: torch's own bernoulli_ takes five times as long.
        rng = np.random.Generator(np.random.SFC64(key))
        numbers = rng.integers(0, 2**64 - 1, -(-total // 4), dtype=np.uint64, endpoint=True).view(np.int16)
        kept = torch.from_numpy(numbers[:total]) >= self.threshold
        parts = torch.split(kept, [units * count for units in self.units])
        return [part.view(count, units) for part, units in zip(parts, self.units, strict=True)]


class Step:
    """The parameters and gradients of a network, and the buffers for batches of up to `batch_size` images.

    Attributes:
        parameters, gradient: flat float32 vectors of shape (parameters,).
        weights, gradients: the same as (weight, bias) views, layer by layer.
    """

    def __init__(self, parameters: Tensor, sizes: Sequence[int], batch_size: int) -> None:
        self.sizes = tuple(sizes)
        self.parameters = parameters
        self.gradient = torch.zeros_like(parameters)
        self.weights = layer_views(parameters, sizes)
        self.gradients = layer_views(self.gradient, sizes)
        device = parameters.device
        # activations[0] is the input, activations[-1] the logits; deltas[l] is the gradient at the output of layer l.
        self.activations = [torch.empty(batch_size, units, device=device) for units in sizes]
        self.deltas = [torch.empty(batch_size, units, device=device) for units in sizes[1:]]
        self.log_probabilities = torch.empty(batch_size, sizes[-1], device=device)

    def forward(self, count: int, masks: Sequence[Tensor] | None = None, scale: float = 1.0) -> Tensor:
        """Logits (count, 10) of the `count` images in `activations[0]`; `masks` and `scale` are dropout's."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(self.weights):
            incoming, z = self.activations[layer][:count], self.activations[layer + 1][:count]
            multiply(incoming, weight.t(), out=z)
            # Dropout multiplies what it keeps by 1/(1−p); the next layer does it in passing.
            torch.add(bias, z, alpha=scale if layer else 1.0, out=z)
            if layer < last:
                z.relu_()
                if masks is not None:
                    z.mul_(masks[layer].to(z.device))
        return self.activations[-1][:count]

    def backward(self, one_hot: Tensor, scale: float = 1.0) -> Tensor:
        """Fill `gradient` with that of the mean cross-entropy of the last `forward`; returns the summed loss, ().

        Args:
            one_hot: (count, 10), 1.0 at the true digit.
            scale: the one given to `forward`.
        """
        count = len(one_hot)
        logits, delta = self.activations[-1][:count], self.deltas[-1][:count]
        log_probabilities = self.log_probabilities[:count]
        torch.log_softmax(logits, 1, out=log_probabilities)
        loss = -torch.dot(log_probabilities.view(-1), one_hot.reshape(-1))
        # ∂loss/∂logits = (softmax − one_hot) / count
        torch.exp(log_probabilities, out=delta).sub_(one_hot).div_(count)
        for layer in range(len(self.weights) - 1, -1, -1):
            incoming, delta = self.activations[layer][:count], self.deltas[layer][:count]
            weight_gradient, bias_gradient = self.gradients[layer]
            torch.sum(delta, 0, out=bias_gradient)
            if layer and scale != 1:
                delta.mul_(scale)
            multiply(delta.t(), incoming, out=weight_gradient)
            if layer:
                below = self.deltas[layer - 1][:count]
                multiply(delta, self.weights[layer][0], out=below)
                # ReLU and dropout both let the gradient through only where the activation is above zero.
                torch.ops.aten.threshold_backward.grad_input(below, incoming, 0, grad_input=below)
        return loss
