"""The NumPy network: one epoch beside scikit-learn, PyTorch, and the bare matrix products.

`python -m benchmarks.scratch` prints a Markdown table; `rows()` gives the same to `python -m benchmarks`. 56,000 MNIST
images, batches of 22, plain SGD, float32, one thread each, evaluation apart, medians of interleaved repetitions.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.measure import data_directory, interleaved, markdown
from mlcore.data import Digits, open_source, split_fraction
from mlcore.experiments.configs import ScratchConfig
from mlcore.networks.step_proof import build
from mlcore.scratch.evaluation import evaluate, gradient_norms, weight_norms
from mlcore.scratch.trainer import advance, network_of

# (hidden sizes, activation): what must be reached, in times faster than scikit-learn, than PyTorch, and in times the
# matrix products alone.
WORK: dict[tuple[tuple[int, ...], str], tuple[float, float, float]] = {
    ((128, 64), "relu"): (3.6, 3.2, 1.3),
    ((128, 64), "tanh"): (2.5, 2.0, 1.4),
    ((256, 256), "relu"): (2.5, 2.0, 1.4),
    ((256, 256), "tanh"): (2.5, 2.0, 1.4),
}
STATISTICS_SHARE = 0.05


def rows(data_dir: Path | None = None, repetitions: int = 5) -> list[dict[str, Any]]:
    """One row for each work and peer, seconds for one epoch; and one for the statistics taken after an epoch."""
    digits = open_source("mnist", data_directory(data_dir))
    torch.set_num_threads(1)
    table = []
    with threadpool_limits(1):
        for (hidden, activation), targets in WORK.items():
            config = ScratchConfig(source="mnist", hidden=hidden, activation=activation, initializer="he", epochs=1)
            table += _rows_of(config, digits, targets, repetitions)
        table.append(_statistics_row(digits, repetitions))
    return table


def _rows_of(
    config: ScratchConfig, digits: Digits, targets: tuple[float, float, float], repetitions: int
) -> list[dict[str, Any]]:
    seconds = interleaved(
        {
            "ours": _ours(config, digits),
            "scikit-learn MLPClassifier": _scikit_learn(config, digits),
            "PyTorch, tensors in memory": _pytorch(config, digits),
            "matrix products alone": _products(config),
        },
        repetitions,
    )
    work = f"scratch, one epoch, {'-'.join(map(str, config.sizes))}, {config.activations[0]}"
    ours = seconds.pop("ours")
    table = []
    for (peer, theirs), target in zip(seconds.items(), targets, strict=True):
        limit = peer == "matrix products alone"
        row = {"work": work, "ours_seconds": ours, "peer": peer, "peer_seconds": theirs, "ratio": theirs / ours}
        if limit:
            row |= {"target": f"≤ {target}× the products", "met": ours <= target * theirs}
        else:
            row |= {"target": f"≥ {target}×", "met": theirs >= target * ours}
        table.append(row)
    return table


def _ours(config: ScratchConfig, digits: Digits) -> Callable[[], float]:
    def epoch() -> float:
        _, results = advance(config, None, digits, seconds=math.inf)
        return results[0].seconds

    return epoch


def _training_part(config: ScratchConfig, digits: Digits) -> tuple[np.ndarray, np.ndarray]:
    """The same images in memory as float32 in [0, 1], as the peers' users would hold them."""
    rows = split_fraction(len(digits), config.train_fraction, config.seed).train
    return digits.images[rows].astype(np.float32) / 255, digits.labels[rows].astype(np.int64)


def _scikit_learn(config: ScratchConfig, digits: Digits) -> Callable[[], float]:
    images, labels = _training_part(config, digits)

    def epoch() -> float:
        model = MLPClassifier(
            config.hidden,
            activation=config.activations[0],
            solver="sgd",
            momentum=0,
            nesterovs_momentum=False,
            alpha=0,
            batch_size=config.batch_size,
            learning_rate_init=config.learning_rate,
            max_iter=1,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one epoch does not converge
            began = time.perf_counter()
            model.fit(images, labels)
            return time.perf_counter() - began

    return epoch


def _pytorch(config: ScratchConfig, digits: Digits) -> Callable[[], float]:
    images, labels = (torch.from_numpy(array) for array in _training_part(config, digits))
    parameters = network_of(config).parameters

    def epoch() -> float:
        model = build(config.sizes, config.activations, parameters)
        optimizer = torch.optim.SGD(model.parameters(), lr=config.learning_rate)
        criterion = torch.nn.CrossEntropyLoss()
        total = torch.zeros(())
        began = time.perf_counter()
        order = torch.randperm(len(images))
        for start in range(0, len(images), config.batch_size):
            batch = order[start : start + config.batch_size]
            optimizer.zero_grad()
            loss = criterion(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return time.perf_counter() - began

    return epoch


def _products(config: ScratchConfig) -> Callable[[], float]:
    """The products that any such training must do, and nothing else: forward, both backward, none for the pixels."""
    rng = np.random.default_rng(0)
    sizes, count = config.sizes, config.batch_size
    a = [rng.random((count, units), dtype=np.float32) for units in sizes]
    weights = [rng.random(shape, dtype=np.float32) for shape in pairwise(sizes)]
    gradients = [np.empty_like(weight) for weight in weights]
    products = []
    for index, weight in enumerate(weights):
        products.append((a[index], weight, np.empty_like(a[index + 1])))
        products.append((a[index].T, a[index + 1], gradients[index]))
        if index:
            products.append((a[index + 1], weight.T, np.empty_like(a[index])))
    batches = math.ceil(round(70_000 * config.train_fraction) / count)

    def epoch() -> float:
        began = time.perf_counter()
        for _ in range(batches):
            for left, right, out in products:
                np.matmul(left, right, out=out)
        return time.perf_counter() - began

    return epoch


def _statistics_row(digits: Digits, repetitions: int) -> dict[str, Any]:
    """What the per-epoch statistics add to an epoch: the whole evaluation of the first 1,000 test images, the highest
    value of each hidden unit over the others, and the norms.

    That is more than they cost, since those images are judged anyway.
    """
    config = ScratchConfig(source="mnist", initializer="he", epochs=1)
    network = network_of(config)
    split = split_fraction(len(digits), config.train_fraction, config.seed)
    batch = split.train[-config.batch_size :]
    block = [np.ones((1_000, units), np.float32) for units in config.hidden]

    def probe() -> float:
        began = time.perf_counter()
        evaluate(network, digits, split.test[:1_000])
        for _ in range(1_000, len(split.test), 1_000):
            for values in block:
                np.maximum(values.max(axis=0), 0)
        gradient_norms(network, digits.images[batch], digits.labels[batch])
        weight_norms(network)
        return time.perf_counter() - began

    seconds = interleaved({"ours": _ours(config, digits), "probe": probe}, repetitions)
    share = seconds["probe"] / seconds["ours"]
    return {
        "work": "scratch, statistics after an epoch",
        "ours_seconds": seconds["probe"],
        "peer": "the epoch itself",
        "peer_seconds": seconds["ours"],
        "ratio": 1 / share,
        "target": f"≤ {STATISTICS_SHARE:.0%} of the epoch",
        "met": share <= STATISTICS_SHARE,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    print(markdown(rows(options.data_dir, options.repetitions)))
