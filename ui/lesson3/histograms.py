"""Histograms of what hooks heard in each layer, before and after training over each other (L3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from ui.chart_specs import finish
from ui.charts import draw_spec, table_twin
from ui.links import LinkState
from ui.terms import word

MOMENTS = ("before training (dashed)", "after training (filled)")
HEARD = {
    "values": "forward: z of each layer",
    "activations": "forward: activations",
    "gradients": "backward: gradient at z",
}
X_TITLES = {"values": "z", "activations": "ReLU(z)", "gradients": "log10 |gradient|"}
_SYMLOG_TICKS = [sign * 10**power for power in range(5) for sign in (-1, 1)] + [0]


def draw_histograms(state: LinkState, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """One chart a layer, before and after over each other."""
    st.segmented_control(
        "What the hooks heard",
        list(HEARD),
        format_func=HEARD.__getitem__,
        key=state.key("histogram"),
        required=True,
    )
    what = str(state["histogram"])
    if what == "values":
        st.markdown(
            "z is what a layer adds up before its activation. ReLU turns everything left of the line into 0. The "
            "output layer's z "
            f"are the {word('logits')}.",
            unsafe_allow_html=True,
        )
    elif what == "activations":
        st.markdown(
            "What a hidden layer passes on: ReLU(z). Zeros are not drawn, or their bar would dwarf all others; their "
            "share is “z at 0 or below” in the table below."
        )
    else:
        st.markdown(
            "How strongly the loss of one image pulls at each z, as a power of ten: −2 means 0.01. The more to the "
            "left, the less a "
            "unit can still learn. Where ReLU has put out 0, no gradient comes back at all; these are not drawn, but "
            "counted below."
        )
    rows = []
    for index, (old, new) in enumerate(zip(before["layers"], after["layers"], strict=True)):
        if what == "activations" and old["name"] == "output":
            continue  # no ReLU there
        table = _bins(old[what], new[what])
        rows.append(table.assign(layer=old["name"]))
        if index % 2 == 0:  # a row of its own, so that a telephone keeps the order
            columns = st.columns(2, gap="medium")
        with columns[index % 2]:
            _draw_histogram(
                table,
                title=f"{old['name'].capitalize()}, {old['units']} units",
                x_title=X_TITLES[what],
                zero=what == "values" and old["name"] != "output",
                key=f"inside_{what}_{index}",
            )
    table_twin(pd.concat(rows, ignore_index=True), key="inside_histograms", file_name=f"{what}.csv")


def _bins(old: Mapping[str, Any], new: Mapping[str, Any]) -> pd.DataFrame:
    """Both histograms in long form, as the share of all values in each bin."""
    parts = []
    for moment, histogram in zip(MOMENTS, (old, new), strict=True):
        edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"])
        if not len(counts):
            continue
        parts.append(
            pd.DataFrame(
                {
                    "moment": moment,
                    "from": edges[:-1],
                    "to": edges[1:],
                    "share": counts / counts.sum(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _draw_histogram(table: pd.DataFrame, *, title: str, x_title: str, zero: bool, key: str) -> None:
    if table.empty:
        st.caption(f"{title}: there is none, all is 0.")
        return
    data = {
        "bins": pa.Table.from_pandas(table, preserve_index=False),
        "zero": pa.table({"at": pa.array([0.0] if zero else [], pa.float64())}),
    }
    alt = f"{title}: histogram of {x_title} before and after training"
    draw_spec(_histogram_spec(title, x_title), data, key=key, alt=alt)


@lru_cache(maxsize=64)
def _histogram_spec(title: str, x_title: str) -> dict[str, Any]:
    """Steps without filling before training, filled after: told apart without colour."""
    import altair as alt

    base = alt.Chart(alt.NamedData("bins"))
    # z grows a hundredfold in training: the middle of a symlog axis is linear, its ends are logarithmic.
    if x_title != X_TITLES["gradients"]:
        scale, axis = alt.Scale(type="symlog", nice=False), alt.Axis(values=_SYMLOG_TICKS, format=",d")
    else:
        scale, axis = alt.Scale(zero=False, nice=False), alt.Axis(tickCount=6)
    x = alt.X(field="from", type="quantitative", title=x_title, scale=scale, axis=axis)
    y = alt.Y(field="share", type="quantitative", title="share in each bin").axis(format="~%")
    colour = alt.Color(
        field="moment",
        type="nominal",
        scale=alt.Scale(domain=list(reversed(MOMENTS))),
        legend=alt.Legend(title=None, orient="top", columns=1),  # side by side they are cut off on a phone
    )
    tooltip = [
        alt.Tooltip(field="moment", type="nominal", title="when"),
        alt.Tooltip(field="from", type="quantitative", format=".3g"),
        alt.Tooltip(field="to", type="quantitative", format=".3g"),
        alt.Tooltip(field="share", type="quantitative", format=".2%"),
    ]
    chart = alt.layer(
        base.transform_filter(f"datum.moment == '{MOMENTS[1]}'")
        .mark_rect(opacity=0.55)
        .encode(
            x=x,
            x2=alt.X2(field="to"),
            y=y,
            y2=alt.Y2(datum=0),
            color=colour,
            tooltip=tooltip,
        ),
        base.transform_filter(f"datum.moment == '{MOMENTS[0]}'")
        .mark_line(interpolate="step-after", strokeWidth=2, strokeDash=[4, 2])
        .encode(x=x, y=y, color=colour, tooltip=tooltip),
        alt.Chart(alt.NamedData("zero"))
        .mark_rule(color="#888888", strokeDash=[3, 3], aria=False)
        .encode(x=alt.X(field="at", type="quantitative")),
    )
    return finish(chart, title, 280)
