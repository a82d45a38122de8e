"""How far one epoch brings networks A and B, beside a plain PyTorch loop from the same weights over the same batches.

`python -m benchmarks.first_epoch` prints a Markdown table: validation accuracy after 57,000 images at R2's settings
(Adam, rate 0.001, batches of 64), for each kind of initial weights the mean and the range over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.measure import data_directory
from mlcore.data.mnist import Digits, open_source
from mlcore.data.splits import split_network
from mlcore.experiments.configs import NetworkConfig
from mlcore.networks import train
from mlcore.networks.architectures import MEAN, STANDARD_DEVIATION
from mlcore.networks.model import build, initial_parameters, load_parameters
from mlcore.networks.trainer import epoch_order

INITIALIZERS = ("default", "xavier", "he")


def ours(config: NetworkConfig, data: Digits) -> float:
    """Validation accuracy after one epoch, in per cent."""
    return 100 * next(iter(train(config, data))).validation_accuracy


def plain_loop(config: NetworkConfig, data: Digits) -> float:
    """The same by autograd, `nn.CrossEntropyLoss` and `torch.optim.Adam`."""
    split = split_network(data, config.seed)
    images = (torch.from_numpy(np.array(data.images)) / 255 - MEAN) / STANDARD_DEVIATION
    labels = torch.from_numpy(data.labels.astype(np.int64))
    module = build(config.sizes)
    load_parameters(module, initial_parameters(config.sizes, config.initializer, config.seed))
    optimizer = torch.optim.Adam(module.parameters(), lr=config.learning_rate)
    criterion = nn.CrossEntropyLoss()
    for batch in torch.from_numpy(epoch_order(split.train, config.seed, 0)).split(config.batch_size):
        optimizer.zero_grad()
        criterion(module(images[batch]), labels[batch]).backward()
        optimizer.step()
    rows = torch.from_numpy(split.validation)
    with torch.no_grad():
        return 100 * float((module(images[rows]).argmax(1) == labels[rows]).float().mean())


def table(seeds: Sequence[int], data: Digits) -> str:
    """A line for each network and kind of initial weights."""
    lines = [
        "| network | initial weights | ours, % | plain loop, % | largest difference |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for architecture in "AB":
        for initializer in INITIALIZERS:
            found = []
            for seed in seeds:
                config = NetworkConfig(
                    source="mnist", architecture=architecture, initializer=initializer, epochs=1, seed=seed
                )
                found.append((ours(config, data), plain_loop(config, data)))
            values = np.array(found)
            apart = np.abs(values[:, 0] - values[:, 1]).max()
            lines.append(
                f"| {architecture} | {initializer} | {_spread(values[:, 0])} | {_spread(values[:, 1])} | {apart:.2f} |"
            )
    return "\n".join(lines)


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(table(range(options.seeds), open_source("mnist", data_directory(options.data_dir))))
