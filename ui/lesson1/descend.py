"""Descend: some inputs learn, the others stay; the path of the result, and what divergence looks like."""

from __future__ import annotations

import streamlit as st

from mlcore.autodiff import ExpressionError
from mlcore.autodiff.descend import Descent, descend
from ui.charts import line_chart, table_twin
from ui.fields import number_field
from ui.graph.picture import exact, readable
from ui.lesson1.state import GOALS, MOST_STEPS, Lesson
from ui.links import LinkState


def learners(lesson: Lesson, learn: str) -> list[str]:
    """The inputs that learn: those of the link that there are, else weights and biases, else all."""
    named = [name for name in learn.split(",") if name in lesson.inputs]
    usual = [name for name in lesson.inputs if name[0] in "wvb"]
    return named or usual or list(lesson.inputs)


@st.fragment
def descent(lesson: Lesson, state: LinkState) -> None:
    """The settings, the buttons, and the path they lead to. The path depends on the link alone."""
    st.markdown(
        "Training is this and nothing else: move each input that may learn a little *against* its gradient, "
        "and do it again. The inputs that do not learn are the data."
    )
    if not lesson.inputs:
        st.info("This expression has no inputs, so nothing can learn.")
        return
    learn, target = _settings(lesson, state)
    walked: Descent | None = None
    try:
        walked = descend(lesson.expression, lesson.values, learn, state["rate"], state["taken"], target, lesson.ties)
    except ExpressionError as problem:
        st.info(f"{problem} Change the inputs or the settings to go on.", icon=":material/info:")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _buttons(lesson, state, walked)
    if walked is None:
        return
    if walked.halted:
        st.warning(walked.halted, icon=":material/trending_up:")
    _path(walked, target)
    _table(lesson, walked, learn, state)


def _settings(lesson: Lesson, state: LinkState) -> tuple[list[str], float | None]:
    first, second, third = st.columns([2, 2, 1])
    st.session_state["lesson1.learn"] = learners(lesson, state["learn"])
    with first:
        learn = st.multiselect(
            "Inputs that learn",
            lesson.inputs,
            key="lesson1.learn",
            on_change=lambda: state.set(learn=",".join(st.session_state["lesson1.learn"])),
        )
    with second:
        goal = st.segmented_control(
            "Goal", list(GOALS), format_func=GOALS.__getitem__, key=state.key("goal"), required=True
        )
        target = number_field("Target", key="target", state=state, low=-1e9, high=1e9) if goal == "target" else None
    with third:
        number_field("Learning rate", key="rate", state=state, low=1e-9, high=1e6)
    state.sync()
    return learn, target


def _buttons(lesson: Lesson, state: LinkState, walked: Descent | None) -> None:
    taken = state["taken"]
    stuck = walked is None or bool(walked.halted)

    def take(steps: int) -> None:
        state.set(taken=min(MOST_STEPS, state["taken"] + steps))

    over = stuck or taken >= MOST_STEPS
    st.button("One step", icon=":material/south_east:", on_click=take, args=(1,), disabled=over, key="lesson1.step1")
    st.button("Ten steps", on_click=take, args=(10,), disabled=over, key="lesson1.step10")
    st.button(
        "Back to the start",
        icon=":material/restart_alt:",
        on_click=lambda: state.set(taken=0),
        disabled=taken == 0,
        key="lesson1.restart",
    )
    if taken >= MOST_STEPS:
        st.caption(f"{MOST_STEPS} steps is as far as this page walks.", width="content")


def _path(walked: Descent, target: float | None) -> None:
    results = [point.result for point in walked.path]
    now = results[-1]
    st.markdown(
        f"After **{len(results) - 1}** steps the result is **{readable(now)}**"
        + (f", {readable(abs(now - target))} away from the target {readable(target)}." if target is not None else ".")
        + f" It began at {readable(results[0])}."
    )
    columns = {"step": list(range(len(results))), "result": results}
    if len(results) > 1:
        line_chart(
            columns,
            x="step",
            y="result",
            title="The result over the steps",
            x_title="step",
            y_title="result",
            y_format=".6g",
            references={f"target {readable(target)}": target} if target is not None else None,
            key="lesson1.descent.chart",
            height=240,
            alt="The result of the expression after each step of gradient descent",
        )
    names = list(walked.path[0].values)
    every = {**columns, **{name: [point.values[name] for point in walked.path] for name in names}}
    table_twin(every, key="lesson1.descent.table", file_name="descent.csv", label="The path as a table")


def _table(lesson: Lesson, walked: Descent, learn: list[str], state: LinkState) -> None:
    start, now = walked.path[0], walked.path[-1]
    lines = ["| input that learns | at the start | now | gradient now |", "| --- | ---: | ---: | ---: |"]
    for name in learn:
        slope = now.gradients.get(name)
        shown = "–" if slope is None else readable(slope)
        lines.append(f"| {name} | {exact(start.values[name])} | {readable(now.values[name])} | {shown} |")
    st.markdown("\n".join(lines))
    slope_of = "(result − target)²" if state["goal"] == "target" else "the result"
    st.caption(f"Each step: input ← input − rate · gradient, where the gradient is that of {slope_of}.")
    if len(walked.path) > 1 and st.button(
        "Put these values into the graph", icon=":material/upload:", key="lesson1.adopt"
    ):
        state.set(v={name: now.values.get(name, value) for name, value in lesson.values.items()}, taken=0)
        st.rerun()
