"""Nudge an input: the derivative measured by finite differences, beside the one from the backward pass."""

from __future__ import annotations

import math

import streamlit as st

from mlcore.autodiff.gradcheck import STEPS, Nudge, remark_on, sweep
from mlcore.autodiff.operations import short
from ui.charts import line_chart, long_form, table_twin
from ui.graph.picture import exact, readable
from ui.lesson1.state import Lesson
from ui.links import LinkState

FLOOR = 1e-17  # where an error of exactly 0 is drawn, since a logarithmic axis has no 0
FORWARD, CENTRAL = "forward difference", "central difference"


@st.fragment
def nudge(lesson: Lesson, state: LinkState) -> None:
    """Choose an input and a size h; see both differences, the gradient, and the error for every h."""
    st.markdown(
        "A gradient can be measured without any calculus: move one input by a small h, see how far the result moves, "
        "and divide. It is how every gradient on this page could be checked, one input at a time."
    )
    if not lesson.inputs:
        st.info("This expression has no inputs, so there is nothing to nudge.")
        return
    left, right = st.columns([1, 3])
    st.session_state["lesson1.nudge"] = state["nudge"] if state["nudge"] in lesson.inputs else lesson.inputs[0]
    name = left.selectbox(
        "Input to nudge",
        lesson.inputs,
        key="lesson1.nudge",
        on_change=lambda: state.set(nudge=st.session_state["lesson1.nudge"]),
    )
    st.session_state["lesson1.h"] = min(STEPS, key=lambda size: abs(math.log(size / state["h"])))
    h = right.select_slider(
        "Size of the nudge, h",
        STEPS,
        format_func=lambda size: short(size, 2),
        key="lesson1.h",
        on_change=lambda: state.set(h=st.session_state["lesson1.h"]),
    )
    found = sweep(lesson.expression, lesson.values, name, STEPS, lesson.ties)
    at = next(item for item in found if item.h == h)
    _numbers(lesson, name, at)
    _chart(found, name, h)
    st.markdown(remark_on(found))


def _numbers(lesson: Lesson, name: str, at: Nudge) -> None:
    result = lesson.result.name or "f"
    lines = [
        f"| method | ∂{result}/∂{name} | error |",
        "| --- | ---: | ---: |",
        f"| {FORWARD}: ({result}({name} + h) − {result}({name})) / h "
        f"| {exact(at.forward)} | {_error(at.forward_error)} |",
        f"| {CENTRAL}: ({result}({name} + h) − {result}({name} − h)) / 2h "
        f"| {exact(at.central)} | {_error(at.central_error)} |",
        f"| backward pass | {exact(at.analytic)} | |",
    ]
    st.markdown("\n".join(lines))


def _error(size: float) -> str:
    return "–" if math.isnan(size) else readable(size)


def _chart(found: list[Nudge], name: str, h: float) -> None:
    sizes = [item.h for item in found]
    drawn = {
        FORWARD: [max(item.forward_error, FLOOR) for item in found],
        CENTRAL: [max(item.central_error, FLOOR) for item in found],
    }
    line_chart(
        long_form(sizes, drawn, names=("h", "error", "method")),
        x="h",
        y="error",
        series="method",
        order=(FORWARD, CENTRAL),
        title=f"Error of the measured gradient by {name}, against h",
        x_title="size of the nudge h (logarithmic)",
        y_title="absolute error (logarithmic)",
        log_x=True,
        log_y=True,
        y_format=".2e",
        x_format=".2e",
        cursor=h,
        key="lesson1.nudge.chart",
        alt="Error of the forward and of the central difference against the size of the nudge, both axes logarithmic",
    )
    st.caption("An error of exactly 0 is drawn at 1e−17. The upright line is the h chosen above.")
    columns = {
        "h": sizes,
        FORWARD: [item.forward for item in found],
        f"error of the {FORWARD}": [item.forward_error for item in found],
        CENTRAL: [item.central for item in found],
        f"error of the {CENTRAL}": [item.central_error for item in found],
        "backward pass": [item.analytic for item in found],
    }
    table_twin(columns, key="lesson1.nudge.table", file_name="nudge.csv")
