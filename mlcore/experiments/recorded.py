"""The recorded 500-epoch runs of networks A and B: which they are, and reading them back.

`RECORDED_NETWORKS` names ten runs and gives the config of each; `recorded_networks()` opens whichever lie in
`assets/networks`, made by `python -m mlcore record networks` (see `mlcore.experiments.recording`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file

from mlcore.experiments.configs import NetworkConfig, read_config

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "networks"

# What each variant changes in the baseline, which is report R2's experiment 1.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("baseline", {"epochs": 500}),
    "dropout-as-run": (
        "dropout, as the report's code ran",
        # R2's code calls scheduler.step(validation_loss) at a rate of 0.001, so the rate never steps.
        {"epochs": 500, "dropout": 0.3, "initializer": "xavier", "step_size": 10, "step_on_loss": True},
    ),
    "dropout": ("dropout 0.3", {"epochs": 500, "dropout": 0.3}),
    # 0.01, ×0.1 every 10 epochs: after 100 epochs the rate is 1e-12 and nothing moves any more.
    "step": ("StepLR as described", {"epochs": 100, "learning_rate": 0.01, "step_size": 10}),
    "dropout-step": (
        "dropout + StepLR as described",
        {"epochs": 100, "dropout": 0.3, "initializer": "xavier", "learning_rate": 0.01, "step_size": 10},
    ),
}

RECORDED_NETWORKS: dict[str, NetworkConfig] = {
    f"{network}-{variant}": NetworkConfig(source="mnist", architecture=network, **changes)
    for network in ("A", "B")
    for variant, (_, changes) in VARIANTS.items()
}


@dataclass(frozen=True)
class RecordedRun:
    """One recorded run.

    Attributes:
        name: `A-dropout-step`, say: the network, then the variant.
        config: what was trained.
        epochs: one row per epoch, one column for each of `NetworkEpoch.figures()`.
        summary: how and with what it was made, its best epoch, its confusion matrices.
        folder: where its files lie.
    """

    name: str
    config: NetworkConfig
    epochs: pd.DataFrame
    summary: Mapping[str, Any]
    folder: Path

    @property
    def network(self) -> str:
        """`A` or `B`."""
        return self.name.partition("-")[0]

    @property
    def title(self) -> str:
        """What a legend calls it: `A, dropout 0.3`."""
        network, _, variant = self.name.partition("-")
        return f"{network}, {VARIANTS[variant][0]}"

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation accuracy; the first of equals."""
        return int(self.summary["best_epoch"])

    def weights(self, which: str = "last") -> dict[str, NDArray[np.float32]]:
        """The weights after the `last` or the `best` epoch, as float32.

        Returns:
            `weight1` of shape (inputs, units), `bias1` of shape (units,), and so on to the output layer.
        """
        return {
            name: array.astype(np.float32) for name, array in load_file(self.folder / f"{which}.safetensors").items()
        }


def recorded_networks(folder: Path = FOLDER) -> dict[str, RecordedRun]:
    """All recorded runs that lie in `folder`, in the order of `RECORDED_NETWORKS`; some may be missing."""
    runs = {}
    for name in RECORDED_NETWORKS:
        place = folder / name
        if (place / "summary.json").is_file():
            summary = json.loads((place / "summary.json").read_text())
            config = read_config(summary["config"])
            assert isinstance(config, NetworkConfig)
            runs[name] = RecordedRun(name, config, pd.read_csv(place / "epochs.csv"), summary, place)
    return runs
