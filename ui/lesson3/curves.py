"""The chooser of curves and their chart: losses, error rates, scores or the rate, by epoch or by time (L3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import pandas as pd
import streamlit as st

from mlcore.experiments.reports import STATE_OF_THE_ART
from ui.charts import table_twin
from ui.lesson3.chart import runs_chart
from ui.lesson3.data import Series, thin
from ui.lesson3.state import ERRORS, LOSSES, QUANTITIES, SCORES
from ui.links import LinkState

# Points on screen; more than this cannot be told apart in a column of 1,100 pixels, and the browser has to draw them.
MOST_POINTS = 5_000


class Quantity(NamedTuple):
    """A line to draw for each run: what the legend calls it, its column, and whether 1 minus the column is meant."""

    name: str
    column: str
    complement: bool = False


def choose_runs(state: LinkState, runs: Mapping[str, Series]) -> list[Series]:
    """Pills for the recorded runs, one row a network; the chosen ones, in order."""
    st.pills(
        "Runs",
        list(runs),
        selection_mode="multi",
        format_func=lambda name: runs[name].label,
        key=state.key("runs"),
    )
    return [runs[name] for name in runs if name in (state["runs"] or [])]


def choose_quantity(state: LinkState) -> tuple[list[Quantity], bool]:
    """The row of choices above the chart; what to draw, and whether it is drawn in per cent."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        what = st.segmented_control(
            "What", list(QUANTITIES), format_func=QUANTITIES.__getitem__, key=state.key("what"), required=True
        )
        st.segmented_control("Along", ["epochs", "time"], key=state.key("x"), required=True)
        st.segmented_control("Scale", ["linear", "log"], key=state.key("scale"), required=True)
    if what == "loss":
        chosen = _which(state, "Which losses", "losses", {name: label for name, (_, label) in LOSSES.items()})
        return [Quantity(LOSSES[name][1], LOSSES[name][0]) for name in chosen], False
    if what == "error":
        chosen = _which(state, "On which images", "errors", {name: label for name, (_, label) in ERRORS.items()})
        return [Quantity(ERRORS[name][1], ERRORS[name][0], complement=True) for name in chosen], True
    if what == "scores":
        return _scores(state), True
    return [Quantity("learning rate", "learning_rate")], False


def _scores(state: LinkState) -> list[Quantity]:
    """Accuracy, precision, recall and F1 on the validation images, averaged over the digits as chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = _which(state, "Which scores", "scores", SCORES)
        average = st.segmented_control(
            "Average over digits",
            ["weighted", "macro"],
            key=state.key("average"),
            required=True,
            help="Weighted: a digit counts as often as it occurs, as in the report. Macro: all digits count the same.",
        )
    ending = "" if average == "weighted" else "_macro"
    return [
        Quantity("accuracy", "validation_accuracy")
        if name == "accuracy"
        else Quantity(f"{SCORES[name]} ({average})", f"{name}{ending}")
        for name in chosen
    ]


def _which(state: LinkState, label: str, name: str, options: Mapping[str, str]) -> list[str]:
    st.pills(label, list(options), selection_mode="multi", format_func=options.__getitem__, key=state.key(name))
    return [option for option in options if option in (state[name] or [])]


def draw(
    state: LinkState,
    shown: Sequence[Series],
    *,
    key: str,
    cursor: float | None = None,
    all_runs: Sequence[str] | None = None,
    height: int = 340,
) -> None:
    """The choices, the chart, and its table."""
    quantities, per_cent = choose_quantity(state)
    if not shown or not quantities:
        st.info("Choose at least one run and one quantity to see a curve.", icon=":material/touch_app:")
        return
    chart(state, shown, quantities, per_cent, key=key, cursor=cursor, all_runs=all_runs, height=height)


def chart(
    state: LinkState,
    shown: Sequence[Series],
    quantities: Sequence[Quantity],
    per_cent: bool,
    *,
    key: str,
    cursor: float | None = None,
    all_runs: Sequence[str] | None = None,
    height: int = 340,
) -> None:
    """The chart and its table, for choices already made."""
    by_time = state["x"] == "time"
    what = QUANTITIES[state["what"]]
    unit = {"loss": "mean cross-entropy (nats)", "error": "share wrong", "scores": "share", "rate": "Adam's step size"}
    most = max(60, MOST_POINTS // (len(shown) * len(quantities)))
    # Recorded curves are cut out of their tables once; a run under way changes from second to second.
    cut = _kept_rows if not any(series.mine for series in shown) else long_rows
    rows = cut(tuple(shown), tuple(quantities), by_time, most)
    runs_chart(
        rows,
        runs=[series.label for series in shown],
        quantities=[quantity.name for quantity in quantities],
        title=f"{what} against {'training time' if by_time else 'epochs'}",
        x_title="training time (minutes)" if by_time else "epoch",
        y_title=f"{what.lower()}, {unit[state['what']]}",
        y_format=".2%" if per_cent else (".3e" if state["what"] == "rate" else ".5f"),
        log_y=state["scale"] == "log",
        levels=_levels(state["what"]),
        cursor=None if by_time else cursor,
        all_runs=all_runs,
        height=height,
        key=key,
        alt=f"{what} of {len(shown)} runs as lines; the table below holds the numbers.",
    )
    twin = _kept_table if not any(series.mine for series in shown) else long_table
    table_twin(twin(tuple(shown), tuple(quantities)), key=f"{key}_table", file_name="curves.csv")


def _levels(what: str) -> dict[str, float]:
    """The state of the art as a line, where accuracies are drawn (L3.9)."""
    if what == "scores":
        return {f"state of the art, about {100 * STATE_OF_THE_ART[0]:.1f} %": STATE_OF_THE_ART[0]}
    if what == "error":
        return {f"state of the art, about {100 * (1 - STATE_OF_THE_ART[0]):.1f} %": 1 - STATE_OF_THE_ART[0]}
    return {}


def long_rows(shown: Sequence[Series], quantities: Sequence[Quantity], by_time: bool, most: int) -> pd.DataFrame:
    """One row per point to draw: `x`, `y`, `run`, `quantity`, `epoch`, `minutes`; at most about `most` a line."""
    parts = []
    for series in shown:
        table = thin(series.table, most)
        for quantity in quantities:
            values = table[quantity.column]
            parts.append(
                pd.DataFrame(
                    {
                        "x": table["minutes"] if by_time else table["epoch"].astype(float),
                        "y": 1 - values if quantity.complement else values,
                        "run": series.label,
                        "quantity": quantity.name,
                        "epoch": table["epoch"],
                        "minutes": table["minutes"],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def long_table(shown: Sequence[Series], quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Every epoch of the chosen runs, one column a quantity: the chart's table."""
    parts = []
    for series in shown:
        columns = {
            quantity.name: 1 - series.table[quantity.column] if quantity.complement else series.table[quantity.column]
            for quantity in quantities
        }
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
                "and "
                "nothing moves any more."
            )
    if lines:
        st.caption("  \n".join(lines))
