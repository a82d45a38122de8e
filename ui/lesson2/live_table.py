"""The six cells of Table 1 trained by the learner on the sample, six runs at a time (L2.7, live)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import streamlit as st

from mlcore.experiments.comparison import ACTIVATION_NAMES, WEIGHT_NAMES, split_name
from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import accuracy_interval, percent_text
from mlcore.experiments.reports import R1_ACTIVATIONS, R1_FRACTIONS, r1_config, table1_cell
from mlcore.runtime import LimitReached, RunView, StoreUnavailable
from ui.fields import field_problem
from ui.lesson2.selected import watch
from ui.links import LinkState
from ui.runs import POLL_SECONDS, owner, runtime, store_may_fail

GROUP = "table1"


def draw(state: LinkState, prediction: dict[str, Any] | None, *, he: bool) -> None:
    """Buttons that start six runs, and the table that fills while they train."""
    st.markdown(
        "The same six networks on the sample of 5,000 digits, with seed 52 and 25 epochs. They have a fourteenth of "
        "the images to learn from, so expect lower figures, but the same story. The table fills while they train."
    )
    with st.container(horizontal=True):
        for initializer in ("normal", "he") if he else ("normal",):
            if st.button(
                f"Train all six with {WEIGHT_NAMES[initializer]}",
                icon=":material/play_arrow:",
                key=f"six.{initializer}",
            ):
                _start(state, initializer, prediction)
    runs = _runs(state["live"])
    if runs:
        live = any(run.live for run in runs)
        st.fragment(_table, run_every=POLL_SECONDS if live else None)([run.id for run in runs], live)


def _start(state: LinkState, initializer: str, prediction: dict[str, Any] | None) -> None:
    """Queue six runs; those of the other weights stay in the table."""
    group = state["live"] or f"{GROUP}-{secrets.token_hex(6)}"
    there = {run.config for run in _runs(group)}
    app, me = runtime(), owner()
    try:
        # Nothing of Streamlit's in this loop: a click meanwhile would end it half-way.
        for activation in R1_ACTIVATIONS:
            for fraction in R1_FRACTIONS:
                config = r1_config(activation, fraction, source="sample", initializer=initializer)
                if config not in there:
                    app.submit(me, config, group=group, prediction=prediction)
    except (LimitReached, StoreUnavailable) as problem:
        field_problem(str(problem))
        return
    state.set(live=group)
    st.rerun()


def _runs(group: str) -> list[RunView]:
    """The visitor's runs of this group, in the order of the table."""
    if not group:
        return []
    runs = [run for run in runtime().runs(owner()) if run.group == group and isinstance(run.config, ScratchConfig)]
    return sorted(runs, key=_order)


def _order(run: RunView) -> tuple[int, int, float]:
    """The report's weights first, then tanh before ReLU, then from 90–10 to 70–30, as in the report's table."""
    config = run.config
    assert isinstance(config, ScratchConfig)
    activation = config.activations[0]
    rank = R1_ACTIVATIONS.index(activation) if activation in R1_ACTIVATIONS else len(R1_ACTIVATIONS)
    return int(config.initializer != "normal"), rank, -config.train_fraction


def _table(run_ids: Sequence[str], was_live: bool) -> None:
    """How far each of the six is; asked again every second while one of them moves."""
    with store_may_fail():
        found = watch(run_ids)
        _draw(found)
        if any(view.live for view in found) != was_live:
            st.rerun()


def _draw(runs: Sequence[RunView]) -> None:
    st.dataframe(
        live_rows(runs),
        hide_index=True,
        height="content",
        placeholder="",
        column_config={
            "done": st.column_config.ProgressColumn("done", min_value=0, max_value=100, format="%d %%"),
            "test accuracy": st.column_config.NumberColumn("test accuracy", format="%.2f %%"),
            "test loss": st.column_config.NumberColumn("test loss", format="%.3f"),
        },
        key="six.table",
        alt="Progress and results of the six cells trained on the sample",
    )


def live_rows(runs: Sequence[RunView]) -> dict[str, list[Any]]:
    """One row per run: cell, weights, progress, newest figures (shares in per cent) with the Wilson interval."""
    names = ("cell", "weights", "done", "test accuracy", "95 % interval", "test loss", "report, all of MNIST")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for run in runs:
        config, last = run.config, run.last
        assert isinstance(config, ScratchConfig)
        figures = last.figures() if last else {}
        interval = accuracy_interval(last.confusion) if last else None
        values = (
            f"{ACTIVATION_NAMES[config.activations[0]]} {split_name(config.train_fraction)}",
            WEIGHT_NAMES[config.initializer],
            100 * run.progress,
            100 * figures["test_accuracy"] if figures else None,
            f"{100 * interval.low:.1f} – {100 * interval.high:.1f} %" if interval else "",
            figures.get("test_loss"),
            _reports(config),
        )
        for name, value in zip(names, values, strict=True):
            columns[name].append(value)
    return columns


def _reports(config: ScratchConfig) -> str:
    """The report's accuracy of the same cell; it has none with other weights than N(0, 1)."""
    if config.initializer != "normal":
        return ""
    return percent_text(table1_cell(config.activations[0], config.train_fraction).accuracy)
