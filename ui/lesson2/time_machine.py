"""Section 4: one slider over the epochs; curves, mistakes, weights and the state of every layer follow (L2.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from mlcore.experiments.metrics import loss_figure, percent_text
from mlcore.experiments.reports import R1_NAMED_CONFUSIONS
from mlcore.records import ScratchEpoch
from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.evaluation import evaluate
from ui.charts import confusion_heat_map, line_chart, long_form, table_twin
from ui.code import show_code
from ui.images import show_png, weight_grid
from ui.lesson2 import scripts
from ui.lesson2.choose import settings_in_words
from ui.lesson2.curves import curves
from ui.lesson2.results import failures
from ui.lesson2.selected import NotKept, Selected, need_results, network_at
from ui.links import LinkState
from ui.seeding import follow, took
from ui.terms import terms

UNITS_SHOWN = 48
SHOWN = {"weights": "weights", "change": "change since the start"}


def draw(state: LinkState) -> None:
    """The whole section."""
    chosen = need_results(state, "The time machine")
    if chosen is None:
        return
    st.caption(settings_in_words(chosen.config))
    st.markdown(
        "Move through the training, epoch by epoch: what the network gets wrong, what its first layer looks at (each "
        "unit has 784 weights, one per pixel), and how its layers are doing."
    )
    _machine(state, chosen)
    failures(chosen.config, chosen.epochs, chosen.view.halted)
    terms("dead ReLU", "saturation", "gradient norm", "weight norm", key="time", lead="")
    script = scripts.training(chosen.config, chosen.last.epoch)
    show_code(evaluate, script=script, key="time", file_name="train.py", requires=scripts.requires(chosen.config))


@st.fragment
def _machine(state: LinkState, chosen: Selected) -> None:
    """All that follows the slider; only this part of the page is drawn again when it moves."""
    numbers = [epoch.epoch for epoch in chosen.epochs]
    newest = numbers[-1]
    at = state["epoch"] if numbers[0] <= state["epoch"] <= newest else newest
    if len(numbers) > 1:
        at = _slider(state, chosen.view.id, numbers, at)
    epoch = chosen.epochs[at - numbers[0]]
    _numbers(epoch, chosen)
    # What changes most is sent first and so painted first, wherever it stands; the curves only move their cursor.
    above = st.container()
    left, right = st.columns(2, gap="medium")
    with left:
        confusion_heat_map(
            epoch.confusion,
            title="Test part at this epoch",
            key="time.confusion",
            marked=R1_NAMED_CONFUSIONS,
            selectable=False,
            height=400,
            alt="Confusion matrix of the test part at the chosen epoch",
        )
    with right:
        _weights(state, chosen, at)
    with above:
        curves(chosen.config, chosen.epochs, key="time", height=250, cursor=at)
    _layers(chosen, at)
    state.sync()


def _slider(state: LinkState, run_id: str, numbers: Sequence[int], at: int) -> int:
    """The epoch looked at; the newest is kept as 0 in the link, so that it stays the newest."""
    key = f"time.epoch.{run_id}.{numbers[-1]}"
    follow(key, at)
    moved = int(st.slider("Epoch", numbers[0], numbers[-1], key=key))
    took(key, moved)
    kept = 0 if moved == numbers[-1] else moved
    if kept != state["epoch"]:
        state.keep("epoch", kept)
    return moved


def _numbers(epoch: ScratchEpoch, chosen: Selected) -> None:
    st.markdown(
        f"After epoch **{epoch.epoch}** of {chosen.config.epochs}: test accuracy "
        f"**{percent_text(epoch.test_accuracy)}**, test loss **{loss_figure(epoch.test_loss)}**, "
        f"training loss {loss_figure(epoch.train_loss)}."
    )


def _weights(state: LinkState, chosen: Selected, at: int) -> None:
    """The first layer at this epoch, all on the scale of the newest epoch, so that growth is seen."""
    st.segmented_control(
        "First layer",
        list(SHOWN),
        format_func=SHOWN.__getitem__,
        key=state.key("shown"),
        required=True,
    )
    shown = state["shown"]
    try:
        png, kept, count, units = weights_picture(chosen, chosen.view.id, at, chosen.last.epoch, shown == "change")
    except NotKept:
        st.caption("The weights of this epoch are not kept.")
        return
    where = f"after epoch {kept}" + ("" if kept == at else f", the kept one nearest to {at}")
    show_png(
        png,
        alt=f"{SHOWN[shown]} of {count} units of the first layer as images of 28 by 28 pixels, {where}",
        width="stretch",
    )
    st.caption(
        f"{SHOWN[shown].capitalize()} {where}: {count} of {units} units, one image each. Blue pixels speak for the "
        f"unit, orange ones against it; the scale is the same at every epoch."
    )


@st.cache_data(show_spinner=False, max_entries=400)
def weights_picture(_chosen: Selected, run_id: str, at: int, newest: int, change: bool) -> tuple[bytes, int, int, int]:
    """PNG of the first layer, which epoch it is from, how many units are shown, and of how many.

    Raises:
        NotKept: the weights are not there to be drawn.
    """
    kept, weights = first_layer(_chosen, at, change)
    shown = weights.T[:UNITS_SHOWN]
    limit = colour_limit(_chosen, run_id, newest, change)
    return weight_grid(shown, columns=8, scale=2, limit=limit), kept, len(shown), weights.shape[1]


def first_layer(chosen: Selected, at: int, change: bool) -> tuple[int, np.ndarray]:
    """Which epoch's they are, and the (784, units) weights, or what they gained since the start.

    Raises:
        NotKept: no weights, or not those of the start, are there.
    """
    kept, network = network_at(chosen.view, at)
    weights = network.layers[0].weights
    if not change:
        return kept, weights
    first, start = network_at(chosen.view, 0)
    if first != 0:
        raise NotKept
    return kept, weights - start.layers[0].weights


@st.cache_data(show_spinner=False, max_entries=100)
def colour_limit(_chosen: Selected, run_id: str, newest: int, change: bool) -> float | None:
    """The weight that gets full colour: the 99th percentile at the newest epoch."""
    sizes = np.abs(first_layer(_chosen, newest, change)[1])
    return float(np.percentile(sizes[np.isfinite(sizes)], 99)) if np.isfinite(sizes).any() else None


def layer_columns(epochs: Sequence[ScratchEpoch], name: str, layers: Mapping[str, int]) -> dict[str, list[Any]]:
    """One statistic of some layers over the epochs, one row per point; `layers` maps a label to the layer's place."""
    lines = {
        label: [
            epoch.statistics.get(name, ())[index] for epoch in epochs if len(epoch.statistics.get(name, ())) > index
        ]
        for label, index in layers.items()
    }
    return long_form([epoch.epoch for epoch in epochs], lines, names=("epoch", name, "layer"))


def _layers(chosen: Selected, at: int) -> None:
    """The state of every layer over the epochs, with the cursor on the one looked at."""
    activations = [ACTIVATIONS[name] for name in chosen.config.activations]
    every = {**{f"hidden {index}": index - 1 for index in range(1, len(activations) + 1)}, "output": len(activations)}
    charts: list[tuple[str, str, str, str, bool, dict[str, int]]] = [
        ("gradient_norm", "Gradient norm", "length", ".3g", True, every),
        ("weight_norm", "Weight norm", "length", ".4g", False, every),
    ]
    # ReLU units die, sigmoid and tanh units saturate; a network may have both.
    dead = {label: index for label, index in every.items() if index < len(activations) and activations[index].can_die}
    stuck = {label: index for label, index in every.items() if index < len(activations) and activations[index].ends}
    if stuck:
        charts.insert(0, ("saturated", "Saturated outputs", "share of the layer", ".1%", False, stuck))
    if dead:
        charts.insert(0, ("dead", "Dead units", "share of the layer", ".1%", False, dead))
    for column, (name, heading, unit, form, logarithmic, layers) in zip(st.columns(len(charts)), charts, strict=True):
        with column:
            line_chart(
                layer_columns(chosen.epochs, name, layers),
                x="epoch",
                y=name,
                series="layer",
                order=list(layers),
                title=heading,
                x_title="epoch",
                y_title=unit,
                y_format=form,
                log_y=logarithmic,
                zero=not logarithmic,
                cursor=at,
                height=220,
                key=f"time.{name}",
            )
    table_twin(statistics_table(chosen.epochs, list(every)), key="time.layers", file_name="layers.csv")


def statistics_table(epochs: Sequence[ScratchEpoch], layers: Sequence[str]) -> dict[str, list[Any]]:
    """Every statistic of every layer and epoch, as columns."""
    columns: dict[str, list[Any]] = {"epoch": [epoch.epoch for epoch in epochs]}
    for name in ("dead", "saturated", "gradient_norm", "weight_norm"):
        for index, label in enumerate(layers):
            values = [epoch.statistics.get(name, ()) for epoch in epochs]
            if all(len(value) > index for value in values):
                columns[f"{name.replace('_', ' ')} {label}"] = [value[index] for value in values]
    return columns
