"""Networks A and B: an epoch of ours beside an epoch the report's way, and beside the bare matrix products.

`python -m benchmarks.networks` prints a Markdown table; `rows()` gives the same to `python -m benchmarks`. One thread
each, evaluation apart, medians of interleaved repetitions: the machine's moods fall on all of them alike. The report's
way is torchvision's data set, ToTensor and Normalize, a DataLoader, Adam, and `loss.item()` for every batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.measure import data_directory, interleaved, markdown
from mlcore.data.download import import_torchvision
from mlcore.data.mnist import Digits, open_source
from mlcore.data.splits import split_network
from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.recorded import RECORDED_NETWORKS, recorded_networks
from mlcore.networks.architectures import MEAN, STANDARD_DEVIATION
from mlcore.networks.model import build
from mlcore.networks.trainer import advance

# Report R2, seconds for 500 epochs on its GPU: A and B, experiment 1 and 2.
REPORT_SECONDS = {"A-baseline": 8233, "A-dropout-as-run": 5284, "B-baseline": 11913, "B-dropout-as-run": 5328}
WORK = [
    ("network A", NetworkConfig(source="mnist", architecture="A", epochs=1), 5.0),
    ("network A, dropout", NetworkConfig(source="mnist", architecture="A", epochs=1, dropout=0.3), 5.0),
    ("network B", NetworkConfig(source="mnist", architecture="B", epochs=1), 3.5),
    ("network B, dropout", NetworkConfig(source="mnist", architecture="B", epochs=1, dropout=0.3), 3.0),
]


def rows(data_dir: Path | None = None, repetitions: int = 3) -> list[dict[str, Any]]:
    """One row for each work and peer; seconds are medians."""
    directory = data_directory(data_dir)
    data = open_source("mnist", directory)
    torch.set_num_threads(1)
    table = []
    for work, config, target in WORK:
        seconds = interleaved(
            {
                "ours": lambda c=config: our_epoch(c, data),
                "the report's DataLoader loop": lambda c=config: report_epoch(c, directory, data),
                "PyTorch, tensors in memory": lambda c=config: tensor_epoch(c, data),
                "matrix products alone": lambda c=config: products_epoch(c),
            },
            repetitions,
        )
        for peer, goal in (
            ("the report's DataLoader loop", target),
            ("PyTorch, tensors in memory", None),
            ("matrix products alone", None),
        ):
            ratio = seconds[peer] / seconds["ours"]
            table.append(
                {
                    "work": f"{work}: one epoch of 57,000 images, batch 64, Adam",
                    "ours_seconds": seconds["ours"],
                    "peer": peer,
                    "peer_seconds": seconds[peer],
                    "ratio": ratio,
                    "target": f"≥ {goal:g}" if goal else "",
                    "met": ratio >= goal if goal else None,
                }
            )
    return [*table, variants_row(data, table[0]["peer_seconds"], repetitions), *recorded_rows()]


def variants_row(data: Digits, report_seconds: float, repetitions: int) -> dict[str, Any]:
    """All recorded variants of A, an epoch each in turn: seconds for one of them, beside an epoch the report's way."""
    configs = [
        config.model_copy(update={"epochs": 1}) for config in RECORDED_NETWORKS.values() if config.architecture == "A"
    ]
    together = interleaved({"ours": lambda: sum(our_epoch(config, data) for config in configs)}, repetitions)["ours"]
    ratio = report_seconds * len(configs) / together
    return {
        "work": f"network A: the {len(configs)} recorded variants, an epoch of each, for one of them",
        "ours_seconds": together / len(configs),
        "peer": "the report's DataLoader loop",
        "peer_seconds": report_seconds,
        "ratio": ratio,
        "target": "≥ 7",
        "met": ratio >= 7,
    }


def our_epoch(config: NetworkConfig, data: Digits) -> float:
    """Seconds of one epoch's training, as every run reports them."""
    _, results = advance(config, None, data, 1e9)
    return results[0].seconds


def report_epoch(config: NetworkConfig, directory: Path, data: Digits) -> float:
    """Seconds of one epoch as report R2's code trains it."""
    torchvision = import_torchvision()
    transform = torchvision.transforms.Compose(
        [torchvision.transforms.ToTensor(), torchvision.transforms.Normalize((MEAN,), (STANDARD_DEVIATION,))]
    )
    dataset = torchvision.datasets.MNIST(directory, train=True, transform=transform)
    training = torch.utils.data.Subset(dataset, split_network(data, config.seed).train.tolist())
    loader = torch.utils.data.DataLoader(training, batch_size=config.batch_size, shuffle=True)
    return _timed(lambda: _loop(config, ((images.view(len(images), -1), labels) for images, labels in loader)))


def tensor_epoch(config: NetworkConfig, data: Digits) -> float:
    """Seconds of one epoch of a plain PyTorch loop whose images are one normalised tensor in memory."""
    rows = split_network(data, config.seed).train
    images = (torch.from_numpy(data.images[rows]) / 255 - MEAN) / STANDARD_DEVIATION
    labels = torch.from_numpy(data.labels[rows].astype(np.int64))

    def batches() -> Any:
        for chosen in torch.randperm(len(images)).split(config.batch_size):
            yield images[chosen], labels[chosen]

    return _timed(lambda: _loop(config, batches()))


def _loop(config: NetworkConfig, batches: Any) -> None:
    module = build(config.sizes, config.dropout)
    optimizer = torch.optim.Adam(module.parameters(), lr=config.learning_rate)
    criterion = nn.CrossEntropyLoss()
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad()
        loss = criterion(module(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()


def products_epoch(config: NetworkConfig) -> float:
    """Seconds of an epoch's matrix products and nothing else: the floor for this processor and this library."""
    batch, sizes = config.batch_size, config.sizes
    values = [torch.rand(batch, units) for units in sizes]
    weights = [torch.rand(units, inputs) for inputs, units in pairwise(sizes)]
    forward = [torch.empty(batch, units) for units in sizes[1:]]
    gradients = [torch.empty_like(weight) for weight in weights]
    deltas = [torch.empty(batch, units) for units in sizes]

    def run() -> None:
        for _ in range(-(-57_000 // batch)):
            for layer, weight in enumerate(weights):
                torch.mm(values[layer], weight.t(), out=forward[layer])
                torch.mm(values[layer + 1].t(), values[layer], out=gradients[layer])
                if layer:
                    torch.mm(values[layer + 1], weight, out=deltas[layer])

    return _timed(run)


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def recorded_rows() -> list[dict[str, Any]]:
    """The report's four cells, 500 epochs each: one core's processor seconds, evaluation and all."""
    recorded = recorded_networks()
    runs = {name: recorded[name] for name in REPORT_SECONDS if name in recorded}
    if len(runs) < len(REPORT_SECONDS) or not all(run.summary["complete"] for run in runs.values()):
        return []
    ours = sum(float(run.summary["cpu_seconds"]) for run in runs.values())
    theirs = float(sum(REPORT_SECONDS.values()))
    return [
        {
            "work": "all four cells of the report, 500 epochs each (recorded; processor seconds on one core)",
            "ours_seconds": ours,
            "peer": "the report, on its GPU",
            "peer_seconds": theirs,
            "ratio": theirs / ours,
            "target": "≥ 1",
            "met": theirs > ours,
        }
    ]


if __name__ == "__main__":
    found = rows()
    print(markdown(found))
    print(json.dumps(found))
