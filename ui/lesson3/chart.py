"""One chart for many runs: the run by colour and mark, the quantity by dash, exact figures where the pointer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from ui.charts import draw_lines
from ui.line_spec import MARKED, Axis, Lines, Look, Tip

MARKS_A_LINE = 8
LEGEND_ROW = 22  # pixels


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
        rows: columns `x`, `y`, `run`, `quantity`, `epoch`, `minutes` and `_near`, one row per point, as
            `ui.lesson3.curves.long_rows` gives them.
        runs, quantities: the names that occur, in the order of their legends.
        all_runs: every run that might be chosen, so that a run keeps its colour while others come and go.
        levels: level lines with a label each.
        cursor: where to draw an upright line.
        alt: what the chart shows, for screen readers.
    """
    usable = np.isfinite(rows["y"]) & (rows["y"] > 0) if log_y else np.isfinite(rows["y"])
    rows = rows[usable]
    rows = rows.assign(**{MARKED: _marks(rows)})
    series = Look("run", tuple(dict.fromkeys([*(all_runs or ()), *runs])), tuple(runs))
    dashed = Look("quantity", tuple(quantities))
    # One run alone: then its quantities may have the colours.
    alone = len(runs) == 1
    drawing = Lines(
        Axis("x", x_title, nice=False, whole=True),
        Axis("y", y_title, log_y, "~%" if "%" in y_format else "~g"),
        title,
        height + LEGEND_ROW * (len(runs) + len(quantities)),
        dashed if alone else series,
        None if alone else dashed,
        tooltip=(
            Tip("run", "run"),
            Tip("quantity", "quantity"),
            Tip("epoch", "epoch", "d"),
            Tip("minutes", "training time (min)", ".2f"),
            Tip("y", y_title, y_format),
        ),
    )
    lines = pa.Table.from_pandas(rows, preserve_index=False)
    draw_lines(drawing, lines, cursor=cursor, levels=levels, key=key, alt=alt)


def _marks(rows: pd.DataFrame) -> pd.Series:
    """A few points along each line carry its run's mark, the last one always."""
    lines = rows.groupby(["run", "quantity"], sort=False)
    place = lines.cumcount(ascending=False)
    every = np.maximum(1, np.ceil(lines["x"].transform("size") / MARKS_A_LINE)).astype(int)
    return place % every == 0
