"""Section 6: one training step under the glass, with every number of a small slice, and PyTorch beside it (L2.8)."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
import streamlit as st

from mlcore.experiments.comparison import ACTIVATION_NAMES
from mlcore.experiments.torch_comparison import differences, step_by_torch, torch_arguments
from mlcore.runtime import LimitReached
from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.glass import OneStep, one_step
from mlcore.scratch.network import backward, forward
from mlcore.scratch.trainer import epoch_order
from ui.charts import table_twin
from ui.code import show_code
from ui.digits import digits_of
from ui.fields import read_whole, show_problems, text_field, whole_field
from ui.images import image_grid, show_png
from ui.lesson2 import scripts
from ui.lesson2.digits import split_of
from ui.lesson2.formulas import REACHABLE, number, proof_columns, shape_columns, slice_columns, sum_formula
from ui.lesson2.start import Weights, choose_weights
from ui.links import LinkState
from ui.runs import runtime
from ui.terms import terms

MOST_IMAGES = 64
PATIENCE = 1.0  # seconds to wait within one run of the page
_PROOF = "step.proof"


def draw(state: LinkState) -> None:
    """The whole section."""
    st.markdown(
        "Training is one step, taken over and over: let the network answer for a batch of images, find the gradient of "
        "the loss by every weight, move every weight a little against its gradient. Here is one such step, in numbers."
    )
    weights = choose_weights(state)
    if weights is None:
        return
    step = _step(state, weights)
    _batch(state, step, weights)
    layer, unit, source = _place(state, step)
    st.subheader("Forward: from the pixels to the loss", anchor=False)
    _forward(step, layer, unit, source)
    st.subheader("Backward: from the loss to the weights", anchor=False)
    _backward(step, layer, unit)
    st.subheader("The update of one weight", anchor=False)
    _update(step, layer, unit, source)
    st.subheader("The same step by PyTorch", anchor=False)
    _proof(step, weights)
    st.html(REACHABLE, unsafe_allow_javascript=True)
    terms("forward pass", "backward pass", "softmax", "cross-entropy", "SGD", key="step", lead="")
    show_code(
        forward,
        backward,
        script=scripts.one_step(weights.config, weights.checkpoint, step),
        key="step",
        file_name="one_step.py",
        requires=scripts.requires(weights.config, "torch"),
    )


def _step(state: LinkState, weights: Weights) -> OneStep:
    """The step that training would take on these images."""
    config = weights.config
    left, right = st.columns([2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        many = st.segmented_control(
            "Images in the step",
            ("one", "batch"),
            format_func=lambda name: "one image" if name == "one" else _batch_name(weights),
            key=state.key("many"),
            required=True,
        )
    train = split_of(config.source, config.train_fraction, config.seed).train
    order = epoch_order(train, config.seed, 0)
    with right:
        first = whole_field(
            "Starting with training image",
            key="image",
            state=state,
            low=0,
            high=len(order) - 1,
            help=f"In the order of the first epoch: 0 to {len(order) - 1:,}.",
        )
    first = min(first, len(order) - 1)
    count = 1 if many == "one" else _batch_size(weights)
    rows = order[first : first + count]
    return one_step(config, digits_of(config.source), rows.tolist(), weights.checkpoint)


def _batch_size(weights: Weights) -> int:
    return min(weights.config.batch_size, MOST_IMAGES)


def _batch_name(weights: Weights) -> str:
    size = weights.config.batch_size
    return f"a batch of {size}" if size <= MOST_IMAGES else f"the first {MOST_IMAGES} of a batch of {size:,}"


def _batch(state: LinkState, step: OneStep, weights: Weights) -> None:
    images = digits_of(weights.config.source).images[step.rows]
    left, right = st.columns([1, 2], gap="large")
    with left:
        show_png(
            image_grid(
                images,
                columns=8 if len(images) > 1 else 1,
                scale=5 if len(images) == 1 else 1,
                captions=[str(label) for label in step.labels],
            ),
            alt=f"The {len(images)} images of this step"
            if len(images) > 1
            else f"The image of this step, a {step.labels[0]}",
        )
    with right:
        st.markdown("**Shapes**: rows are images, columns are units.")
        st.table(shape_columns(step), border="horizontal")


def _place(state: LinkState, step: OneStep) -> tuple[int, int, int]:
    """Which weight to follow: its layer, the unit it leads to, and the input it comes from."""
    sizes = step.before.sizes
    layers = list(range(1, len(sizes)))
    if state["layer"] not in layers:
        state.set(layer=1)
    columns = st.columns(3, gap="medium")
    with columns[0]:
        layer = st.selectbox(
            "Layer",
            layers,
            format_func=lambda number: f"{number} (output)" if number == layers[-1] else f"{number} (hidden)",
            key=state.key("layer"),
        )
    inputs, units = sizes[layer - 1], sizes[layer]
    with columns[1]:
        unit = _index("unit", "Unit it leads to", state, units, "the one with the largest gradient")
    with columns[2]:
        source = _index("input", "Input it comes from", state, inputs, "the strongest one")
    if unit < 0:
        unit = int(np.abs(step.gradients.deltas[layer - 1]).mean(axis=0).argmax())
    if source < 0:
        # The strongest for the first image, which the formulas follow; the same, then, in a step of one image.
        source = int(np.abs(step.passed.a[layer - 1][0]).argmax())
    return layer, unit, source


def _index(key: str, label: str, state: LinkState, count: int, otherwise: str) -> int:
    """A unit or an input by its number, or −1 where the field is left empty."""
    value = text_field(
        label,
        key=key,
        state=state,
        read=lambda given: read_whole(given, low=0, high=count - 1) if given.strip() else -1,
        placeholder=otherwise,
        help=f"0 to {count - 1}; empty for {otherwise}. For layer 1 an input is a pixel, row by row.",
    )
    return min(value, count - 1)


def _forward(step: OneStep, layer: int, unit: int, source: int) -> None:
    a, z = step.passed.a[layer - 1][0], float(step.passed.z[layer - 1][0, unit])
    weights, bias = step.before.layers[layer - 1]
    st.latex(sum_formula(a, weights[:, unit], float(bias[unit]), z, layer, unit, source))
    output = layer == len(step.before.sizes) - 1
    if output:
        _softmax(step)
        return
    activation = ACTIVATIONS[step.before.activations[layer - 1]]
    value = float(step.passed.a[layer][0, unit])
    st.latex(
        rf"a^{{({layer})}}_{{{unit}}} = {activation.value_formula.rpartition('=')[2]} = {number(value)}"
        rf"\qquad\text{{({ACTIVATION_NAMES[step.before.activations[layer - 1]]})}}"
    )
    st.caption(f"A slice of layer {layer} for the first image: unit {unit} and its neighbours.")
    st.dataframe(
        slice_columns(step, layer, unit), hide_index=True, alt=f"z, a and gradient of a slice of layer {layer}"
    )
    with st.expander("All the way to the loss", icon=":material/arrow_forward:"):
        _softmax(step)


def _softmax(step: OneStep) -> None:
    """The ten logits, their probabilities and what the loss sends back, for the first image."""
    label, count = int(step.labels[0]), len(step.labels)
    logits, p = step.passed.logits[0], step.passed.probabilities[0]
    st.latex(
        rf"L = -\log p_{{{label}}} = -\log {number(p[label])} = {number(-float(np.log(max(p[label], 1e-300))))}"
        r"\qquad \delta_k = \frac{p_k - y_k}{n}"
    )
    st.dataframe(
        {
            "digit": list(range(10)),
            "logit z": logits.tolist(),
            "probability p": p.tolist(),
            "wanted y": [1 if digit == label else 0 for digit in range(10)],
            "δ = (p − y) / n": step.gradients.deltas[-1][0].tolist(),
        },
        hide_index=True,
        height="content",
        alt="Logits, probabilities and gradients of the ten outputs",
    )
    if count > 1:
        st.caption(f"For the first of {count} images; the loss of the batch is {step.loss:.6f}.")


def _backward(step: OneStep, layer: int, unit: int) -> None:
    output = len(step.before.sizes) - 1
    delta = float(step.gradients.deltas[layer - 1][0, unit])
    if layer == output:
        st.latex(rf"\delta^{{({layer})}}_{{{unit}}} = \frac{{p_{{{unit}}} - y_{{{unit}}}}}{{n}} = {number(delta)}")
        return
    above, weights = step.gradients.deltas[layer][0], step.before.layers[layer].weights[unit]
    arriving = float(above @ weights)
    slope = float(ACTIVATIONS[step.before.activations[layer - 1]].slope(step.passed.a[layer][0].copy(), None)[unit])
    st.latex(
        rf"\delta^{{({layer})}}_{{{unit}}} = \Big(\sum_k \delta^{{({layer + 1})}}_k "
        rf"W^{{({layer + 1})}}_{{{unit},k}}\Big)\,\varphi'(z^{{({layer})}}_{{{unit}}}) = {number(arriving)} \cdot "
        rf"{number(slope)} = {number(delta)}"
    )
    if slope == 0:
        st.caption("The slope is 0: whatever arrives from above, nothing passes this unit for this image.")


def _update(step: OneStep, layer: int, unit: int, source: int) -> None:
    update = step.weight_update(layer, source, unit)
    products = update.inputs * update.deltas
    order = np.argsort(-np.abs(products), kind="stable")[:3]
    parts = [rf"{number(update.inputs[i])}\cdot({number(update.deltas[i])})" for i in order]
    if len(products) > len(order):
        parts.append(rf"({number(float(products.sum() - products[order].sum()))})")
    name = rf"W^{{({layer})}}_{{{source},{unit}}}"
    summed = " + ".join(parts)
    st.latex(
        rf"\begin{{aligned}} \frac{{\partial L}}{{\partial {name}}} &= \sum_n a^{{({layer - 1})}}_{{n,{source}}}\,"
        rf"\delta^{{({layer})}}_{{n,{unit}}} \\ &= {summed} \\ &= {number(update.gradient)} \\"
        rf"{name} &\leftarrow {number(update.old, 8)} - {update.learning_rate:g}\cdot({number(update.gradient, 8)})"
        rf" = {number(update.new, 8)} \end{{aligned}}"
    )
    if update.gradient == 0:
        st.caption(
            "Its gradient is 0: its input, or the gradient that reaches its unit, is 0 in every image of the step."
        )
    change = step.loss_after - step.loss
    direction = "falls" if change < 0 else "rises" if change > 0 else "stays"
    st.markdown(
        f"With every weight moved like this, the loss of these images {direction} from **{step.loss:.6f}** to "
        f"**{step.loss_after:.6f}**."
    )


def _proof(step: OneStep, weights: Weights) -> None:
    """A button; the answer comes from a worker, since the app itself never loads PyTorch."""
    # The run may train on while PyTorch starts: the question stays the one about the weights at the click.
    question = f"{weights.config.model_dump_json()}.{weights.checkpoint is None}.{step.rows.tolist()}"
    if st.button("Take the same step with PyTorch", icon=":material/verified:", key="step.prove"):
        try:
            future = runtime().submit_task(step_by_torch, *torch_arguments(step))
        except LimitReached as problem:
            show_problems([str(problem)])
            return
        st.session_state[_PROOF] = (question, future, step, weights.token)
    asked = st.session_state.get(_PROOF)
    if asked is None or asked[0] != question:
        st.caption("From the same weights and images, in the same precision, by autograd and torch.optim.SGD.")
        return
    waiting = not _arrived(asked[1])
    st.fragment(_answer, run_every=1.0 if waiting else None)(asked[2], asked[1], waiting)
    if asked[3] != weights.token:
        st.caption("The run has trained on since: this is the step from its weights when the button was pressed.")


def _arrived(future: Future[Any]) -> bool:
    """Whether the worker has answered, or does so within a moment."""
    try:
        future.exception(timeout=PATIENCE)
    except TimeoutError:
        return False
    return True


def _answer(step: OneStep, future: Future[Any], was_waiting: bool) -> None:
    """What PyTorch said, as soon as it is there; asked again every second until then."""
    if not future.done():
        st.info(
            "PyTorch is starting in its worker; the first time takes a few seconds.", icon=":material/hourglass_top:"
        )
        return
    if was_waiting:
        st.rerun()
    if future.cancelled() or future.exception() is not None:
        show_problems(["PyTorch did not answer this time. Press the button again in a moment."])
        return
    found = differences(step, future.result())
    rows = proof_columns(found)
    worst = max(item.largest for item in found)
    total = sum(item.numbers for item in found)
    st.markdown(f"**{total:,}** numbers compared; the largest difference is **{worst:.1e}**.")
    st.dataframe(rows, hide_index=True, alt="Our step beside PyTorch's")
    table_twin(rows, key="step.proof", file_name="pytorch.csv")
