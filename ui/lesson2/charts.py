"""Two drawings that only this lesson needs: results with their intervals, and seeds as faint lines with their mean.

As in `ui.charts`, a drawing is built once with Altair and only its numbers are sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from ui.chart_specs import DASHES, SHAPES, finish
from ui.charts import draw_spec


def interval_chart(
    rows: Mapping[str, Sequence[Any]],
    *,
    order: Sequence[str],
    title: str,
    y_title: str,
    key: str,
    alt: str,
    height: int = 320,
) -> None:
    """A point with its interval per column and series.

    Args:
        rows: columns `cell`, `series`, `value`, `low`, `high` and `interval` (what the interval is, in words).
        order: the series, in the order of the legend; fixes each one's colour and shape.
    """
    columns = {name: list(values) for name, values in rows.items()}
    spec = _interval_spec(tuple(dict.fromkeys(columns["cell"])), tuple(order), title, y_title, height)
    draw_spec(spec, {"points": pa.table(columns)}, key=key, alt=alt)


def seeds_chart(
    rows: Mapping[str, Sequence[Any]],
    *,
    order: Sequence[str],
    title: str,
    y_title: str,
    key: str,
    alt: str,
    y_format: str = ".4f",
    log_y: bool = False,
    height: int = 320,
) -> None:
    """One faint line per seed and, over them, the mean of each series.

    Args:
        rows: columns `epoch`, `value`, `series`, `seed` (text) and `mean` (whether the row is of the mean).
        order: the series, in the order of the legend.
    """
    table = pa.table({name: list(values) for name, values in rows.items()})
    spec = _seeds_spec(tuple(order), title, y_title, y_format, log_y, height)
    draw_spec(spec, {"lines": table}, key=key, alt=alt)


@lru_cache(maxsize=16)
def _interval_spec(
    cells: tuple[str, ...], names: tuple[str, ...], title: str, y_title: str, height: int
) -> dict[str, Any]:
    import altair as alt

    domain = list(names)
    # "tanh 90–10" on two lines: a telephone has no room for six names beside each other.
    names_below = {"labelAngle": 0, "labelOverlap": False, "labelExpr": "split(datum.label, ' ')"}
    across = alt.X(field="cell", type="nominal", sort=list(cells), title=None).axis(**names_below)
    beside = alt.XOffset(field="series", type="nominal", scale=alt.Scale(domain=domain))
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=320, symbolSize=80)
    colour = alt.Color(field="series", type="nominal", scale=alt.Scale(domain=domain), legend=legend)
    shape = alt.Shape(
        field="series", type="nominal", legend=legend, scale=alt.Scale(domain=domain, range=list(SHAPES[: len(domain)]))
    )
    up = {"type": "quantitative", "scale": alt.Scale(zero=False, padding=14)}
    tooltip = [
        alt.Tooltip(field="cell", type="nominal"),
        alt.Tooltip(field="series", type="nominal", title="whose"),
        alt.Tooltip(field="value", type="quantitative", title=y_title, format=".2%"),
        alt.Tooltip(field="interval", type="nominal"),
    ]
    base = alt.Chart(alt.NamedData("points"))
    bars = base.mark_rule(strokeWidth=2).encode(
        x=across,
        xOffset=beside,
        y=alt.Y(field="low", title=y_title, **up).axis(format="~%"),
        y2=alt.Y2(field="high"),
        color=colour,
        tooltip=tooltip,
    )
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        x=across,
        xOffset=beside,
        y=alt.Y(field="value", title=y_title, **up).axis(format="~%"),
        color=colour,
        shape=shape,
        tooltip=tooltip,
    )
    return finish(alt.layer(bars, points), title, height)


@lru_cache(maxsize=32)
def _seeds_spec(
    names: tuple[str, ...], title: str, y_title: str, y_format: str, log_y: bool, height: int
) -> dict[str, Any]:
    import altair as alt

    across = alt.X(field="epoch", type="quantitative", title="epoch", scale=alt.Scale(zero=False, nice=False)).axis(
        format="d", tickMinStep=1
    )
    axis = {"format": "~%" if "%" in y_format else "~g"}
    up = alt.Y(
        field="value",
        type="quantitative",
        title=y_title,
        scale=alt.Scale(type="log" if log_y else "linear", zero=False),
    ).axis(**axis)
    tooltip = [
        alt.Tooltip(field="epoch", type="quantitative"),
        alt.Tooltip(field="series", type="nominal", title="run"),
        alt.Tooltip(field="seed", type="nominal"),
        alt.Tooltip(field="value", type="quantitative", title=y_title, format=y_format),
    ]
    colour, dash = _series_looks(names)
    base = alt.Chart(alt.NamedData("lines")).encode(x=across, y=up, color=colour)
    faint = base.transform_filter("!datum.mean").mark_line(strokeWidth=1, opacity=0.35)
    bold = base.transform_filter("datum.mean").mark_line(strokeWidth=2.5)
    near = alt.selection_point(
        name="near", nearest=True, on="pointermove", clear="pointerout", fields=["epoch", "seed", "series"]
    )
    opacity = alt.condition(near, alt.value(1), alt.value(0), empty=False)
    hovered = base.mark_point(size=70, filled=True).encode(opacity=opacity, tooltip=tooltip).add_params(near)
    layers = alt.layer(
        faint.encode(detail=alt.Detail(field="seed", type="nominal")), bold.encode(strokeDash=dash), hovered
    )
    return finish(layers, title, height)


def _series_looks(names: tuple[str, ...]) -> tuple[Any, Any]:
    """Colour and dash of each series, in one legend of lines."""
    import altair as alt

    domain = list(names)
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=1,
        labelLimit=600,
        symbolType="stroke",
        symbolStrokeWidth=2.5,
        symbolOpacity=1,
        symbolSize=300,
    )
    dashes = [list(DASHES[index % len(DASHES)]) for index in range(len(domain))]
    return (
        alt.Color(field="series", type="nominal", scale=alt.Scale(domain=domain), legend=legend),
        alt.StrokeDash(field="series", type="nominal", legend=legend, scale=alt.Scale(domain=domain, range=dashes)),
    )
