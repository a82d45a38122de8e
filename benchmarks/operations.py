"""The single operations that docs/decisions.md compares: what was chosen beside what was not.

`python -m benchmarks.operations` prints a Markdown table. One thread, medians of interleaved repetitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.measure import data_directory, interleaved, markdown
from mlcore.data import Digits, open_source, split_network
from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from mlcore.networks.architectures import TRAIN_EVALUATION_IMAGES
from mlcore.networks.evaluation import evaluate
from mlcore.networks.model import initial_parameters, layer_views
from mlcore.networks.step import DropoutMasks, multiply
from mlcore.networks.trainer import advance
from mlcore.scratch import fast_steps
from mlcore.scratch.trainer import advance as scratch_advance

BATCH = 64
SIZES = {name: NetworkConfig(architecture=name).sizes for name in ("A", "B")}


def rows(repetitions: int = 7) -> list[dict[str, Any]]:
    """A row for each pair; seconds of the chosen as `ours_seconds`."""
    digits = open_source("mnist", data_directory())
    torch.set_num_threads(1)
    with threadpool_limits(1), torch.no_grad():
        pairs = [_draw_masks(), _apply_masks(), *_products(), _adam(), _blank_pixels(digits), _relu(), _bfloat16()]
        table = [_row(*pair, repetitions) for pair in pairs]
        return [*table, _common_pixels(digits, repetitions), *(_judging(name, digits) for name in SIZES)]


def _row(
    work: str, chosen: Callable[[], object], name: str, other: Callable[[], object], repetitions: int
) -> dict[str, Any]:
    seconds = interleaved({"ours": lambda: _timed(chosen), "other": lambda: _timed(other)}, repetitions)
    return {
        "work": work,
        "ours_seconds": seconds["ours"],
        "peer": name,
        "peer_seconds": seconds["other"],
        "ratio": seconds["other"] / seconds["ours"],
    }


def _timed(work: Callable[[], object], calls: int = 50) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


Pair = tuple[str, Callable[[], object], str, Callable[[], object]]


def _draw_masks() -> Pair:
    masks, hidden = DropoutMasks(0.3, SIZES["B"][1:-1]), SIZES["B"][1:-1]
    empty = [torch.empty(BATCH, units) for units in hidden]
    return (
        "dropout masks for a batch of B",
        lambda: masks.draw(BATCH, 0, 1, 2),
        "Tensor.bernoulli_",
        lambda: [tensor.bernoulli_(0.7) for tensor in empty],
    )


def _apply_masks() -> Pair:
    hidden = SIZES["B"][1:-1]
    kept = DropoutMasks(0.3, hidden).draw(BATCH, 0, 1, 2)
    dropped, values = [~mask for mask in kept], [torch.rand(BATCH, units) for units in hidden]
    return (
        "applying them by mul_",
        lambda: [value.mul_(mask) for value, mask in zip(values, kept, strict=True)],
        "masked_fill_",
        lambda: [value.masked_fill_(mask, 0) for value, mask in zip(values, dropped, strict=True)],
    )


def _products() -> list[Pair]:
    return [
        (
            f"matrix products of a batch of {name} by NumPy",
            partial(_each, multiply, _operands(sizes)),
            "torch.mm",
            partial(_each, lambda left, right, out: torch.mm(left, right, out=out), _operands(sizes)),
        )
        for name, sizes in SIZES.items()
    ]


def _each(product: Callable[..., object], operands: list[tuple[torch.Tensor, ...]]) -> None:
    for left, right, out in operands:
        product(left, right, out)


def _operands(sizes: tuple[int, ...]) -> list[tuple[torch.Tensor, ...]]:
    """(left, right, out) of every product of a step: forward, and both gradients but the pixels'."""
    found: list[tuple[torch.Tensor, ...]] = []
    for inputs, units in pairwise(sizes):
        a, weight, delta = torch.rand(BATCH, inputs), torch.rand(units, inputs), torch.rand(BATCH, units)
        found += [(a, weight.t(), torch.empty_like(delta)), (delta.t(), a, torch.empty_like(weight))]
        if inputs != sizes[0]:
            found.append((delta, weight, torch.empty_like(a)))
    return found


def _adam() -> Pair:
    def optimizer(tensors: list[torch.Tensor]) -> torch.optim.Adam:
        parameters = [torch.nn.Parameter(tensor.clone()) for tensor in tensors]
        for parameter in parameters:
            parameter.grad = torch.rand_like(parameter)
        return torch.optim.Adam(parameters, lr=0.001, fused=True)

    flat = initial_parameters(SIZES["A"], "default", 0)
    one = optimizer([flat])
    several = optimizer([tensor for pair in layer_views(flat, SIZES["A"]) for tensor in pair])
    return "Adam over one vector, network A", one.step, "over its eight tensors", several.step


def _blank_pixels(digits: Digits) -> Pair:
    """The first layer of 784-128 over a batch of 22: with the pixels that have ink only, and with all."""
    pixels = digits.images[np.random.default_rng(0).permutation(60_000)[:22]]
    x, weights = pixels.astype(np.float32) / 255, np.random.default_rng(1).random((784, 128), dtype=np.float32)
    z, delta, gradient = np.empty((22, 128), np.float32), np.ones((22, 128), np.float32), np.empty_like(weights)

    def inked() -> None:
        used = np.flatnonzero(np.bitwise_or.reduce(pixels, axis=0))
        some, part = np.take(weights, used, axis=0), np.take(x, used, axis=1)
        np.matmul(part, some, out=z)
        np.matmul(part.T, delta, out=gradient[: len(used)])
        weights[used] = some

    def every() -> None:
        np.matmul(x, weights, out=z)
        np.matmul(x.T, delta, out=gradient)

    return "first layer of 784-128, batch of 22, pixels with ink", inked, "all pixels", every


def _relu() -> Pair:
    """ReLU of 128 units over a batch of 22, and the column of ones."""
    a = np.random.default_rng(0).standard_normal((22, 129)).astype(np.float32)
    zeros = np.zeros_like(a)
    return (
        "np.maximum of two arrays",
        lambda: np.maximum(zeros, a, out=a),
        "of an array and a number",
        lambda: np.maximum(a, 0, out=a),
    )


def _common_pixels(digits: Digits, repetitions: int) -> dict[str, Any]:
    """An epoch of 784-128-64 with the weights of common pixels at hand, and with all weights fetched for each batch."""
    config = ScratchConfig(source="mnist", initializer="he", epochs=1)

    def epoch(common: float) -> float:
        with patch.object(fast_steps, "COMMON", common):
            return scratch_advance(config, None, digits, 1e9)[1][0].seconds

    chosen = fast_steps.COMMON
    seconds = interleaved({"ours": lambda: epoch(chosen), "other": lambda: epoch(2)}, repetitions)
    return {
        "work": "an epoch of 784-128-64, weights of common pixels at hand",
        "ours_seconds": seconds["ours"],
        "peer": "all fetched for each batch",
        "peer_seconds": seconds["other"],
        "ratio": seconds["other"] / seconds["ours"],
    }


def _bfloat16() -> Pair:
    left, right = torch.rand(BATCH, 784), torch.rand(784, 256)
    narrow = left.bfloat16(), right.bfloat16()
    return "product in float32", lambda: torch.mm(left, right), "in bfloat16", lambda: torch.mm(*narrow)


def _judging(name: str, digits: Digits) -> dict[str, Any]:
    """The evaluation-mode training loss on its fixed images, beside an epoch's training."""
    config = NetworkConfig(source="mnist", architecture=name, epochs=1)
    parameters = initial_parameters(config.sizes, config.initializer, 0)
    judged = split_network(digits, config.seed).train[:TRAIN_EVALUATION_IMAGES]
    seconds = interleaved(
        {
            "judging": lambda: _timed(lambda: evaluate(parameters, config.sizes, digits, judged), 1),
            "epoch": lambda: advance(config, None, digits, 1e9)[1][0].seconds,
        },
        3,
    )
    return {
        "work": f"training loss in evaluation mode, {len(judged):,} images, {name}",
        "ours_seconds": seconds["judging"],
        "peer": "the epoch itself",
        "peer_seconds": seconds["epoch"],
        "ratio": seconds["epoch"] / seconds["judging"],
    }


if __name__ == "__main__":
    print(markdown(rows()))
