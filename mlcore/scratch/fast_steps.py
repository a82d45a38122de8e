"""The same forward pass, backward pass and update as network.py and optimizers.py, without waste.

`FastSteps` trains batch after batch in buffers made once. Read network.py for the formulas; here, five things differ
in form and none in meaning (a test compares the two):

- pixels that are blank in all images of a batch are left out of it, with their weights: they add nothing to z, and
  their gradient is zero. That is about 350 of 784 in a batch of 22. The weights of the pixels that most batches use
  stay together from batch to batch; those of the others are fetched, used and put back;
- every a carries a column of ones, so that biases are one more row of the weights and need no steps of their own;
- the update W ← W - η aᵀδ is one matrix product that adds to W in place (BLAS's gemm), instead of a product, a
  scaling and a subtraction;
- products go over rows filled up to a multiple of four, which BLAS takes faster than an odd end: with batches of 22
  a tenth of the forward pass; what the added rows come to is looked at by nobody;
- losses and right answers of many batches are counted together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
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
# A pixel with ink in at least this share of batches is kept at hand: fewer rows to fetch, products a little larger.
COMMON = 0.5


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


def _elementwise(name: str, a: Floats) -> tuple[Elementwise, Elementwise, NDArray[Any]]:
    """φ and φ′ for arrays of the shape of a, and room for φ′."""
    if name == "relu":
        # NumPy compares two arrays three times as fast as an array and a number.
        zeros = np.zeros_like(a)
        return partial(np.maximum, zeros), partial(np.less, zeros), np.empty_like(a, np.bool_)
    phi = ACTIVATIONS[name]
    return phi.value, phi.slope, np.empty_like(a)


class FastSteps:
    """Trains a network in place, on pieces of an epoch handed to it by `load`.

    Args:
        network: its parameters are changed by `run`.
        batch_size: images per update; the last batch of a piece may be smaller.
        learning_rate: of plain gradient descent.
        ink: (784,), the share of training images in which each pixel is not blank. It decides what is kept at hand,
            and with that the order in which products are added up.
    """

    def __init__(self, network: Network, batch_size: int, learning_rate: float, ink: Floats) -> None:
        self.network, self.batch_size, self.learning_rate = network, batch_size, learning_rate
        self.batches_at_a_time = max(1, ROWS_AT_A_TIME // batch_size)
        rows, dtype = self.batches_at_a_time * batch_size, network.parameters.dtype
        inputs, outputs = network.sizes[0], network.sizes[-1]
        (self._gemm,) = get_blas_funcs(("gemm",), dtype=dtype)
        self._scale = np.reciprocal(np.asarray(255, dtype))
        self._pixels = np.empty((rows, inputs), np.uint8)
        common = 1 - (1 - ink) ** batch_size >= COMMON
        (self._rare,) = np.nonzero(~common)
        # The rows of weights kept at hand: the biases', then those of the common pixels.
        self._common = np.concatenate([[inputs], np.flatnonzero(common)])
        # Which pixels a batch uses: the common ones, and behind them those fetched for it.
        self._used = np.concatenate([self._common[1:], self._rare])
        self._first = blocks_of(network.sizes, network.parameters)[0]
        self._hand = np.empty_like(self._first)
        # Each row as one item: NumPy puts rows back faster as wholes than number by number.
        whole_row = np.dtype((np.void, self._first.shape[1] * self._first.itemsize))
        self._first_rows, self._hand_rows = self._first.view(whole_row)[:, 0], self._hand.view(whole_row)[:, 0]
        self._logits = np.empty((rows + ROWS_TOGETHER, outputs), dtype)
        self._targets = np.empty((rows, outputs), dtype)
        self._largest, self._total = np.empty((rows, 1), dtype), np.empty(rows, dtype)
        self._ones = np.ones(outputs, dtype)
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
        self._pixels[count:] = 0
        by_batch = self._pixels.reshape(self.batches_at_a_time, self.batch_size, -1)
        ink = np.bitwise_or.reduce(by_batch, axis=1)[:, self._rare] != 0
        places = np.flatnonzero(ink)
        self._fetched = self._rare[places % len(self._rare)]
        self._fetched_from = np.searchsorted(places, np.arange(len(ink) + 1) * len(self._rare)).tolist()

    def run(self, first: int, last: int, until: float) -> tuple[list[tuple[float, int]], bool]:
        """Train batches first … last - 1 of what is loaded, or fewer if time runs out, but at least one.

        Args:
            until: a time of `time.perf_counter()` after which no further batch is begun.

        Returns:
            (sum of losses, right answers) of each batch trained, as before its update, and whether all was finite. A
            batch with a loss that is not finite ends the run; it is not trained, and is not in the list.
        """
        np.copyto(self._before, self.network.parameters)
        done = self._train(first, last, until)
        counts = self._counts(first, first + done)
        finite = [math.isfinite(loss) for loss, _ in counts]
        if all(finite):
            return counts, True
        # Go back to the weights that gave the loss; the same steps lead to them again.
        done = finite.index(False)
        np.copyto(self.network.parameters, self._before)
        self._train(first, first + done, math.inf)
        return counts[:done], False

    def _train(self, first: int, last: int, until: float) -> int:
        """Train batches until the time is up; how many."""
        done = 0
        kept = len(self._common)
        self._hand[:kept] = self._first[self._common]
        for views in self._views(first, last):
            self._step(*views)
            done += 1
            if time.perf_counter() >= until:
                break
        self._first[self._common] = self._hand[:kept]
        return done

    def _views(self, first: int, last: int) -> Iterator[tuple[Any, ...]]:
        size, rows = self.batch_size, len(self._labels)
        for start in range(first * size, min(last * size, rows), size):
            part = slice(start, min(start + size, rows))
            count = part.stop - start
            x_room, layers = self._buffers.get(count) or self._make_buffers(count)
            batch = start // size
            yield (
                self._pixels[part],
                self._fetched[self._fetched_from[batch] : self._fetched_from[batch + 1]],
                self._logits[start : start + len(layers[0].delta_rows)],
                self._logits[part],
                self._targets[part],
                self._largest[part],
                self._total[part],
                x_room,
                layers,
                -self.learning_rate / count,
            )

    def _make_buffers(self, count: int) -> tuple[Floats, list[_LayerBuffers]]:
        """The arrays for batches of so many images: room for x, and the layers'; an epoch has at most two sizes."""
        dtype, names = self.network.parameters.dtype, [*self.network.activations, "relu"]
        filled = math.ceil(count / ROWS_TOGETHER) * ROWS_TOGETHER if count > ROWS_TOGETHER else count
        layers = []
        for block, name in zip(blocks_of(self.network.sizes, self.network.parameters), names, strict=True):
            units = block.shape[1]
            a_rows, delta_rows = np.zeros((filled, units + 1), dtype), np.zeros((filled, units), dtype)
            a, delta = a_rows[:count], delta_rows[:count]
            value, slope_of, slope = _elementwise(name, a)
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
                    activation_value=value,
                    activation_slope=slope_of,
                )
            )
        self._buffers[count] = np.zeros(filled * (self.network.sizes[0] + 1), dtype), layers
        return self._buffers[count]

    def _step(
        self,
        pixels: NDArray[np.uint8],
        fetched: NDArray[np.intp],
        logits_rows: Floats,
        logits: Floats,
        targets: Floats,
        largest: Floats,
        total: Floats,
        x_room: Floats,
        layers: list[_LayerBuffers],
        rate: float,
    ) -> None:
        """One batch: forward, δ of the output layer, and backward with the update; `rate` is -η / n."""
        kept = len(self._common)
        count = kept + len(fetched)
        self._used[kept - 1 : count - 1] = fetched
        self._first.take(fetched, axis=0, out=self._hand[kept:count], mode="clip")
        block, rows = self._hand[:count], len(layers[0].delta_rows)
        a_rows = x_room[: rows * count].reshape(rows, count)
        x = a_rows[: len(pixels)]
        x[:, 1:] = pixels.take(self._used[: count - 1], axis=1, mode="wrap")
        np.multiply(x, self._scale, out=x)
        x[:, 0] = 1
        blocks, inputs_t = [block, *(layer.block for layer in layers[1:])], [x.T]
        for layer, weights in zip(layers[:-1], blocks, strict=False):
            np.matmul(a_rows, weights, out=layer.z_rows)
            layer.activation_value(layer.a, out=layer.a)
            layer.ones.fill(1)
            inputs_t.append(layer.a.T)
            a_rows = layer.a_rows
        output = layers[-1]
        np.matmul(a_rows, blocks[-1], out=logits_rows)
        delta = output.delta  # becomes softmax(logits) - targets
        np.maximum.reduce(logits, axis=1, out=largest, keepdims=True)
        np.subtract(logits, largest, out=delta)
        np.exp(delta, out=delta)
        np.dot(delta, self._ones, out=total)
        np.divide(delta, total[:, np.newaxis], out=delta)
        np.subtract(delta, targets, out=delta)
        gemm = self._gemm
        for index in range(len(layers) - 1, 0, -1):
            layer, below = layers[index], layers[index - 1]
            np.matmul(layer.delta_rows, layer.weights_t, out=below.delta_rows)
            gemm(rate, layer.delta_t, inputs_t[index], 1.0, layer.block_t, 0, 1, 1)  # block += rate · aᵀδ
            below.activation_slope(below.a, out=below.slope)
            np.multiply(below.delta, below.slope_part, out=below.delta)
        gemm(rate, layers[0].delta_t, inputs_t[0], 1.0, block.T, 0, 1, 1)
        self._first_rows[fetched] = self._hand_rows[kept:count]

    def _counts(self, first: int, end: int) -> list[tuple[float, int]]:
        """(sum of losses, right answers) of each batch; the same numbers however the batches were grouped."""
        size = self.batch_size
        part = slice(first * size, min(end * size, len(self._labels)))
        labels, logits = self._labels[part], self._logits[part]
        # The loss from what softmax left behind: log Σ e^{z_k} - z_y.
        losses = np.log(self._total[part]) + self._largest[part, 0] - logits[np.arange(len(labels)), labels]
        right = logits.argmax(axis=1) == labels
        whole = len(labels) // size * size
        sums = losses[:whole].astype(np.float64).reshape(-1, size).sum(axis=1).tolist()
        rights = np.count_nonzero(right[:whole].reshape(-1, size), axis=1).tolist()
        if whole < len(labels):
            sums.append(float(losses[whole:].astype(np.float64).sum()))
            rights.append(int(np.count_nonzero(right[whole:])))
        return list(zip(sums, rights, strict=True))
