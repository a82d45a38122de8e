"""The chooser of curves and their chart: losses, error rates, scores or the rate, by epoch or by time (L3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from mlcore.experiments.reports import STATE_OF_THE_ART
from mlcore.networks.architectures import TRAIN_EVALUATION_IMAGES
from ui.charts import table_twin
from ui.lesson3.chart import runs_chart
from ui.lesson3.data import Series, thin
from ui.lesson3.state import ERRORS, LOSSES, QUANTITIES, SCORES
from ui.line_spec import NEAR
from ui.links import LinkState


class Most(NamedTuple):
    """How many points a chart may have, all lines together: drawn, and answering to the pointer with their figures.

    A point that answers costs the browser a fifth of a millisecond before the chart shows, one that is only drawn a
    tenth of that. A column is 1,000 pixels wide: two points a pixel and line cannot be told apart.
    """

    drawn: int
    answering: int


MOST = Most(2_000, 480)
LEAST_ANSWERING = 24
UNITS = {"loss": "mean cross-entropy (nats)", "error": "share wrong", "scores": "share", "rate": "Adam's step size"}
Y_FORMATS = {"loss": ".5f", "error": ".2%", "scores": ".2%", "rate": ".3e"}


class Quantity(NamedTuple):
    """A line to draw for each run: what the legend calls it, its column, and whether 1 minus the column is meant."""

    name: str
    column: str
    complement: bool = False

    def of(self, table: pd.DataFrame) -> pd.Series:
        """Its values, one an epoch."""
        return 1 - table[self.column] if self.complement else table[self.column]


def runs_of(state: LinkState, runs: Mapping[str, Series]) -> list[Series]:
    """The chosen ones of the recorded runs, in order."""
    return [runs[name] for name in runs if name in (state["runs"] or [])]


def choose_runs(state: LinkState, runs: Mapping[str, Series]) -> None:
    """Pills for the recorded runs."""
    st.pills(
        "Runs",
        list(runs),
        selection_mode="multi",
        format_func=lambda name: runs[name].label,
        key=state.key("runs"),
    )


def choose_quantity(state: LinkState) -> None:
    """The row of choices that says what is drawn, along what, and on which scale."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            "What", list(QUANTITIES), format_func=QUANTITIES.__getitem__, key=state.key("what"), required=True
        )
        st.segmented_control("Along", ["epochs", "time"], key=state.key("x"), required=True)
        if state["what"] != "scores":  # near 100 % a logarithm tells nothing apart
            st.segmented_control("Scale", ["linear", "log"], key=state.key("scale"), required=True)
    if state["what"] == "loss":
        _which(state, "Which losses", "losses", {name: label for name, (_, label) in LOSSES.items()})
    elif state["what"] == "error":
        _which(state, "On which images", "errors", {name: label for name, (_, label) in ERRORS.items()})
    elif state["what"] == "scores":
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            _which(state, "Which scores", "scores", SCORES)
            st.segmented_control(
                "Average over digits",
                ["weighted", "macro"],
                key=state.key("average"),
                required=True,
                help="Weighted: a digit counts as often as it occurs, as in the report. Macro: all digits count the "
                "same.",
            )


def _which(state: LinkState, label: str, name: str, options: Mapping[str, str]) -> None:
    st.pills(label, list(options), selection_mode="multi", format_func=options.__getitem__, key=state.key(name))


def quantities_of(state: LinkState) -> list[Quantity]:
    """What the choices ask for, in the order of the choices."""
    what = state["what"]
    if what == "rate":
        return [Quantity("learning rate", "learning_rate")]
    if what == "loss":
        return [Quantity(label, column) for name, (column, label) in LOSSES.items() if name in (state["losses"] or [])]
    if what == "error":
        return [
            Quantity(label, column, complement=True)
            for name, (column, label) in ERRORS.items()
            if name in (state["errors"] or [])
        ]
    average = state["average"]
    ending = "" if average == "weighted" else "_macro"
    return [
        Quantity("accuracy", "validation_accuracy")
        if name == "accuracy"
        else Quantity(f"{label} ({average})", f"{name}{ending}")
        for name, label in SCORES.items()
        if name in (state["scores"] or [])
    ]


def chart(
    state: LinkState,
    shown: Sequence[Series],
    *,
    key: str,
    cursor: float | None = None,
    all_runs: Sequence[str] | None = None,
    height: int = 340,
) -> None:
    """The chart of some runs and its table, as the choices ask for it; a sentence where they ask for nothing."""
    quantities = quantities_of(state)
    if not shown or not quantities:
        st.info("Choose at least one run and one quantity to see a curve.", icon=":material/touch_app:")
        return
    by_time = state["x"] == "time"
    what = QUANTITIES[state["what"]]
    log = state["scale"] == "log" and state["what"] != "scores"
    most = _shared_out(len(shown) * len(quantities))
    # Recorded curves are cut out of their tables once; a run under way changes from second to second.
    cut = _kept_rows if not any(series.mine for series in shown) else long_rows
    # The visitor's own lines lie over the recorded ones.
    in_order = tuple(sorted(shown, key=lambda series: series.mine))
    rows = cut(in_order, tuple(quantities), by_time, most)
    runs_chart(
        rows,
        runs=[series.label for series in shown],
        quantities=[quantity.name for quantity in quantities],
        title=f"{what} against {'training time' if by_time else 'epochs'}",
        x_title="training time (minutes)" if by_time else "epoch",
        y_title=f"{what.lower()}, {UNITS[state['what']]}",
        y_format=Y_FORMATS[state["what"]],
        log_y=log,
        levels=_levels(state["what"]),
        cursor=None if by_time else cursor,
        all_runs=all_runs,
        height=height,
        key=key,
        alt=f"{what} of {len(shown)} runs as lines; the table below holds the numbers.",
    )
    _what_is_drawn(shown, quantities, log)
    if by_time and not all(series.mine for series in shown):
        st.caption(
            "Time is by the clock. The recordings shared their machine with other work, now more, now less, so "
            "compare what a minute brought in one run; section 2 has the processor time of an epoch of each."
        )
    twin = _kept_table if not any(series.mine for series in shown) else long_table
    table_twin(twin(tuple(shown), tuple(quantities)), key=f"{key}_table", file_name="curves.csv")


def _what_is_drawn(shown: Sequence[Series], quantities: Sequence[Quantity], log: bool) -> None:
    """What the lines stand on, and what a logarithmic scale has no place for."""
    sentences = []
    if any(quantity.column.endswith("_eval") for quantity in quantities) and any(
        series.config.source == "mnist" for series in shown
    ):
        sentences.append(
            f"In evaluation mode the training figures stand on {TRAIN_EVALUATION_IMAGES:,} of the 57,000 training "
            "images, always the same ones."
        )
    missing = sum(int((quantity.of(series.table) <= 0).sum()) for series in shown for quantity in quantities)
    if log and missing:
        sentences.append(
            f"A logarithmic scale has no place for 0: {missing:,} epochs without a mistake are left out. "
            "The linear scale shows them."
        )
    if sentences:
        st.caption(" ".join(sentences))


def _levels(what: str) -> dict[str, float]:
    """The state of the art as a line, where accuracies are drawn (L3.9)."""
    if what == "scores":
        return {f"state of the art, about {100 * STATE_OF_THE_ART[0]:.1f} %": STATE_OF_THE_ART[0]}
    if what == "error":
        return {f"state of the art, about {100 * (1 - STATE_OF_THE_ART[0]):.1f} %": 1 - STATE_OF_THE_ART[0]}
    return {}


def _shared_out(lines: int) -> Most:
    """The points of one line."""
    return Most(MOST.drawn // lines, max(LEAST_ANSWERING, MOST.answering // lines))


def long_rows(
    shown: Sequence[Series], quantities: Sequence[Quantity], by_time: bool, most: Most = MOST
) -> pd.DataFrame:
    """One row per point to draw: `x`, `y`, `run`, `quantity`, `epoch`, `minutes`, `_near` (it answers to the pointer).

    Args:
        most: points of each line, about.
    """
    parts = []
    for series in shown:
        for quantity in quantities:
            values = quantity.of(series.table).to_numpy(np.float64)
            answering = thin(values, most.answering)
            kept = np.union1d(thin(values, most.drawn), answering)
            epoch, minutes = (series.table[name].to_numpy()[kept] for name in ("epoch", "minutes"))
            parts.append(
                pd.DataFrame(
                    {
                        "x": minutes if by_time else epoch.astype(float),
                        "y": values[kept],
                        "run": series.label,
                        "quantity": quantity.name,
                        "epoch": epoch,
                        "minutes": minutes,
                        NEAR: np.isin(kept, answering),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def long_table(shown: Sequence[Series], quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Every epoch of the chosen runs, one column a quantity: the chart's table."""
    parts = []
    for series in shown:
        columns = {quantity.name: quantity.of(series.table) for quantity in quantities}
        parts.append(
            pd.DataFrame(
                {"run": series.label, "epoch": series.table["epoch"], "minutes": series.table["minutes"], **columns}
            )
        )
    return pd.concat(parts, ignore_index=True)


_kept_rows = lru_cache(maxsize=24)(long_rows)
_kept_table = lru_cache(maxsize=24)(long_table)


def where_curves_end(shown: Sequence[Series]) -> None:
    """Why a curve is shorter than the others."""
    lines = []
    longest = max((int(series.table["epoch"].iloc[-1]) for series in shown), default=0)
    for series in shown:
        last = series.table.iloc[-1]
        if not series.complete:
            lines.append(
                f"{series.label} is recorded up to epoch {last['epoch']:.0f} of {series.config.epochs} so far."
            )
        elif last["epoch"] < longest and last["learning_rate"] < 1e-3 * series.config.learning_rate:
            lines.append(
                f"{series.label} ends at epoch {last['epoch']:.0f}: the rate is {last['learning_rate']:.0e} by then, "
                "and nothing moves any more."
            )
    if lines:
        st.caption("  \n".join(lines))
