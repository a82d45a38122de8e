"""Section 8: the learner's runs over each other, what differs between them, and several seeds of one (L2.10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from mlcore.experiments.comparison import (
    LABELS,
    compare_shares,
    difference_words,
    start_words,
    what_differs,
)
from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.table1 import SEEDS
from mlcore.records import ScratchEpoch
from mlcore.runtime import LimitReached, RunView, StoreUnavailable
from ui.charts import table_twin
from ui.code import show_code
from ui.fields import field_problem
from ui.lesson2 import scripts
from ui.lesson2.charts import seeds_chart
from ui.lesson2.choose import settings_in_words
from ui.lesson2.selected import epochs_of, go_train, run_labels, scratch_runs, watch
from ui.lesson2.state import MOST_COMPARED
from ui.links import LinkState
from ui.runs import POLL_SECONDS, owner, runtime, store_may_fail

MEASURES = {
    "test_accuracy": ("Test accuracy", ".2%"),
    "test_loss": ("Test loss", ".4f"),
    "train_accuracy": ("Training accuracy", ".2%"),
    "train_loss": ("Training loss", ".4f"),
}


def draw(state: LinkState) -> None:
    """The whole section."""
    runs = {run.id: run for run in scratch_runs()}
    if not runs:
        st.info("Nothing to compare yet. Train two networks in section 2, with one thing changed between them.")
        go_train(state)
        return
    st.markdown(
        "Lay runs over each other. Two runs tell you about a setting only if nothing else differs between them; runs "
        "that differ in their seed alone tell you how much is luck."
    )
    chosen = _choose(state, runs)
    if not chosen:
        return
    views = [runs[run_id] for run_id in chosen]
    _words(views)
    live = any(view.live for view in views)
    st.segmented_control(
        "Show", list(MEASURES), format_func=lambda name: MEASURES[name][0], key=state.key("measure"), required=True
    )
    st.fragment(_chart, run_every=POLL_SECONDS if live else None)(chosen, state["measure"], live)
    _seeds(state, views)
    trained = [(view.config, view.epoch) for view in views if isinstance(view.config, ScratchConfig) and view.epoch]
    if trained:
        show_code(
            what_differs,
            compare_shares,
            script=scripts.comparison(trained),
            key="compare",
            file_name="compare_runs.py",
            requires=scripts.requires(trained[0][0]),
        )


def _choose(state: LinkState, runs: dict[str, RunView]) -> list[str]:
    named = [run_id for run_id in state["runs"].split(",") if run_id in runs] if state["runs"] else []
    default = list(dict.fromkeys(named))[:MOST_COMPARED] or list(runs)[:2]
    key = "compare.runs"
    if st.session_state.get("compare.named") != state["runs"] or key not in st.session_state:
        st.session_state[key] = default
        st.session_state["compare.named"] = state["runs"]
    st.session_state[key] = [run_id for run_id in st.session_state[key] if run_id in runs]
    labels = run_labels(list(runs.values()))
    chosen = st.multiselect(
        "Runs",
        list(runs),
        format_func=lambda run_id: labels.get(run_id, run_id),
        max_selections=MOST_COMPARED,
        key=key,
    )
    text = ",".join(chosen)
    if chosen != default or state["runs"]:
        st.session_state["compare.named"] = text
        state.keep("runs", text)
    return list(chosen)


def _words(views: Sequence[RunView]) -> None:
    configs = [view.config for view in views]
    st.markdown(f"**{difference_words(configs)}**" + (f" {start_words(configs)}" if len(configs) > 1 else ""))
    if len(views) != 2:
        return
    ours, theirs = (epochs_of(view.id) for view in views)
    shared = min(len(ours), len(theirs))
    if shared:
        first, second = ours[shared - 1], theirs[shared - 1]
        when = "" if len(ours) == len(theirs) else f" after epoch {shared}, the last that both have"
        verdict = compare_shares(
            first.test_accuracy, int(np.sum(first.confusion)), second.test_accuracy, int(np.sum(second.confusion))
        )
        st.markdown(f"Second less first, test accuracy{when}: {verdict.words} (the luck of the test images alone).")


def group_names(views: Sequence[RunView]) -> list[str]:
    """What to call each run's series: the settings that differ, the seed apart (seeds share a series)."""
    configs = [view.config for view in views]
    different = [name for name in what_differs(configs) if name != "seed"]
    if not different:
        return ["all settings equal"] * len(views)
    values = what_differs(configs)
    return [
        ", ".join(f"{LABELS.get(name, name)} {values[name][index]}" for name in different)
        for index in range(len(views))
    ]


def line_rows(
    names: Sequence[str], seeds: Sequence[int], epochs: Sequence[Sequence[ScratchEpoch]], measure: str
) -> dict[str, list[Any]]:
    """A row per run and epoch; then, per series, the mean over its runs of the epochs that all of them have."""
    columns: dict[str, list[Any]] = {name: [] for name in ("epoch", "value", "series", "seed", "mean")}

    def add(numbers: Sequence[int], values: Sequence[float], series: str, seed: str, mean: bool) -> None:
        for number, value in zip(numbers, values, strict=True):
            if np.isfinite(value):
                for name, item in zip(columns, (number, float(value), series, seed, mean), strict=True):
                    columns[name].append(item)

    for series in dict.fromkeys(names):
        mine = [index for index, name in enumerate(names) if name == series]
        for index in mine:
            numbers = [epoch.epoch for epoch in epochs[index]]
            add(numbers, [getattr(epoch, measure) for epoch in epochs[index]], series, f"seed {seeds[index]}", False)
        shortest = min(len(epochs[index]) for index in mine)
        table = np.array([[getattr(epoch, measure) for epoch in epochs[index][:shortest]] for index in mine])
        if shortest:
            label = f"mean of {len(mine)} runs" if len(mine) > 1 else f"seed {seeds[mine[0]]}, the only run"
            add(range(1, shortest + 1), table.mean(axis=0), series, label, True)
    return columns


def _chart(run_ids: Sequence[str], measure: str, was_live: bool) -> None:
    """The chosen runs over each other; asked again every second while one of them moves."""
    with store_may_fail():
        views = watch(run_ids)
        _draw(views, measure)
        if any(view.live for view in views) != was_live:
            st.rerun()


def _draw(views: Sequence[RunView], measure: str) -> None:
    if not views:
        return
    names = group_names(views)
    rows = line_rows(names, [view.config.seed for view in views], [epochs_of(view.id) for view in views], measure)
    title, form = MEASURES[measure]
    seeds_chart(
        rows,
        order=list(dict.fromkeys(names)),
        title=title,
        y_title=title.lower(),
        y_format=form,
        key=f"compare.{measure}",
        alt=f"{title} of the chosen runs over the epochs",
        height=380,
    )
    table_twin(rows, key="compare", file_name="compare.csv", formats={"value": "%.4f"})


def _seeds(state: LinkState, views: Sequence[RunView]) -> None:
    """Train what differs from the first chosen run in its seed alone."""
    config = views[0].config
    assert isinstance(config, ScratchConfig)
    others = [seed for seed in SEEDS if seed != config.seed][:4]
    st.subheader("How much is luck?", anchor=False)
    st.markdown(
        f"Train the first run again with four other seeds ({', '.join(map(str, others))}): other weights, another "
        f"split, another order. Each is a faint line, their mean a strong one."
    )
    st.caption(settings_in_words(config))
    if not st.button("Train four more seeds", icon=":material/casino:", key="compare.seeds"):
        return
    app, me = runtime(), owner()
    have = {run.config: run.id for run in scratch_runs()}
    ids = [view.id for view in views]
    try:
        # Nothing of Streamlit's in this loop: a click meanwhile would end it half-way.
        for seed in others:
            other = config.model_copy(update={"seed": seed})
            ids.append(have.get(other) or app.submit(me, other, group="seeds"))
    except (LimitReached, StoreUnavailable) as problem:
        field_problem(str(problem))
        return
    state.set(runs=",".join(dict.fromkeys(ids[:MOST_COMPARED])))
    st.rerun()
