"""Loss and accuracy over the epochs, drawn alike wherever lesson 2 looks at a run: live, as a result, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.reports import r1_config, table1_cell
from mlcore.records import ScratchEpoch
from ui.charts import line_chart, long_form

PARTS = ("training", "test")


class _Measure(NamedTuple):
    """A figure that both parts have: its title, its axis, and how exact values are written."""

    title: str
    unit: str
    form: str


MEASURES = {
    "loss": _Measure("Loss", "mean cross-entropy (nats)", ".4f"),
    "accuracy": _Measure("Accuracy", "share of right answers", ".2%"),
}


def curves(
    config: ScratchConfig,
    epochs: Sequence[ScratchEpoch],
    *,
    key: str,
    height: int,
    cursor: int | None = None,
    log_loss: bool = False,
) -> None:
    """Loss and accuracy side by side, with the report's figures as level lines where the settings are the report's.

    Args:
        cursor: the epoch looked at.
        log_loss: a logarithmic axis for the loss.
    """
    levels = report_levels(config)
    for column, (name, measure) in zip(st.columns(2, gap="medium"), MEASURES.items(), strict=True):
        with column:
            line_chart(
                curve_columns(epochs, name),
                x="epoch",
                y=name,
                series="part",
                order=PARTS,
                title=measure.title,
                x_title="epoch",
                y_title=measure.unit,
                y_format=measure.form,
                log_y=log_loss and name == "loss",
                cursor=cursor,
                references=levels[name],
                height=height,
                key=f"{key}.{name}",
            )


def curve_columns(epochs: Sequence[ScratchEpoch], name: str) -> dict[str, list[Any]]:
    """`loss` or `accuracy` of both parts, one row per point."""
    numbers = [epoch.epoch for epoch in epochs]
    lines = {
        "training": [getattr(epoch, f"train_{name}") for epoch in epochs],
        "test": [getattr(epoch, f"test_{name}") for epoch in epochs],
    }
    return long_form(numbers, lines, names=("epoch", name, "part"))


def report_levels(config: ScratchConfig) -> dict[str, dict[str, float]]:
    """The report's loss and accuracy for exactly these settings, labelled; empty for any other."""
    try:
        cell = table1_cell(str(config.activation), config.train_fraction)
        theirs = r1_config(cell.activation, cell.train_fraction, seed=config.seed)
    except (KeyError, ValueError):
        theirs = None
    if config != theirs:
        return {name: {} for name in MEASURES}
    return {
        "loss": {f"report: {cell.loss:g}": cell.loss},
        "accuracy": {f"report: {percent_text(cell.accuracy)}": cell.accuracy},
    }
