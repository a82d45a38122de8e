"""The same forward pass, backward pass and update as network.py and optimizers.py, without waste.

`FastSteps` trains batch after batch in buffers made once. Read network.py for the formulas; here, five things differ
in form and none in meaning (a test compares the two):

- pixels that are blank in all images of a batch are left out of it, with their weights: they add nothing to z, and
  their gradient is zero. That is about 350 of 784 in a batch of 22; the rest are gathered, used and put back;
- every a carries a last column of ones, so that biases are one more row of the weights and need no steps of their own;
- the update W ← W - η aᵀδ is one matrix product that adds to W in place (BLAS's gemm), instead of a product, a
  scaling and a subtraction;
- products go over rows filled up with zeros to a multiple of four, which BLAS takes faster than an odd end: with
  batches of 22 a tenth of the forward pass; the rows that were added are looked at by nobody;
- losses and right answers of many batches are counted together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import get_blas_funcs

from mlcore.scratch.activations import ACTIVATIONS, Elementwise
from mlcore.scratch.network import Network, blocks_of

Floats = NDArray[Any]

# Images fetched at a time: enough to share out the overhead, few enough to wait in a processor's cache as bytes.
ROWS_AT_A_TIME = 2200
# BLAS's inner loops take so many rows at once.
ROWS_TOGETHER = 4


@dataclass(frozen=True, eq=False)
class _LayerBuffers:
    """One layer's parameters and the arrays its steps write to: `_t` marks a transposed view, `_rows` added rows."""

    block: Floats  # (inputs + 1, units)
    block_t: Floats
    weights_t: Floats  # (units, inputs)
    delta: Floats  # (n, units)
    delta_t: Floats
    delta_rows: Floats
    # Of a hidden layer: its a with the column of ones (n, units + 1), the column alone, and the slopes likewise. Whole
    # arrays are gone through faster than parts of them.
    a: Floats
    a_rows: Floats
    z_rows: Floats
    ones: Floats
    slope: Floats
    slope_part: Floats
    activation_value: Elementwise
    activation_slope: Elementwise


class FastSteps:
    """Trains a network in place, on pieces of an epoch handed to it by `load`.

    Args:
        network: its parameters are changed by `run`.
        batch_size: images per update; the last batch of a piece may be smaller.
        learning_rate: of plain gradient descent.
    """

    def __init__(self, network: Network, batch_size: int, learning_rate: float) -> None:
        self.network, self.batch_size, self.learning_rate = network, batch_size, learning_rate
        self.batches_at_a_time = max(1, ROWS_AT_A_TIME // batch_size)
        rows, dtype = self.batches_at_a_time * batch_size, network.parameters.dtype
        inputs, outputs = network.sizes[0], network.sizes[-1]
        (self._gemm,) = get_blas_funcs(("gemm",), dtype=dtype)
        self._scale = np.reciprocal(np.asarray(255, dtype))
        self._pixels = np.empty((rows, inputs), np.uint8)
        # Which pixels of a batch have any ink; the last entry stands for the biases, which always take part.
        self._ink = np.ones(inputs + 1, np.bool_)
        first = blocks_of(network.sizes, network.parameters)[0]
        self._gathered = np.empty_like(first)
        # Each row as one item: NumPy puts rows back faster as wholes than number by number.
        whole_row = np.dtype((np.void, first.shape[1] * first.itemsize))
        self._first_rows, self._gathered_rows = first.view(whole_row)[:, 0], self._gathered.view(whole_row)[:, 0]
        self._logits = np.empty((rows + ROWS_TOGETHER, outputs), dtype)
        self._targets = np.empty((rows, outputs), dtype)
        self._largest, self._total = np.empty((rows, 1), dtype), np.empty((rows, 1), dtype)
        self._labels: NDArray[np.intp] = np.empty(0, np.intp)
        self._classes = np.eye(outputs, dtype=dtype)
        self._buffers: dict[int, tuple[Floats, list[_LayerBuffers]]] = {}
        self._before = np.empty_like(network.parameters)

    def load(self, images: NDArray[np.uint8], labels: NDArray[Any], rows: NDArray[np.intp]) -> None:
        """Take in the next batches: these rows of images (m, 784) uint8 and labels (m,), for `batches_at_a_time`."""
        count = len(rows)
        np.take(np.asarray(images), rows, axis=0, out=self._pixels[:count], mode="clip")
        self._labels = np.take(labels, rows).astype(np.intp)
        np.take(self._classes, self._labels, axis=0, out=self._targets[:count])

    def run(self, first: int, last: int, until: float) -> tuple[list[tuple[float, int]], bool]:
        """Train batches first … last - 1 of what is loaded, or fewer if time runs out, but at least one.

        Args:
            until: a time of `time.perf_counter()` after which no further batch is begun.

        Returns:
            (sum of losses, right answers) of each batch trained, as before its update, and whether all was finite. A
            batch with a loss that is not finite ends the run; it is not trained, and is not in the list.
        """
        np.copyto(self._before, self.network.parameters)
        done = 0
        for views in self._views(first, last):
            self._step(*views)
            done += 1
            if time.perf_counter() >= until:
                break
        counts = self._counts(first, first + done)
        finite = [math.isfinite(loss) for loss, _ in counts]
        if all(finite):
            return counts, True
        # Go back to the weights that gave the loss; the same steps lead to them again.
        done = finite.index(False)
        np.copyto(self.network.parameters, self._before)
        for views in self._views(first, first + done):
            self._step(*views)
        return counts[:done], False

    def _views(self, first: int, last: int) -> Iterator[tuple[Any, ...]]:
        size, rows = self.batch_size, len(self._labels)
        for start in range(first * size, min(last * size, rows), size):
            part = slice(start, min(start + size, rows))
            count = part.stop - start
            x_rows, layers = self._buffers.get(count) or self._make_buffers(count)
            yield (
                self._pixels[part],
                self._logits[start : start + len(x_rows)],
                self._logits[part],
                self._targets[part],
                self._largest[part],
                self._total[part],
                x_rows,
                layers,
                -self.learning_rate / count,
            )

    def _make_buffers(self, count: int) -> tuple[Floats, list[_LayerBuffers]]:
        """The arrays for batches of so many images, x and the layers'; an epoch has at most two sizes."""
        dtype, names = self.network.parameters.dtype, [*self.network.activations, "relu"]
        filled = math.ceil(count / ROWS_TOGETHER) * ROWS_TOGETHER if count > ROWS_TOGETHER else count
        layers = []
        for block, name in zip(blocks_of(self.network.sizes, self.network.parameters), names, strict=True):
            units = block.shape[1]
            a_rows, delta_rows = np.zeros((filled, units + 1), dtype), np.zeros((filled, units), dtype)
            a, delta = a_rows[:count], delta_rows[:count]
            slope = np.empty_like(a)
            phi = ACTIVATIONS[name]
            layers.append(
                _LayerBuffers(
                    block=block,
                    block_t=block.T,
                    weights_t=block[:-1].T,
                    delta=delta,
                    delta_t=delta.T,
                    delta_rows=delta_rows,
                    a=a,
                    a_rows=a_rows,
                    z_rows=a_rows[:, :-1],
                    ones=a[:, -1],
                    slope=slope,
                    slope_part=slope[:, :-1],
                    activation_value=phi.value,
                    activation_slope=phi.slope,
                )
            )
        x_rows = np.zeros((filled, self.network.sizes[0] + 1), dtype)
        self._buffers[count] = x_rows, layers
        return self._buffers[count]

    def _step(
        self,
        pixels: NDArray[np.uint8],
        logits_rows: Floats,
        logits: Floats,
        targets: Floats,
        largest: Floats,
        total: Floats,
        x_rows: Floats,
        layers: list[_LayerBuffers],
        rate: float,
    ) -> None:
        """One batch: forward, δ of the output layer, and backward with the update; `rate` is -η / n."""
        np.logical_or.reduce(pixels, axis=0, out=self._ink[:-1])
        (used,) = self._ink.nonzero()
        block = layers[0].block.take(used, axis=0, out=self._gathered[: len(used)], mode="clip")
        a_rows = x_rows[:, : len(used)]
        x = a_rows[: len(pixels)]
        np.multiply(pixels.take(used[:-1], axis=1, mode="wrap"), self._scale, out=x[:, :-1])
        x[:, -1] = 1
        blocks, inputs_t = [block, *(layer.block for layer in layers[1:])], [x.T]
        for layer, weights in zip(layers[:-1], blocks, strict=False):
            np.matmul(a_rows, weights, out=layer.z_rows)
            layer.activation_value(layer.a, layer.a)
            layer.ones.fill(1)
            inputs_t.append(layer.a.T)
            a_rows = layer.a_rows
        output = layers[-1]
        np.matmul(a_rows, blocks[-1], out=logits_rows)
        delta = output.delta  # becomes softmax(logits) - targets
        np.maximum.reduce(logits, axis=1, out=largest, keepdims=True)
        np.subtract(logits, largest, out=delta)
        np.exp(delta, out=delta)
        np.add.reduce(delta, axis=1, out=total, keepdims=True)
        np.divide(delta, total, out=delta)
        np.subtract(delta, targets, out=delta)
        gemm = self._gemm
        for index in range(len(layers) - 1, 0, -1):
            layer, below = layers[index], layers[index - 1]
            np.matmul(layer.delta_rows, layer.weights_t, out=below.delta_rows)
            gemm(rate, layer.delta_t, inputs_t[index], 1.0, layer.block_t, 0, 1, 1)  # block += rate · aᵀδ
            below.activation_slope(below.a, below.slope)
            np.multiply(below.delta, below.slope_part, out=below.delta)
        gemm(rate, layers[0].delta_t, inputs_t[0], 1.0, block.T, 0, 1, 1)
        self._first_rows[used] = self._gathered_rows[: len(used)]

    def _counts(self, first: int, end: int) -> list[tuple[float, int]]:
        """(sum of losses, right answers) of each batch; the same numbers however the batches were grouped."""
        size = self.batch_size
        part = slice(first * size, min(end * size, len(self._labels)))
        labels, logits = self._labels[part], self._logits[part]
        # The loss from what softmax left behind: log Σ e^{z_k} - z_y.
        losses = np.log(self._total[part, 0]) + self._largest[part, 0] - logits[np.arange(len(labels)), labels]
        right = logits.argmax(axis=1) == labels
        whole = len(labels) // size * size
        sums = losses[:whole].astype(np.float64).reshape(-1, size).sum(axis=1).tolist()
        rights = np.count_nonzero(right[:whole].reshape(-1, size), axis=1).tolist()
        if whole < len(labels):
            sums.append(float(losses[whole:].astype(np.float64).sum()))
            rights.append(int(np.count_nonzero(right[whole:])))
        return list(zip(sums, rights, strict=True))
