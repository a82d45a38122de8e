"""Section 7: is the backward pass right? Nudge parameters of every layer and compare (L2.9)."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mlcore.scratch.gradcheck import AGREES, NUDGE, SMALLEST, CheckedParameter, GradientCheck, gradient_check
from ui.charts import table_twin
from ui.code import show_code
from ui.digits import digits_of
from ui.fields import whole_field
from ui.lesson2 import scripts
from ui.lesson2.formulas import REACHABLE, number
from ui.lesson2.start import Weights, choose_weights
from ui.links import LinkState
from ui.terms import terms

IMAGES = 8


def draw(state: LinkState) -> None:
    """The whole section."""
    st.markdown(
        "The backward pass gives a gradient for every weight by the chain rule. Is it right? There is a slow way to "
        "find out that uses no chain rule at all: nudge one weight up and down, and see how far the loss moves."
    )
    st.latex(r"\frac{\partial L}{\partial w} \approx \frac{L(w + h) - L(w - h)}{2h}, \;\; h = 10^{-5}")
    assert NUDGE == 1e-5
    weights = choose_weights(state)
    if weights is None:
        return
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="bottom")
    with left:
        sampled = whole_field("Weights and biases per layer", key="sampled", state=state, low=1, high=25)
    with right:
        if st.button("Check the gradients", icon=":material/fact_check:", key="check.go"):
            state.set(checked=1)
    if state["checked"]:
        _show(_checked(weights, weights.token, sampled))
    st.html(REACHABLE, unsafe_allow_javascript=True)
    terms("gradient check", "finite difference", key="check", lead="")
    show_code(
        gradient_check,
        script=scripts.check(weights.config, weights.checkpoint, IMAGES, sampled),
        requires=scripts.requires(weights.config),
        key="check",
        file_name="gradient_check.py",
    )


@st.cache_data(show_spinner="Nudging …", max_entries=32)
def _checked(_weights: Weights, token: str, sampled: int) -> GradientCheck:
    digits = digits_of(_weights.config.source)
    return gradient_check(
        _weights.config, digits, checkpoint=_weights.checkpoint, images=IMAGES, per_layer=sampled, seed=0
    )


def _show(found: GradientCheck) -> None:
    worst = found.worst
    agrees = worst.relative_error < AGREES
    st.markdown(
        f"{len(found.parameters)} parameters on {found.images} images, in 64-bit numbers. Worst relative error: "
        f"**{worst.relative_error:.1e}**, at {place(worst)}."
    )
    st.latex(
        rf"\text{{backward pass: }} {number(worst.analytic, 10)} \;\; \text{{nudged: }} {number(worst.numeric, 10)}"
    )
    if agrees:
        st.success(
            f"Every one agrees: below {AGREES:g} what is left is rounding. A mistake in a formula would give 0.01 or "
            f"more.",
            icon=":material/check_circle:",
        )
    else:
        st.warning(
            f"They differ by more than rounding explains (more than {AGREES:g}). Either a formula is wrong, or a nudge "
            "carried a unit across the corner of its activation, where there is no single slope.",
            icon=":material/rule:",
        )
    st.caption(
        "Relative: the difference by the larger of the two numbers, but at least by a thousandth of the layer's "
        f"largest gradient, and by {SMALLEST:g}. Of a gradient closer to 0 than that, rounding would be a large part."
    )
    layers = sorted({checked.layer for checked in found.parameters})
    st.markdown("**The worst of each layer**")
    st.dataframe(
        check_columns([found.worst_of_layer(layer) for layer in layers]), hide_index=True, alt="Worst of each layer"
    )
    table_twin(check_columns(list(found.parameters)), key="check", file_name="gradient_check.csv", label="All of them")


def place(checked: CheckedParameter) -> str:
    """ "layer 2, weight from input 5 to unit 7"."""
    if checked.kind == "bias":
        return f"layer {checked.layer}, bias of unit {checked.place[0]}"
    return f"layer {checked.layer}, weight from input {checked.place[0]} to unit {checked.place[1]}"


def check_columns(parameters: list[CheckedParameter]) -> dict[str, list[Any]]:
    """Checked parameters as the columns of a table."""
    return {
        "parameter": [place(checked) for checked in parameters],
        "backward pass": [f"{checked.analytic:.10g}" for checked in parameters],
        "nudged": [f"{checked.numeric:.10g}" for checked in parameters],
        "relative error": [f"{checked.relative_error:.1e}" for checked in parameters],
    }
