"""Section 2: the report's figures with our recorded runs beside them, the state of the art, and time (L3.2, L3.9)."""

from __future__ import annotations

import html
from functools import lru_cache
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from mlcore.experiments.comparison import compare_shares
from mlcore.experiments.metrics import wilson_interval
from mlcore.experiments.r2_results import (
    EXPECTED,
    SPREAD_EPOCHS,
    Cell,
    ResultRow,
    in_words,
    points_text,
    reasons,
    result_rows,
    second_experiment,
)
from mlcore.experiments.reports import PLAIN_NETWORK_BEST, R2_EXPERIMENTS, R2_IMAGES, R2_NOTES, STATE_OF_THE_ART
from ui.chart_specs import finish
from ui.charts import bar_chart, draw_spec, table_twin
from ui.code import show_code
from ui.lesson3 import scripts
from ui.lesson3.data import recorded
from ui.links import LinkState
from ui.terms import terms

# The source of the state-of-the-art line.
SOURCE = (
    "An, Lee, Park, Yang and So, *An Ensemble of Simple Convolutional Neural Network Models for MNIST Digit "
    "Recognition*, "
    "arXiv:2008.10400 (2020): up to 99.87 % by a vote of convolutional networks, 99.91 % by an ensemble of ensembles"
)
SHOWN = (
    "validation accuracy",
    "best validation accuracy",
    "test accuracy",
    "validation loss",
    "training loss, as measured",
    "seconds per epoch",
)
HEADS = {
    "validation accuracy": "validation accuracy at the end, %",
    "best validation accuracy": "best validation accuracy (epoch), %",
    "test accuracy": "accuracy on the 3,000 test images, %",
    "validation loss": "validation loss at the end",
    "training loss, as measured": "training loss at the end, as measured",
    "seconds per epoch": "seconds an epoch",
}


def draw(state: LinkState) -> None:
    """The whole section."""
    st.header("Report and recording, side by side", anchor=False)
    runs = recorded()
    if not runs:
        st.info("The recorded runs are not here yet: `python -m mlcore record networks` makes them.")
        return
    rows = result_rows(runs)
    st.markdown(
        "Each cell has our figure first, then the report's, then ours minus the report's with a 95 % interval for "
        "two accuracies "
        "on that many images. Underlined: more than chance explains. The report's experiment 2 is held against two "
        "of our runs, "
        "because what its text describes is not what its code did (section 4). Where the report has no figure, ours is "
        f"followed by its lowest and highest value over the last {SPREAD_EPOCHS} epochs."
    )
    st.html(table_html(rows))
    table_twin(long_table(rows), key="results_table", file_name="networks_a_and_b.csv", label="Every figure as a table")
    st.markdown("\n".join(f"- {line}" for line in [*in_words(rows), *second_experiment(rows)]))
    if why := reasons(rows):
        far = " or ".join(f"{points:g} points ({network})" for network, points in EXPECTED.items())
        st.markdown(f"Where an accuracy lies more than {far} from the report's, the recorded epochs say why:")
        st.markdown("\n".join(f"- {line}" for line in why))
    with st.expander("What to know about the report's figures", icon=":material/info:"):
        st.markdown("\n".join(f"- {R2_NOTES[name]}" for name in ("start", "dropout", "schedule", "selection")))
        st.markdown(
            f"A loss has no interval in the report. Ours is followed by its lowest and highest value over the last "
            f"{SPREAD_EPOCHS} epochs; so is an accuracy that the report does not have. The report prints one number "
            "for accuracy, precision, recall and F1; ours are in the table."
        )
    terms("precision", "recall", "F1", "Wilson interval", key="report")
    _how_made(state, runs)
    _state_of_the_art(rows)
    _time(rows)
    show_code(
        result_rows,
        compare_shares,
        reasons,
        script=scripts.results(),
        key="results",
        file_name="results.py",
        requires="pandas",
        note="How the table's cells and intervals are computed, and how a figure far from the report's is explained.",
    )


def table_html(rows: list[ResultRow]) -> str:
    """The table: one row per recorded run, one column per figure."""
    heads = "".join(f'<th scope="col">{html.escape(HEADS[measure])}</th>' for measure in SHOWN)
    body = "".join(_row_html(row) for row in rows)
    return (
        '<div class="wide-table" tabindex="0" role="region" aria-label="The report\'s figures beside ours"><table>'
        f'<thead><tr><th scope="col">run</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row_html(row: ResultRow) -> str:
    held = f"report's experiment {row.experiment}" if row.experiment else "not in the report"
    length = f"{row.epochs} epochs" if row.epochs == row.planned else f"epoch {row.epochs} of {row.planned} so far"
    cells = "".join(f"<td>{_cell_html(row.cell(measure))}</td>" for measure in SHOWN)
    head = f"{html.escape(row.title)}<br><small>{held}</small><br><small>{length}</small>"
    return f'<tr><th scope="row">{head}</th>{cells}</tr>'


def _cell_html(cell: Cell) -> str:
    epoch = f" ({cell.ours_epoch})" if cell.ours_epoch else ""
    lines = [f'<span class="ours">{_figure(cell, cell.ours)}</span>{epoch}']
    if cell.report is not None:
        theirs = f" ({cell.report_epoch})" if cell.report_epoch else ""
        lines.append(f"<small>report {_figure(cell, cell.report)}{theirs}</small>")
        lines.append(_difference(cell))
    elif cell.spread:
        low, high = (_figure(cell, value) for value in cell.spread)
        lines.append(f"<small>last {SPREAD_EPOCHS}: {low} to {high}</small>")
    return "<br>".join(lines)


def _figure(cell: Cell, value: float) -> str:
    if cell.kind == "accuracy":
        return f"{100 * value:.2f}"
    return f"{value:.1f}" if cell.kind == "seconds" and value >= 10 else f"{value:.3g}"


def _difference(cell: Cell) -> str:
    """Ours minus the report's, with what is known about chance."""
    if cell.verdict is not None:
        difference = points_text(cell.verdict.difference)
        beside = f"({points_text(cell.verdict.low)} to {points_text(cell.verdict.high)})"
        if not cell.verdict.noise:
            difference = f'<span class="apart">{difference}</span>'
    else:
        difference = f"{cell.difference:+.2g}".replace("-", "−")
        beside = f"(ours {cell.spread[0]:.2g} to {cell.spread[1]:.2g})" if cell.spread else ""
    # Two pieces, each in one line: the second goes below the first where the column is narrow.
    return f"<small>{difference}</small> <small>{beside}</small>"


def long_table(rows: list[ResultRow]) -> pd.DataFrame:
    """Every figure in long form: run, measure, report, ours, difference, interval. Accuracies in per cent."""
    lines = []
    for row in rows:
        for cell in row.cells:
            scale = 100 if cell.kind == "accuracy" else 1
            lines.append(
                {
                    "run": row.title,
                    "figure": cell.measure,
                    "report": None if cell.report is None else scale * cell.report,
                    "ours": scale * cell.ours,
                    "difference": None if cell.difference is None else scale * cell.difference,
                    "interval from": cell.verdict.low if cell.verdict else None,
                    "interval to": cell.verdict.high if cell.verdict else None,
                    f"lowest of the last {SPREAD_EPOCHS} epochs": scale * cell.spread[0] if cell.spread else None,
                    f"highest of the last {SPREAD_EPOCHS} epochs": scale * cell.spread[1] if cell.spread else None,
                }
            )
    return pd.DataFrame(lines)


def _how_made(state: LinkState, runs: dict[str, Any]) -> None:
    """Where every figure called ours comes from, and the command that makes it again."""
    with st.expander("How ours were made", icon=":material/science:"):
        name = st.selectbox("Run", list(runs), format_func=lambda run: runs[run].title, key="how_made")
        summary = dict(runs[name].summary)
        st.code(str(summary.get("command", "")), language="shell")
        machine = summary.get("machine", "")
        versions = summary.get("versions", {})
        st.markdown(
            f"{summary.get('epochs', len(runs[name].epochs))} epochs in {summary.get('seconds', 0) / 60:.1f} minutes "
            "of training "
            f"({summary.get('cpu_seconds', 0) / 60:.1f} minutes of processor time, evaluation included)."
        )
        st.json(
            {
                "config": summary.get("config"),
                "machine": machine,
                "versions": versions,
                "data": summary.get("data_hash"),
            },
            expanded=1,
        )


def _state_of_the_art(rows: list[ResultRow]) -> None:
    """Accuracy on the test images of every run, with intervals, and where the best networks are (L3.9)."""
    st.header("How good is that?", anchor=False)
    low, high = STATE_OF_THE_ART
    st.markdown(
        f"The best networks for these digits reach about {100 * low:.1f} to {100 * high:.1f} % ({SOURCE}). They are "
        "convolutional: "
        "they look at small patches of the image, not at 784 unrelated numbers. A plain network of the size of A or "
        "B reaches "
        f"{100 * PLAIN_NETWORK_BEST[0]:.0f} to {100 * PLAIN_NETWORK_BEST[1]:.1f} %."
    )
    points: list[dict[str, Any]] = []
    images = R2_IMAGES["test"]
    for row in rows:
        for whose, share in (("ours", row.cell("test accuracy").ours), ("report", row.cell("test accuracy").report)):
            if share is not None:
                interval = wilson_interval(round(share * images), images)
                points.append(
                    {"run": row.title, "whose": whose, "accuracy": share, "low": interval.low, "high": interval.high}
                )
    table = pd.DataFrame(points)
    floor = int(200 * table["low"].min()) / 200
    spec = _interval_spec(tuple(row.title for row in rows), floor)
    data = {
        "points": pa.Table.from_pandas(table, preserve_index=False),
        "levels": pa.table({"level": [low], "label": [f"state of the art, about {100 * low:.1f} %"]}),
    }
    draw_spec(
        spec, data, key="art", alt="Test accuracy of each run as a point with its 95 % interval, beside the report's."
    )
    table_twin(table, key="art_table", file_name="test_accuracy.csv")


@lru_cache(maxsize=8)
def _interval_spec(names: tuple[str, ...], floor: float) -> dict[str, Any]:
    """Points with intervals, one row a run, ours and the report's beneath each other."""
    import altair as alt

    whose = ["ours", "report"]
    scale = alt.Scale(zero=False, domain=[floor, 1.0], nice=False)
    look = {
        "y": alt.Y(field="run", type="nominal", title=None, sort=list(names)).axis(labelLimit=200),
        "yOffset": alt.YOffset(field="whose", type="nominal", scale=alt.Scale(domain=whose)),
        "color": alt.Color(
            field="whose",
            type="nominal",
            scale=alt.Scale(domain=whose),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
        "tooltip": [
            alt.Tooltip(field="run", type="nominal"),
            alt.Tooltip(field="whose", type="nominal"),
            alt.Tooltip(field="accuracy", type="quantitative", format=".2%"),
            alt.Tooltip(field="low", type="quantitative", title="interval from", format=".2%"),
            alt.Tooltip(field="high", type="quantitative", title="interval to", format=".2%"),
        ],
    }
    shape = alt.Shape(field="whose", type="nominal", scale=alt.Scale(domain=whose, range=["circle", "diamond"]))
    base, levels = alt.Chart(alt.NamedData("points")), alt.Chart(alt.NamedData("levels"))
    low = alt.X(field="low", type="quantitative", scale=scale)
    x = alt.X(field="accuracy", type="quantitative", title="accuracy", scale=scale).axis(format="~%")
    level = alt.X(field="level", type="quantitative")
    label = alt.Text(field="label", type="nominal")
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=low, x2=alt.X2(field="high"), **look),
        base.mark_point(size=70, filled=True, opacity=1).encode(x=x, shape=shape, **look),
        levels.mark_rule(strokeDash=[3, 3], color="#888888", aria=False).encode(x=level),
        levels.mark_text(align="right", dx=-5, dy=8, color="#888888", fontSize=12).encode(
            x=level, y=alt.value(0), text=label
        ),
    )
    return finish(chart, "Accuracy on the 3,000 test images, with 95 % intervals", alt.Step(22))


def _time(rows: list[ResultRow]) -> None:
    """Seconds per epoch of every variant, beside the report's (L3.9)."""
    st.header("What an epoch costs", anchor=False)
    columns: dict[str, list[Any]] = {"run": [], "seconds": [], "whose": []}
    for row in rows:
        columns["run"].append(row.title)
        columns["seconds"].append(row.cell("seconds per epoch").ours)
        columns["whose"].append("ours, one processor core")
    for name, experiment in R2_EXPERIMENTS.items():
        columns["run"].append(f"{name[0]}, report's experiment {name[1]}")
        columns["seconds"].append(experiment.seconds_per_epoch)
        columns["whose"].append("report, its GPU")
    st.markdown(
        "Ours is processor time, evaluation included, because the recordings shared their machine with other work. The "
        "report's times are its seconds for 500 epochs divided by 500. Its code fetches the images one at a time "
        "through a "
        "loader; ours keeps them in one array and takes a batch at once."
    )
    bar_chart(
        columns,
        x="run",
        y="seconds",
        series="whose",
        order=["ours, one processor core", "report, its GPU"],
        horizontal=True,
        stacked=True,
        title="Training time of one epoch",
        x_title="run",
        y_title="seconds an epoch",
        y_format=".2f",
        height=26 * len(columns["run"]) + 90,
        key="epoch_time",
    )
    table_twin(columns, key="epoch_time_table", file_name="seconds_per_epoch.csv")
