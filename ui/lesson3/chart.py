"""One chart for many runs: the run by colour and mark, the quantity by dash, exact figures where the pointer is.

The drawing is built once with Altair for each set of names and scales; later only numbers are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

# Six marks and the theme's seven colours: 42 runs before a pair comes up again.
MARKS = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ([1, 0], [7, 3], [2, 2.5], [10, 3, 2, 3])
MARKED = 8
# A logarithmic axis is labelled at 1, 2 and 5 of each power of ten, where there is room.
_MANTISSA = "round(10 * datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))"
_LOG_LABELS = f"indexof([10, 20, 50], {_MANTISSA}) >= 0 ? datum.label : ''"


def runs_chart(
    rows: pd.DataFrame,
    *,
    runs: Sequence[str],
    quantities: Sequence[str],
    title: str,
    x_title: str,
    y_title: str,
    key: str,
    alt: str,
    all_runs: Sequence[str] | None = None,
    y_format: str = ".4f",
    log_y: bool = False,
    levels: Mapping[str, float] | None = None,
    cursor: float | None = None,
    height: int = 340,
) -> None:
    """Draw lines over epochs or time.

    Args:
        rows: columns `x`, `y`, `run`, `quantity`, `epoch` and `minutes`, one row per point.
        runs, quantities: the names that occur, in the order of their legends.
        all_runs: every run that might be chosen, so that a run keeps its colour while others come and go.
        levels: level lines with a label each.
        cursor: where to draw an upright line.
        alt: what the chart shows, for screen readers.
    """
    usable = np.isfinite(rows["y"]) & (rows["y"] > 0) if log_y else np.isfinite(rows["y"])
    rows = rows[usable]
    rows = rows.assign(mark=_marks(rows))
    domain = tuple(dict.fromkeys([*(all_runs or ()), *runs]))
    spec = _spec(domain, tuple(runs), tuple(quantities), title, x_title, y_title, y_format, log_y, height)
    datasets = {
        "lines": pa.Table.from_pandas(rows, preserve_index=False),
        "levels": pa.table(
            {
                "level": pa.array([float(level) for level in (levels or {}).values()], pa.float64()),
                "label": pa.array(list(levels or {}), pa.string()),
            }
        ),
        "cursor": pa.table({"at": pa.array([] if cursor is None else [float(cursor)], pa.float64())}),
    }
    filled: Any = {**spec, "datasets": datasets}
    st.vega_lite_chart(filled, key=key, alt=alt)


def _marks(rows: pd.DataFrame) -> pd.Series:
    """A few points along each line carry its run's mark, the last one always."""
    place = rows.groupby(["run", "quantity"], sort=False).cumcount(ascending=False)
    size = rows.groupby(["run", "quantity"], sort=False)["x"].transform("size")
    every = np.maximum(1, np.ceil(size / MARKED)).astype(int)
    return place % every == 0


@lru_cache(maxsize=128)
def _spec(
    domain: tuple[str, ...],
    runs: tuple[str, ...],
    quantities: tuple[str, ...],
    title: str,
    x_title: str,
    y_title: str,
    y_format: str,
    log_y: bool,
    height: int,
) -> dict[str, Any]:
    import altair as alt

    # One column: on a telephone two would not fit, and the drawing grows by as much as its legend needs.
    legend = alt.Legend(title=None, orient="bottom", columns=1, labelLimit=320, symbolSize=80, values=list(runs))
    kinds = alt.Legend(title=None, orient="bottom", columns=1, labelLimit=320, symbolSize=300, symbolStrokeWidth=2)
    height += 22 * (len(runs) + len(quantities))
    if len(runs) == 1:
        # One run: then its quantities may have the colours.
        domain, runs, field = quantities, quantities, "quantity"
        legend = kinds = alt.Legend(
            title=None, orient="bottom", columns=1, labelLimit=320, symbolSize=80, symbolStrokeWidth=2
        )
    else:
        field = "run"
    colour = alt.Color(field=field, type="nominal", scale=alt.Scale(domain=list(domain)), legend=legend)
    marks = [MARKS[index % len(MARKS)] for index in range(len(domain))]
    shape = alt.Shape(field=field, type="nominal", scale=alt.Scale(domain=list(domain), range=marks), legend=legend)
    dashes = [DASHES[index % len(DASHES)] for index in range(len(quantities))]
    dash = alt.StrokeDash(
        field="quantity",
        type="nominal",
        scale=alt.Scale(domain=list(quantities), range=dashes),
        legend=kinds if len(quantities) > 1 or field == "quantity" else None,
    )
    per_cent = "%" in y_format
    x = alt.X(field="x", type="quantitative", title=x_title, scale=alt.Scale(zero=False, nice=False)).axis(
        tickMinStep=1
    )
    y = alt.Y(
        field="y", type="quantitative", title=y_title, scale=alt.Scale(type="log" if log_y else "linear", zero=False)
    ).axis(format="~%" if per_cent else "~g", **({"labelExpr": _LOG_LABELS, "labelOverlap": "greedy"} if log_y else {}))
    tooltip = [
        alt.Tooltip(field="run", type="nominal", title="run"),
        alt.Tooltip(field="quantity", type="nominal", title="quantity"),
        alt.Tooltip(field="epoch", type="quantitative", title="epoch", format="d"),
        alt.Tooltip(field="minutes", type="quantitative", title="training time (min)", format=".2f"),
        alt.Tooltip(field="y", type="quantitative", title=y_title, format=y_format),
    ]
    base = alt.Chart(alt.NamedData("lines"))
    near = alt.selection_point(
        name="near",
        nearest=True,
        on="pointermove",
        clear="pointerout",
        fields=["epoch", "run", "quantity"],
        empty=False,
    )
    layers = [
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour, strokeDash=dash),
        base.transform_filter("datum.mark")
        .mark_point(size=50, filled=True, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape),
        base.mark_point(size=120, filled=False, strokeWidth=2)
        .encode(x=x, y=y, color=colour, opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=tooltip)
        .add_params(near),
        alt.Chart(alt.NamedData("cursor"))
        .mark_rule(strokeWidth=1.2, strokeDash=[4, 3], color="#888888", aria=False)
        .encode(x=alt.X(field="at", type="quantitative")),
        alt.Chart(alt.NamedData("levels"))
        .mark_rule(strokeWidth=1, strokeDash=[2, 3], color="#888888", aria=False)
        .encode(y=alt.Y(field="level", type="quantitative")),
        alt.Chart(alt.NamedData("levels"))
        .mark_text(align="right", baseline="bottom", dx=-4, dy=-3, color="#888888", fontSize=12, aria=False)
        .encode(
            x=alt.value("width"),
            y=alt.Y(field="level", type="quantitative"),
            text=alt.Text(field="label", type="nominal"),
        ),
    ]
    chart = alt.layer(*layers).properties(
        title=alt.Title(title, anchor="start", fontSize=15, offset=10), height=height, width="container"
    )
    built: dict[str, Any] = chart.to_dict(validate=True)
    built.pop("datasets", None)
    built["config"] = {"legend": {"layout": {"bottom": {"anchor": "start", "direction": "vertical"}}}}
    return built
