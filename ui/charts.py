"""Charts that a page can redraw every second: the drawing is built once with Altair, only the numbers are sent again.

    line_chart(columns, x="epoch", y="loss", series="part", title="Loss", x_title="epoch", y_title="loss (nats)",
               log_y=True, cursor=12, key="loss")
    cell = confusion_heat_map(result.confusion, title="Test digits", key="confusion", by="row")
    table_twin(columns, key="loss_table", file_name="loss.csv")

`columns` is a mapping of column names to equally long sequences, or a pandas frame. Series are told apart by dash,
shape and colour together; hovering tells the exact numbers; colours come from the theme on screen. A number that is
not finite (a run that diverged) is left out of the picture.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import streamlit as st

from ui.chart_specs import DASHES, SHAPES, bar_spec, confusion_spec, histogram_spec
from ui.line_spec import MARKED, NEAR, Axis, Lines, Look, Tip, line_spec
from ui.theme import colour

__all__ = [
    "DASHES",
    "SHAPES",
    "bar_chart",
    "confusion_heat_map",
    "draw_lines",
    "draw_spec",
    "histogram",
    "line_chart",
    "long_form",
    "table_twin",
]

Columns = Mapping[str, Sequence[Any]]

_MARKERS = 9


def line_chart(
    columns: Any,
    *,
    x: str,
    y: str,
    title: str,
    x_title: str,
    y_title: str,
    key: str,
    series: str | None = None,
    order: Sequence[str] | None = None,
    log_y: bool = False,
    log_x: bool = False,
    zero: bool = False,
    y_format: str = ".4f",
    x_format: str = "~g",
    cursor: float | None = None,
    references: Mapping[str, float] | None = None,
    band: tuple[str, str] | None = None,
    faint: str | None = None,
    height: int = 340,
    alt: str | None = None,
) -> None:
    """Lines over a quantity, one per series.

    Args:
        columns: long form, one row per point: columns `x`, `y` and, where there are several lines, `series`.
        order: the names of the series, in the order of the legend; fixes each one's colour, dash and shape. Give it
            where series come and go, so that a line keeps its look.
        log_y, log_x: logarithmic axes; values of 0 and below are left out.
        zero: whether the y axis starts at 0.
        y_format, x_format: d3 formats of the exact values on hover; ".2%" for fractions shown as per cent.
        cursor: where to draw an upright line (the epoch looked at); moving it redraws nothing else.
        references: level lines with a label each: {"report: 0.44": 0.44}.
        band: names of two columns with the lower and upper edge of a shaded band around each line.
        faint: name of a column that tells lines of one series apart (seeds), each drawn thin.
        alt: what the chart shows, in words, for screen readers; do not put changing numbers in it.
    """
    table = _columns(columns)
    rows = {name: list(table[name]) for name in [x, y, series, *(band or ()), faint] if name}
    rows[y] = [_plottable(value, log_y) for value in rows[y]]
    rows[x] = [_plottable(value, log_x) for value in rows[x]]
    rows |= {MARKED: _markers(rows, series, faint), NEAR: [True] * len(rows[x])}
    tips = [Tip(x, x_title, x_format), *([Tip(series, series)] if series else []), Tip(y, y_title, y_format)]
    drawing = Lines(
        Axis(x, x_title, log_x, "~e" if log_x else "", nice=False, whole=x == "epoch"),
        Axis(y, y_title, log_y, _axis_format(y_format, log_y), zero),
        title,
        height,
        Look(series, _names(rows, series, order)) if series else None,
        tooltip=tuple(tips),
        band=band,
        faint=faint,
    )
    draw_lines(drawing, pa.table(rows), cursor=cursor, levels=references, key=key, alt=alt or title)


def _axis_format(exact: str, log: bool) -> str:
    """The d3 format of an axis, after that of its exact values; empty for the drawing's own choice."""
    if "%" in exact:
        return "~%"
    return ("~e" if exact.endswith("e") else "~g") if log else ""


def draw_lines(
    drawing: Lines,
    lines: pa.Table,
    *,
    key: str,
    alt: str,
    cursor: float | None = None,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Draw a line chart of `ui.line_spec` with its numbers, an upright line and level lines."""
    levels = levels or {}
    datasets = {
        "lines": lines,
        "cursor": pa.table({"at": pa.array([] if cursor is None else [float(cursor)], pa.float64())}),
        "levels": pa.table(
            {"level": pa.array(map(float, levels.values()), pa.float64()), "label": pa.array(levels, pa.string())}
        ),
    }
    draw_spec(line_spec(drawing), datasets, key=key, alt=alt)


def bar_chart(
    columns: Any,
    *,
    x: str,
    y: str,
    title: str,
    x_title: str,
    y_title: str,
    key: str,
    series: str | None = None,
    order: Sequence[str] | None = None,
    stacked: bool = True,
    horizontal: bool = False,
    y_format: str = ",",
    height: int = 300,
    alt: str | None = None,
) -> None:
    """Bars over categories; several series are stacked, or stand side by side. `order` as in `line_chart`."""
    table = _columns(columns)
    rows: dict[str, list[Any]] = {name: list(table[name]) for name in (x, y, series) if name}
    rows[x] = [str(value) for value in rows[x]]
    rows[y] = [_plottable(value, False) for value in rows[y]]
    categories = tuple(dict.fromkeys(rows[x]))
    names = _names(rows, series, order)
    spec = bar_spec(x, y, series, names, categories, title, x_title, y_title, stacked, horizontal, y_format, height)
    draw_spec(spec, {"bars": pa.table(rows)}, key=key, alt=alt or title)


def histogram(
    counts: Sequence[float],
    edges: Sequence[float],
    *,
    title: str,
    x_title: str,
    key: str,
    y_title: str = "count",
    height: int = 240,
    alt: str | None = None,
) -> None:
    """Counts between edges, as `numpy.histogram` gives them (one edge more than counts)."""
    table = pa.table(
        {
            "from": [float(edge) for edge in edges[:-1]],
            "to": [float(edge) for edge in edges[1:]],
            "count": [float(count) for count in counts],
        }
    )
    draw_spec(histogram_spec(title, x_title, y_title, height), {"bins": table}, key=key, alt=alt or title)


def confusion_heat_map(
    confusion: Sequence[Sequence[int]],
    *,
    title: str,
    key: str,
    by: str = "count",
    marked: Iterable[tuple[int, int]] = (),
    selectable: bool = True,
    height: int = 440,
    alt: str | None = None,
) -> tuple[int, int] | None:
    """A confusion matrix: rows are true digits, columns what the network said; right answers blue, mistakes orange.

    Args:
        confusion: (10, 10) counts.
        by: "count" or "row" (per cent of the row's digits).
        marked: (true, predicted) cells to frame, such as the report's named confusions.
        selectable: whether a click selects a cell (and runs the page again).

    Returns:
        The selected cell as (true, predicted), or None.
    """
    frames = set(marked)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("true", "predicted", "count", "share", "label", "kind", "framed")
    }
    for truth, row in enumerate(confusion):
        total = sum(row) or 1
        for said, count in enumerate(row):
            share = count / total
            rows["true"].append(truth)
            rows["predicted"].append(said)
            rows["count"].append(int(count))
            rows["share"].append(share)
            rows["label"].append(f"{100 * share:.1f}" if by == "row" else str(int(count)))
            rows["kind"].append("right" if truth == said else "mistake")
            rows["framed"].append((truth, said) in frames)
    unit = "per cent of the true digit" if by == "row" else "images"
    spec = confusion_spec(title, unit, selectable, height, colour("text"))
    event = draw_spec(spec, {"cells": pa.table(rows)}, key=key, alt=alt or title, select="cell" if selectable else None)
    chosen = (event or {}).get("selection", {}).get("cell") or []
    return (int(chosen[0]["true"]), int(chosen[0]["predicted"])) if chosen else None


def table_twin(
    columns: Any,
    *,
    key: str,
    file_name: str = "chart.csv",
    label: str = "Table",
    formats: Mapping[str, str] | None = None,
) -> None:
    """The numbers of a chart as a table in a popover, with a CSV download: the twin every chart has.

    Args:
        formats: printf formats of columns in the table ({"loss": "%.4f"}); the CSV keeps every digit.
    """
    table = _columns(columns)
    with st.popover(label, icon=":material/table_rows:", type="tertiary", key=f"{key}.popover"):
        settings = {name: st.column_config.NumberColumn(format=form) for name, form in (formats or {}).items()}
        st.dataframe(pa.table(table), hide_index=True, height=280, column_config=settings, key=f"{key}.table")
        st.download_button(
            "Download as CSV",
            lambda: _csv(table),
            file_name=file_name,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}.csv",
        )


def long_form(
    x: Sequence[Any], lines: Mapping[str, Sequence[Any]], *, names: tuple[str, str, str]
) -> dict[str, list[Any]]:
    """Several lines over the same x as long-form columns; `names` are those of the x, y and series column."""
    x_name, y_name, series_name = names
    columns: dict[str, list[Any]] = {x_name: [], y_name: [], series_name: []}
    for label, values in lines.items():
        columns[x_name] += list(x[: len(values)])
        columns[y_name] += list(values)
        columns[series_name] += [label] * len(values)
    return columns


# -- drawing -----------------------------------------------------------------------------------------------------------


def draw_spec(
    spec: Mapping[str, Any], datasets: Mapping[str, pa.Table], *, key: str, alt: str, select: str | None = None
) -> Any:
    """Send a built drawing with fresh numbers. The drawing stays the same, so nothing flickers."""
    ink = colour("muted")
    config = {
        "axis": {"labelColor": ink, "titleColor": ink, "titlePadding": 8, "labelPadding": 4},
        "legend": {
            "labelColor": colour("text"),
            "padding": 0,
            "offset": 8,
            "columnPadding": 16,
            "rowPadding": 2,
            # Two legends stand below each other: side by side they would not fit on a telephone.
            "layout": {"bottom": {"anchor": "start", "direction": "vertical"}},
        },
        "title": {"color": colour("text"), "subtitleColor": ink},
    }
    filled: Any = {**spec, "config": config, "padding": {"bottom": 8}, "datasets": dict(datasets)}
    if select is None:
        st.vega_lite_chart(filled, key=key, alt=alt)
        return None
    return st.vega_lite_chart(filled, key=key, alt=alt, on_select="rerun", selection_mode=select)


def _columns(columns: Any) -> Columns:
    """A mapping of columns from a mapping, a pandas frame or an Arrow table."""
    if isinstance(columns, Mapping):
        return columns
    if isinstance(columns, pa.Table):
        return dict(columns.to_pydict())
    return {str(name): columns[name].tolist() for name in columns.columns}


def _names(rows: Columns, series: str | None, order: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the series: in the order that is given, else as they come."""
    if order is not None:
        return tuple(order)
    return tuple(dict.fromkeys(map(str, rows[series]))) if series else ()


def _plottable(value: Any, logarithmic: bool) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) and (number > 0 or not logarithmic) else None


def _markers(rows: Columns, series: str | None, faint: str | None) -> list[bool]:
    """Which points carry their series' shape: a few along each line, the last one always."""
    names = rows[series] if series else [""] * len(next(iter(rows.values())))
    single = rows[faint] if faint else names
    places: dict[Any, list[int]] = {}
    for index, name in enumerate(zip(names, single, strict=True)):
        places.setdefault(name, []).append(index)
    chosen = [False] * len(names)
    for indices in places.values():
        every = max(1, math.ceil(len(indices) / _MARKERS))
        for index in indices[::-1][::every]:
            chosen[index] = True
    return chosen


def _csv(columns: Columns) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()
