"""Section 2, first half: the form that describes a run, its presets, and its parameters counted (L2.2)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import streamlit as st

from mlcore.data.splits import split_fraction
from mlcore.experiments.comparison import ACTIVATION_NAMES, WEIGHT_NAMES, value_text, what_differs
from mlcore.experiments.configs import MOST_LAYERS, ScratchConfig
from mlcore.experiments.reports import bias_terms_explained, practised_config, r1_config
from ui.code import show_code
from ui.digits import digits_of
from ui.fields import config_field, show_problems
from ui.lesson2 import scripts
from ui.lesson2.digits import source_choice
from ui.lesson2.state import CONFIG_FIELDS, FAILURES, config_of, failure_settings, presets
from ui.links import LinkState
from ui.seeding import follow, took
from ui.terms import word

EACH = "each"
INITIALIZER_NAMES = {
    "normal": "Normal, N(0, 1)",
    "small": "Small, 0.01 · N(0, 1)",
    "xavier": "Xavier",
    "he": "He",
}


def draw(state: LinkState) -> ScratchConfig | None:
    """The form; the run it describes, or None while something in it is wrong."""
    _presets(state)
    _fields(state)
    config, problems = config_of(state)
    show_problems([text for name, text in problems.items() if not name])
    return config


def _presets(state: LinkState) -> None:
    chosen = {name: state[name] for name in CONFIG_FIELDS}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for key, preset in presets().items():
            same = all(chosen[name] == value for name, value in preset.changes.items())
            if st.button(preset.name, key=f"preset_{key}", type="primary" if same else "secondary", help=preset.why):
                state.set(**preset.changes)
                st.rerun()
        # Another form, another popover: it closes when one of its buttons has filled the form.
        with st.popover("Break it on purpose", icon=":material/science:", key=f"failures.{hash(str(chosen))}"):
            st.markdown("Four ways to make a training fail, on the sample and in a few seconds each.")
            for key, preset in FAILURES.items():
                if st.button(preset.name, key=f"failure_{key}", help=preset.why, width="stretch"):
                    state.set(**failure_settings(key))
                    st.rerun()
                st.caption(preset.why)
    st.markdown(_why_presets_differ(state["source"]), unsafe_allow_html=True)


@st.cache_data(show_spinner=False, max_entries=2)
def _why_presets_differ(source: str) -> str:
    """Where the presets differ and what that does to the first z, measured on 500 images."""
    theirs, today = r1_config(source="sample"), practised_config(source="sample")
    names = {"initializer": "initial weights", "bias": "initial bias"}
    differing = " and ".join(f"the {names.get(name, name)}" for name in what_differs([theirs, today]))
    pixels = digits_of(source).images[:500].astype(np.float64) / 255
    # z = Σ w·x + b with independent w: its variance over the draws is var(w) · Σ x².
    spread = float(np.sqrt(np.mean(np.sum(pixels**2, axis=1))))
    he = spread * np.sqrt(2 / pixels.shape[1])
    return (
        f"The two presets differ in {differing} alone. Weights from N(0, 1) make the z of a first-layer unit scatter "
        f"by about {spread:.1f} on these images; {word('He', 'He weights')}, N(0, 2/{pixels.shape[1]}), by about "
        f"{he:.2f}. What that does to learning is what this page lets you find out."
    )


def _fields(state: LinkState) -> None:
    others = {name: state[name] for name in CONFIG_FIELDS}

    def field(name: str, label: str, help: str) -> None:
        config_field(name, ScratchConfig, state=state, label=label, others=others, help=help)

    digits, share, _ = st.columns([2, 1, 1], gap="small")
    with digits:
        source_choice(state)
    with share:
        field("train_fraction", "Training share", "From 0.01 to 0.9. The report: 0.7, 0.8 and 0.9.")
    first, second, third, fourth = st.columns(4, gap="small")
    with first:
        field("hidden", "Hidden layers", "Units of each, with commas: `128, 64`, `256, 256`, or none. Up to five.")
        field("learning_rate", "Learning rate", "The step along the gradient. The report: 0.01.")
    with second:
        _activation(state)
        field("batch_size", "Batch size", "Images per update. The report: 22.")
    with third:
        st.selectbox(
            "Initial weights",
            list(INITIALIZER_NAMES),
            format_func=INITIALIZER_NAMES.__getitem__,
            key=state.key("initializer"),
            help="How the first weights are drawn. The report: N(0, 1). Usual for ReLU today: He.",
        )
        field("epochs", "Epochs", "Times through all training images. The report: 25.")
    with fourth:
        field("bias", "Initial bias", "What every bias starts at. The report: 1. Usual today: 0.")
        field("seed", "Seed", "Fixes the weights, the split and the order of the batches. The report: 52.")
    _layers_in_step(state)


def _activation(state: LinkState) -> None:
    """One activation for all hidden layers, or one each."""
    current: Any = state["activation"]
    shown = EACH if isinstance(current, tuple) else current
    # Without a hidden layer there is nothing to choose one each for.
    options = [*ACTIVATION_NAMES, *([EACH] if state["hidden"] or shown == EACH else [])]
    follow("activation", shown)
    picked = st.selectbox(
        "Activation",
        options,
        format_func=lambda name: "one per layer" if name == EACH else ACTIVATION_NAMES[name],
        key="activation",
        help="What each hidden unit does to its z. The report tried tanh and ReLU.",
    )
    took("activation", picked)
    if picked != shown:
        layers = len(state["hidden"])
        state.set(
            activation=(current,) * layers if picked == EACH and layers else picked if picked != EACH else current
        )
        st.rerun()


def _layers_in_step(state: LinkState) -> None:
    """One choice per hidden layer, as many as there are."""
    current: Any = state["activation"]
    if not isinstance(current, tuple):
        return
    layers = min(len(state["hidden"]), MOST_LAYERS)
    if len(current) != layers:
        if not layers:
            state.set(activation=current[0])
        else:
            state.set(activation=(current + (current[-1],) * layers)[:layers])
        st.rerun()
    columns = st.columns(max(layers, 2), gap="small")
    for index, (column, activation) in enumerate(zip(columns, current, strict=False)):
        key = f"activation.{index}"
        follow(key, activation)
        with column:
            picked = st.selectbox(
                f"Layer {index + 1}", list(ACTIVATION_NAMES), format_func=ACTIVATION_NAMES.__getitem__, key=key
            )
        took(key, picked)
        if picked != activation:
            state.set(activation=(*current[:index], picked, *current[index + 1 :]))
            st.rerun()


def parameters(config: ScratchConfig) -> None:
    """The report's parameter table for this network, computed; and why the report's own does not add up."""
    st.markdown(f"**Parameters** of {' → '.join(map(str, config.sizes))}")
    st.table(parameter_rows(config.sizes), border="horizontal")
    train = len(split_fraction(len(digits_of(config.source)), config.train_fraction, config.seed).train)
    updates = -(-train // config.batch_size)
    st.caption(
        f"{config.parameters:,} numbers to learn, {train:,} images to learn them from, "
        f"{updates:,} updates an epoch, {updates * config.epochs:,} in all."
    )
    with st.expander("Why the report counts 522 biases", icon=":material/calculate:"):
        st.markdown(bias_terms_explained())
        st.markdown(
            f"A layer has one bias per unit and one weight per unit and input. For the network in the form: "
            f"{' + '.join(map(str, config.sizes[1:]))} = {sum(config.sizes[1:])} biases."
        )


def parameter_rows(sizes: tuple[int, ...]) -> dict[str, list[str]]:
    """The columns of the parameter table: layer, weights as a product, biases, both together; the last row adds up."""
    pairs = list(itertools.pairwise(sizes))
    weights = [inputs * units for inputs, units in pairs]
    biases = [units for _, units in pairs]
    names = [f"hidden\u00a0{index}" for index in range(1, len(pairs))] + ["output"]
    return {
        "layer": [*names, "**all**"],
        "weights": [f"{inputs}\u00a0×\u00a0{units}" for inputs, units in pairs] + [f"**{sum(weights):,}**"],
        "biases": [f"{units:,}" for units in biases] + [f"**{sum(biases):,}**"],
        "together": [f"{w + b:,}" for w, b in zip(weights, biases, strict=True)]
        + [f"**{sum(weights) + sum(biases):,}**"],
    }


def settings_in_words(config: ScratchConfig) -> str:
    """A run in one line: "784 → 128 → 64 → 10, ReLU, N(0, 1) weights, rate 0.01, …"."""
    layers = " → ".join(map(str, config.sizes))
    activation = value_text(config.activation) if config.hidden else "no hidden layer"
    digits = "MNIST" if config.source == "mnist" else "the sample"
    return (
        f"{layers}, {activation}, {WEIGHT_NAMES[config.initializer]}, bias {config.bias:g}, "
        f"rate {config.learning_rate:g}, batch {config.batch_size:,}, {config.epochs} epochs, "
        f"{100 * config.train_fraction:g} % of {digits}, seed {config.seed}"
    )


def code(config: ScratchConfig, caption: str, *functions: Any) -> None:
    """The command that trains this config, and the trainer's source."""
    activation = ",".join(config.activations) if isinstance(config.activation, tuple) else config.activation
    hidden = ",".join(map(str, config.hidden)) or "none"
    command = (
        "python -m mlcore train scratch"
        f" --source {config.source} --train-fraction {config.train_fraction:g} --hidden {hidden}"
        f" --activation {activation} --initializer {config.initializer} --bias {config.bias:g}"
        f" --learning-rate {config.learning_rate:g} --batch-size {config.batch_size} --epochs {config.epochs}"
        f" --seed {config.seed}"
    )
    st.caption(caption)
    st.code(command, language="bash", wrap_lines=True)
    show_code(
        *functions,
        script=scripts.training(config, config.epochs),
        key="trainer",
        file_name="train.py",
        requires=scripts.requires(config),
    )
