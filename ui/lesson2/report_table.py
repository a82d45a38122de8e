"""Section 5: the report's Table 1 beside ours, and which of its choices cost it ten points (L2.7).

The learner commits to a suspect first; the same six networks with He weights are shown after that.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from mlcore.experiments.comparison import (
    ACTIVATION_NAMES,
    compare_with_one,
    report_findings,
    split_name,
    table1_conclusion,
    table1_effects,
)
from mlcore.experiments.metrics import wilson_interval
from mlcore.experiments.reports import R1_FINDINGS, TABLE1, Table1Cell
from mlcore.experiments.table1 import (
    CellSummary,
    RecordingProblem,
    Table1,
    read_table1,
    record_table1,
)
from ui.charts import table_twin
from ui.code import show_code
from ui.fields import text_field
from ui.lesson2 import live_table, scripts
from ui.lesson2.charts import interval_chart, seeds_chart
from ui.lesson2.training import read_per_cent, reason_field
from ui.links import LinkState
from ui.seeding import follow, took
from ui.terms import terms
from ui.theme import colour

SUSPECTS = {
    "activation": "The activation: tanh, or ReLU",
    "split": "The split: 70, 80 or 90 % to learn from",
    "weights": "The initial weights: N(0, 1)",
}
SUSPECT_NAMES = {name: words.partition(":")[0].lower() for name, words in SUSPECTS.items()}
_REASON = "table1.reason"
SERIES = ("report", "ours, N(0, 1) weights", "ours, He weights")


def draw(state: LinkState) -> None:
    """The whole section."""
    try:
        table = read_table1()
        ours, he = table.cells("normal"), table.cells("he")
        conclusion = table1_conclusion(table)
    except (RecordingProblem, KeyError, ValueError) as problem:
        st.info(f"The recorded table cannot be shown: {problem}.")
        live_table.draw(state, _prediction(state), he=state["revealed"])
        return
    st.markdown(
        "The report trained six networks on all of MNIST and printed this table. It concludes: "
        f"“{' '.join(R1_FINDINGS[:2])}” Every one of the six stays below 88 %. Networks of this size are known to "
        "reach 97 or 98 %. Something costs it ten points. What?"
    )
    st.html(wide_table(report_rows(ours), "The report's Table 1 beside ours"))
    st.caption(
        f"Report: one training each; in brackets the 95 % Wilson interval, for its test images alone. Ours: the "
        f"same settings, mean ± standard deviation of {len(ours[0].seeds)} trainings with seeds "
        f"{_listed(ours[0].seeds)}, 25 epochs each."
    )
    terms("Wilson interval", "initialisation", "He", "loss", key="table1", lead="")
    st.subheader("Predict", anchor=False)
    _predict(state)
    if state["revealed"]:
        _revealed(state, table, ours, he, conclusion)
    st.subheader("Train the six cells yourself", anchor=False)
    live_table.draw(state, _prediction(state), he=state["revealed"])
    _about(table)


def report_rows(ours: Sequence[CellSummary]) -> dict[str, list[str]]:
    """The report's six cells beside ours with its weights, as the columns of a table."""
    columns: dict[str, list[str]] = {
        name: []
        for name in ("cell", "report: loss", "report: accuracy", "ours: loss", "ours: accuracy", "the report is")
    }
    for cell, mine in zip(TABLE1, ours, strict=True):
        interval = wilson_interval(round(cell.accuracy * cell.images), cell.images)
        values = (
            cell_name(cell),
            f"{cell.loss:g}",
            f"{100 * cell.accuracy:.2f} % ({100 * interval.low:.1f} – {100 * interval.high:.1f})",
            f"{mine.loss:.2f} ± {mine.loss_spread:.2f}",
            f"{100 * mine.accuracy:.2f} ± {100 * mine.accuracy_spread:.2f} %",
            _verdict(cell, mine),
        )
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    return columns


def wide_table(columns: Mapping[str, Sequence[str]], label: str) -> str:
    """A table as HTML that never breaks a cell; on a narrow screen it scrolls in its own box, also by keyboard."""
    line = colour("line")
    cell = f'style="padding:.45rem .8rem .45rem 0;border-bottom:1px solid {line};text-align:left;font-weight:400"'
    head = f'style="padding:.45rem .8rem .45rem 0;border-bottom:1px solid {line};text-align:left;font-weight:600"'
    names = "".join(f'<th scope="col" {head}>{html.escape(name)}</th>' for name in columns)
    rows = []
    for first, *rest in zip(*columns.values(), strict=True):
        cells = "".join(f"<td {cell}>{html.escape(value)}</td>" for value in rest)
        rows.append(f'<tr><th scope="row" {cell}>{html.escape(first)}</th>{cells}</tr>')
    return (
        f'<div tabindex="0" role="region" aria-label="{html.escape(label)}" style="overflow-x:auto">'
        '<table style="border-collapse:collapse;white-space:nowrap;font-size:.95rem;'
        f'font-variant-numeric:tabular-nums"><thead><tr>{names}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _verdict(cell: Table1Cell, mine: CellSummary) -> str:
    """Whether the report's figure could be one more of our trainings."""
    verdict = compare_with_one(mine.accuracies, cell.accuracy)
    size = f"{abs(verdict.difference):.1f} points"
    side = "above" if verdict.difference > 0 else "below"
    return f"{size} {side}, " + ("inside the noise" if verdict.noise else "outside the noise of our seeds")


def cell_name(cell: Table1Cell | CellSummary) -> str:
    """ "ReLU 80–20"."""
    return f"{ACTIVATION_NAMES[cell.activation]} {split_name(cell.train_fraction)}"


def _predict(state: LinkState) -> None:
    """The question, until it is answered or skipped; the answer is kept, since the fields go away with it."""
    if state["revealed"]:
        if st.button("Hide the answer again", icon=":material/visibility_off:"):
            state.set(revealed=False)
            st.rerun()
        return
    st.markdown(
        "Three choices of the report can be blamed. Commit to one, and say how far ReLU with 80–20 would get with the "
        "costly choice put right and the other two as they are."
    )
    follow("table1.suspect", state["suspect"] if state["suspect"] in SUSPECTS else None)
    picked = st.radio(
        "Which choice costs the report most?",
        list(SUSPECTS),
        index=None,
        format_func=SUSPECTS.__getitem__,
        key="table1.suspect",
    )
    took("table1.suspect", picked)
    if picked and picked != state["suspect"]:
        state.set(suspect=picked)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        text_field(
            "Test accuracy ReLU 80–20 would reach, in %",
            key="guess",
            state=state,
            read=_read_guess,
            placeholder="for example 90",
        )
    with right:
        reason_field(_REASON)
    with st.container(horizontal=True):
        if st.button("Reveal", type="primary", icon=":material/visibility:", disabled=not picked):
            state.set(revealed=True)
            st.rerun()
        if st.button("Skip the guessing", type="tertiary"):
            state.set(revealed=True, suspect="")
            st.rerun()


def _read_guess(given: str) -> float:
    """Per cent, or −1 for nothing."""
    share = read_per_cent(given)
    return -1 if share is None else 100 * share


def _prediction(state: LinkState) -> dict[str, Any] | None:
    """What was committed to, to be kept with the runs; not as `accuracy`, which is a guess about the run itself."""
    reason = str(st.session_state.get(f"{_REASON}.kept", "")).strip()
    if not state["suspect"] and state["guess"] < 0 and not reason:
        return None
    return {
        "suspect": SUSPECT_NAMES.get(state["suspect"], ""),
        "table1_he_accuracy": state["guess"] / 100 if state["guess"] >= 0 else None,
        "reason": reason,
    }


def _revealed(
    state: LinkState, table: Table1, ours: Sequence[CellSummary], he: Sequence[CellSummary], conclusion: str
) -> None:
    st.subheader("What it was", anchor=False)
    st.markdown(_outcome(state, table))
    st.markdown(conclusion)
    interval_chart(
        interval_rows(ours, he),
        order=SERIES,
        title="Test accuracy of the six cells",
        y_title="test accuracy",
        key="table1.intervals",
        alt="Test accuracy of the six cells: the report's, ours with N(0, 1) weights, ours with He weights",
    )
    table_twin(interval_rows(ours, he), key="table1.chart", file_name="table1.csv", formats={"value": "%.4f"})
    with st.expander("Every choice by itself, with its interval", icon=":material/balance:", expanded=True):
        st.markdown("\n".join(f"- {effect.text}" for effect in table1_effects(table)))
        st.caption(
            "Each line changes one choice and keeps the others. The interval is Student's, over the seeds; where it "
            f"holds 0, {len(ours[0].seeds)} trainings cannot tell the difference from luck."
        )
    with st.expander("What of the report's own conclusions its figures can carry", icon=":material/rule:"):
        st.markdown("\n".join(f"- {line}" for line in report_findings()))
        st.caption(
            "The report has one training a cell, so only the luck of its test images can be worked out (Newcombe's "
            "interval, made of two Wilson intervals). What another seed would have done comes on top."
        )
    _curves(state, table)


def _outcome(state: LinkState, table: Table1) -> str:
    """The learner's guess beside the outcome; empty where there was none."""
    effects = table1_effects(table)
    culprit = effects[0].choice
    parts = []
    if state["suspect"] in SUSPECTS:
        size = max(
            abs(effect.verdict.difference)
            for effect in effects
            if effect.choice == state["suspect"] and effect.initializer in ("", "normal")
        )
        named = SUSPECT_NAMES[state["suspect"]]
        largest = max(abs(effect.verdict.difference) for effect in effects if effect.choice == culprit)
        right = state["suspect"] == culprit
        parts.append(
            f"You suspected **{named}**. "
            + (
                f"That is it: it moves the accuracy by {size:.1f} points."
                if right
                else f"It moves {size:.1f} points; **{SUSPECT_NAMES[culprit]}** move {largest:.1f}."
            )
        )
    if state["guess"] >= 0:
        reached = table.cell("relu", 0.8, "he").accuracy
        off = state["guess"] - 100 * reached
        parts.append(
            f"You predicted {state['guess']:g} %. With He weights, ReLU 80–20 reaches {100 * reached:.1f} %: "
            f"{abs(off):.1f} points {'less' if off > 0 else 'more'} than you said."
        )
    return " ".join(parts)


def interval_rows(ours: Sequence[CellSummary], he: Sequence[CellSummary]) -> dict[str, list[Any]]:
    """One row per cell and series: the report with its Wilson interval, ours with the range of the seeds."""
    columns: dict[str, list[Any]] = {name: [] for name in ("cell", "series", "value", "low", "high", "interval")}

    def add(*values: Any) -> None:
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)

    for cell in TABLE1:
        found = wilson_interval(round(cell.accuracy * cell.images), cell.images)
        add(cell_name(cell), SERIES[0], cell.accuracy, found.low, found.high, "95 % Wilson interval")
    for series, cells in zip(SERIES[1:], (ours, he), strict=True):
        for mine in cells:
            low, high = min(mine.accuracies), max(mine.accuracies)
            add(cell_name(mine), series, mine.accuracy, low, high, f"lowest to highest of {len(mine.seeds)} seeds")
    return columns


def _curves(state: LinkState, table: Table1) -> None:
    """The recorded test accuracy of one cell, both weights, all seeds."""
    names = {f"{cell.activation} {round(100 * cell.train_fraction)}": cell for cell in TABLE1}
    picked = st.selectbox(
        "Recorded curves of",
        list(names),
        format_func=lambda name: cell_name(names[name]),
        key=state.key("cell"),
        width=220,
    )
    cell = names[picked]
    rows = recorded_rows(table, cell)
    seeds_chart(
        rows,
        order=SERIES[1:],
        title=f"{cell_name(cell)}: every seed and their mean",
        y_title="test accuracy",
        y_format=".2%",
        key="table1.curves",
        alt="Recorded test accuracy over 25 epochs, N(0, 1) weights against He weights",
    )
    table_twin(rows, key="table1.curves", file_name="table1_curves.csv", formats={"value": "%.4f"})


def recorded_rows(table: Table1, cell: Table1Cell) -> dict[str, list[Any]]:
    """The recorded test accuracies of a cell: a row per weights, seed and epoch, then the means."""
    columns: dict[str, list[Any]] = {name: [] for name in ("epoch", "value", "series", "seed", "mean")}
    for series, initializer in zip(SERIES[1:], ("normal", "he"), strict=True):
        runs = [
            run
            for key, run in table.runs.items()
            if key.activation == cell.activation
            and key.initializer == initializer
            and abs(key.train_fraction - cell.train_fraction) < 1e-9
        ]
        lines = {str(run.key.seed): run.epochs["test_accuracy"] for run in runs}
        lines["mean"] = np.mean([run.epochs["test_accuracy"] for run in runs], axis=0)
        for seed, values in lines.items():
            columns["epoch"] += list(range(1, len(values) + 1))
            columns["value"] += [float(value) for value in values]
            columns["series"] += [series] * len(values)
            columns["seed"] += [seed] * len(values)
            columns["mean"] += [seed == "mean"] * len(values)
    return columns


def _listed(seeds: Sequence[int]) -> str:
    shown = [str(seed) for seed in seeds]
    return ", ".join(shown[:-1]) + f" and {shown[-1]}" if len(shown) > 1 else shown[0]


def _about(table: Table1) -> None:
    about = table.about
    with st.expander("How the recording was made", icon=":material/history:"):
        st.code(str(about["command"]), language="bash", wrap_lines=True)
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        st.markdown(
            f"{len(table.runs)} trainings on all of MNIST, {float(about['seconds']) / 60:.0f} minutes of training on "
            f"{about['machine']}, {about['recorded']}, {versions}. "
            f"Hash of the digits: `{str(about['data_hash'])[:16]}…`. Every epoch of every run is in "
            f"`assets/table1/epochs.csv`."
        )
    show_code(record_table1, table1_effects, script=scripts.TABLE1, key="table1", file_name="table1.py")
