"""Predict first: commit to the sign and rough size of one gradient, then see both side by side."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from ui.graph.picture import readable
from ui.lesson1.state import Lesson
from ui.links import LinkState

SIGNS = {"minus": "negative (−)", "zero": "zero", "plus": "positive (+)"}
SIZES = {"small": "below 0.1", "middle": "0.1 to 1", "large": "above 1"}
_STORE = "lesson1.prediction"


def size_of(gradient: float) -> str:
    """Which of `SIZES` a gradient has, by its absolute value."""
    return "small" if abs(gradient) < 0.1 else "middle" if abs(gradient) <= 1 else "large"


def sign_word(gradient: float) -> str:
    """Which of `SIGNS` a gradient has."""
    return "plus" if gradient > 0 else "minus" if gradient < 0 else "zero"


def predict(lesson: Lesson, state: LinkState, step: int) -> None:
    """Ask before the backward pass, compare after it; in between, remind of what was said."""
    about = (lesson.expression.text, tuple(lesson.values.items()), tuple(lesson.ties.items()))
    said: dict[str, Any] | None = st.session_state.get(_STORE)
    if said is not None and said["about"] != about:
        said = None
    if said is not None:
        node = next(
            number
            for number, node in enumerate(lesson.result.nodes())
            if node is lesson.result.variables()[said["name"]]
        )
        if step >= lesson.complete_at.get(node, lesson.steps + 1):
            _compare(lesson, said)
            return
    if step <= lesson.forward:
        _ask(lesson, state, about, said)
    elif said is not None:
        st.caption(f"You said: ∂/∂{said['name']} is {_words(said)}. Step on until it is complete.")


def _words(said: dict[str, Any]) -> str:
    return "zero" if said["sign"] == "zero" else f"{SIGNS[said['sign']]}, its size {SIZES[said['size']]}"


def _ask(lesson: Lesson, state: LinkState, about: Any, said: dict[str, Any] | None) -> None:
    with st.container(border=True, key="lesson1_predict"):
        st.markdown("### Predict first")
        if said is None:
            st.markdown(
                "Before the backward pass is shown: which way does the result go when this input grows a little?"
            )
            name = st.selectbox("Gradient of the result by", lesson.inputs, key="lesson1.predict.name")
            sign = st.segmented_control(
                "Its sign", list(SIGNS), format_func=SIGNS.__getitem__, key="lesson1.predict.sign"
            )
            size = st.segmented_control(
                "Its size", list(SIZES), format_func=SIZES.__getitem__, key="lesson1.predict.size"
            )
            ready = name is not None and (sign == "zero" or (sign is not None and size is not None))
            prediction = {"about": about, "name": name, "sign": sign, "size": size}
            st.button(
                "Commit",
                disabled=not ready,
                on_click=lambda: st.session_state.update({_STORE: prediction}),
                key="lesson1.predict.commit",
            )
        else:
            st.markdown(f"You said: ∂/∂{said['name']} is **{_words(said)}**.")
        st.button(
            "Run the backward pass",
            icon=":material/keyboard_double_arrow_left:",
            on_click=lambda: state.set(step="all"),
            key="lesson1.backward",
        )


def _compare(lesson: Lesson, said: dict[str, Any]) -> None:
    gradient = lesson.gradients[said["name"]]
    with st.container(border=True, key="lesson1_outcome"):
        st.markdown(f"### Predicted and computed: ∂/∂{said['name']}")
        if math.isnan(gradient):
            st.markdown("The gradient has no value here: a value was lost on the way.")
            return
        left, right = st.columns(2)
        left.markdown(f"You said  \n**{_words(said)}**")
        right.markdown(f"It is  \n**{readable(gradient)}**")
        right_sign = said["sign"] == sign_word(gradient)
        right_size = gradient == 0 or said["size"] == size_of(gradient)
        if right_sign and (gradient == 0 or right_size):
            verdict = "Both right."
        elif right_sign:
            verdict = f"The sign is right; the size is {SIZES[size_of(gradient)]}."
        elif right_size and gradient != 0 and said["sign"] != "zero":
            verdict = f"The size is right; the sign is {SIGNS[sign_word(gradient)]}."
        else:
            verdict = f"It is {_words({'sign': sign_word(gradient), 'size': size_of(gradient)})}."
        st.markdown(verdict)
        st.latex(lesson.explanation.gradient(lesson.result.variables()[said["name"]]).aligned)
        st.caption(
            "The sign is the product of the signs along the way, the size that of the sizes; several ways add up."
        )
