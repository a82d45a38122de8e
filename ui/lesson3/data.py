"""What the sections of lesson 3 look at: recorded runs, the visitor's own runs, and the digits, each read once.

A `Series` is one run with its epochs, wherever it came from, so that one chart and one set of rules serve both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from mlcore.data.mnist import available_sources
from mlcore.data.splits import NetworkSplit, split_network
from mlcore.experiments import recorded as recordings
from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.overfitting import Curves
from mlcore.experiments.recorded import RECORDED_NETWORKS, VARIANTS, RecordedRun
from mlcore.records import EpochResult
from ui.digits import digits_of

PART_SIZES = {"mnist": (57_000, 10_000, 3_000), "sample": (4_000, 750, 250)}
"""Training, validation and test images of each source (report R2; the sample keeps the roles at its own size)."""
FIRST_EPOCHS = 12
"""A loss falls fastest at the start: these epochs are always drawn."""


@dataclass(frozen=True, eq=False)
class Series:
    """One run and its epochs.

    Attributes:
        id: name of a recorded run, or id of one of the visitor's.
        label: what a legend calls it.
        table: one row per epoch, with the columns of `NetworkEpoch.figures()` and `minutes`, the training time so far.
        mine: whether it is the visitor's own.
        complete: whether it has all the epochs it set out for.
    """

    id: str
    label: str
    config: NetworkConfig
    table: pd.DataFrame
    mine: bool = False
    complete: bool = True

    @property
    def network(self) -> str:
        """`A`, `B` or `custom`."""
        return self.config.architecture

    def curves(self, name: str | None = None) -> Curves:
        """This run as the rules about overfitting read it."""
        return Curves.from_table(
            name or self.label,
            self.table,
            dropout=self.config.dropout,
            validation_images=PART_SIZES[self.config.source][1],
        )


def recorded() -> dict[str, RecordedRun]:
    """The recorded runs that are there; read again only when a file has changed."""
    return _read(*_stamp())[0]


def recorded_series() -> dict[str, Series]:
    """The recorded runs as series, in the order of `RECORDED_NETWORKS`.

    They are the same objects from one run of the page to the next, so what is computed of them can be kept.
    """
    return _read(*_stamp())[1]


def _stamp() -> tuple[str, tuple[tuple[str, int], ...]]:
    """Where the recordings lie, and when each was last written."""
    folder = recordings.FOLDER
    files = (folder / name / "epochs.csv" for name in RECORDED_NETWORKS)
    return str(folder), tuple((str(file), file.stat().st_mtime_ns) for file in files if file.is_file())


@st.cache_resource(show_spinner=False, max_entries=2)
def _read(folder: str, stamp: tuple[tuple[str, int], ...]) -> tuple[dict[str, RecordedRun], dict[str, Series]]:
    runs = recordings.recorded_networks(Path(folder))
    series = {
        name: Series(
            name, run.title, run.config, _with_minutes(run.epochs), complete=len(run.epochs) >= run.config.epochs
        )
        for name, run in runs.items()
    }
    return runs, series


def _with_minutes(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(minutes=table["seconds"].cumsum() / 60)


def own_series(run_id: str, label: str, config: NetworkConfig, epochs: list[EpochResult]) -> Series | None:
    """One of the visitor's runs; None before its first epoch."""
    if not epochs:
        return None
    table = pd.DataFrame([epoch.figures() for epoch in epochs])
    return Series(run_id, label, config, _with_minutes(table), mine=True, complete=len(epochs) >= config.epochs)


def variant_of(name: str) -> str:
    """What a recorded run is called in a sentence: "A-step" -> "StepLR as described"; no comma stands in it."""
    return VARIANTS[name.partition("-")[2]][0].replace(", as the report's code ran", " as the report's code ran it")


@st.cache_resource(show_spinner=False, max_entries=8)
def split_of(source: str, seed: int) -> NetworkSplit:
    """Training, validation and test images of a network's run."""
    return split_network(digits_of(source), seed)


def best_source() -> str:
    """All of MNIST where it is there, else the sample."""
    return "mnist" if "mnist" in available_sources() else "sample"


def thin(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Positions of about `most` of a line's values that draw the same line: the first ones, the last, and of each
    stretch between them the lowest and the highest.

    What is left out is not drawn; what is drawn is exact.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    first = min(FIRST_EPOCHS, most // 4)
    edges = np.linspace(first, count, max(1, (most - first) // 2) + 1).astype(int)
    low = np.where(np.isfinite(values), values, np.inf)
    high = np.where(np.isfinite(values), values, -np.inf)
    ends = [
        start + place
        for start, end in pairwise(edges)
        if end > start
        for place in (int(np.argmin(low[start:end])), int(np.argmax(high[start:end])))
    ]
    return np.unique([*range(first), *ends, count - 1])
