"""The graph and what goes with it: the formula of the step, a node's details, and running backward again."""

from __future__ import annotations

import streamlit as st

from mlcore.autodiff.explain import Formula
from mlcore.autodiff.value import Value
from ui.graph.component import graph
from ui.graph.picture import exact, readable
from ui.lesson1.predict import predict
from ui.lesson1.state import Lesson, step_name, step_number
from ui.links import LinkState

MOST_PASSES = 4


@st.fragment
def walk(lesson: Lesson, state: LinkState) -> None:
    """Draw the graph at the step of the link, and everything that depends on the step alone."""
    step = step_number(state["step"], lesson)
    names = [node["name"] for node in lesson.picture["nodes"]]
    picked = names.index(state["node"]) if state["node"] in names else None
    graph(
        lesson.picture,
        step=step,
        picked=picked,
        key="lesson1.graph",
        on_step=lambda number: state.set(step=step_name(number, lesson)),
        on_open=lambda node: state.set(node="" if node is None else names[node]),
    )
    problems(lesson, step)
    left, right = st.columns(2, gap="medium")
    with left:
        this_step(lesson, step)
    with right:
        if picked is not None:
            details(lesson, picked, step)
        predict(lesson, state, step)
    if step >= lesson.forward + len(lesson.passed):
        again(lesson, state)


def problems(lesson: Lesson, step: int) -> None:
    """Say at which node a value was lost, once the steps have come to it."""
    order = [item["node"] for item in lesson.picture["steps"][: lesson.forward]]
    for number, node in enumerate(lesson.result.nodes()):
        if node.problem and order.index(number) < step:
            st.warning(
                f"**{node.name}**: {node.problem} What is made from it has no value either; the rest of the graph has.",
                icon=":material/error:",
            )
            break


def this_step(lesson: Lesson, step: int) -> None:
    """The formula of the step just taken."""
    with st.container(key="lesson1_formula"):
        if step == 0:
            st.markdown("### Before the first step")
            st.markdown("The inputs have their values. Step forward to compute the first node.")
        elif step <= lesson.forward:
            node = lesson.result.nodes()[lesson.picture["steps"][step - 1]["node"]]
            st.markdown(f"### Forward, step {step} of {lesson.forward}")
            formula(lesson.explanation.forward(node))
        elif step <= lesson.forward + len(lesson.passed):
            backward_step(lesson, step - lesson.forward)
        else:
            st.markdown("### Backward once more")
            st.markdown("The same products are added to what was already there.")


def backward_step(lesson: Lesson, number: int) -> None:
    """What the library's backward step `number` (from 1) did: each gradient it hands on, written three times."""
    step = lesson.passed[number - 1]
    st.markdown(f"### Backward, step {number} of {len(lesson.passed)}")
    if number == 1:
        formula(lesson.explanation.gradient(step.node))
        st.caption("The derivative of a thing by itself is 1. That is where the way back begins.")
    if not step.contributions and number > 1:
        formula(lesson.explanation.gradient(step.node))
    slots = [slot for slot, operand in enumerate(step.node.operands) if not operand.constant]
    shown: set[Value] = set()
    for slot, part in zip(slots, step.contributions, strict=True):
        done = lesson.complete_at[part.id] == lesson.forward + number
        if done and part.operand in shown:
            continue
        shown.add(part.operand)
        if done:
            formula(lesson.explanation.gradient(part.operand))
        else:
            formula(lesson.explanation.contribution(step.node, slot))
            st.caption(
                f"{part.operand.name} has more uses: this is one term of its sum, {readable(part.total)} so far."
            )
    if step.contributions:
        st.caption("Each time: the chain of partials, the local derivatives put in, the numbers put in.")


def formula(written: Formula) -> None:
    """A formula, rounded for reading; its value with every digit on hover."""
    st.latex(written.aligned, help=f"Exactly: {exact(written.value)}")


def details(lesson: Lesson, number: int, step: int) -> None:
    """An opened node: its value, its local derivatives, and its gradient as the sum over its uses."""
    node = lesson.result.nodes()[number]
    explanation = lesson.explanation
    title = lesson.picture["nodes"][number]["label"]
    with st.container(border=True, key="lesson1_details"):
        st.markdown(f"### Node {title}" if node.name else f"### The constant {title}")
        if not node.operands:
            st.markdown(f"{'A constant' if node.constant else 'An input'}: value **{exact(node.data)}**.")
        elif number in computed(lesson, step):
            formula(explanation.forward(node))
            slots = [slot for slot, operand in enumerate(node.operands) if not operand.constant]
            if slots:
                st.markdown("Local derivatives: how it answers a small change of each operand")
            for slot in slots:
                st.latex(explanation.local(node, slot).latex)
        else:
            st.markdown("Its value is not computed yet.")
        for sentence in filter(None, (node.problem, lesson.picture["nodes"][number]["remark"])):
            st.caption(sentence)
        if not node.constant:
            gradient_as_sum(lesson, number, step)


def computed(lesson: Lesson, step: int) -> set[int]:
    """The operations whose values are known after so many steps."""
    return {item["node"] for item in lesson.picture["steps"][: min(step, lesson.forward)]}


def gradient_as_sum(lesson: Lesson, number: int, step: int) -> None:
    """A node's gradient: one term for each of its uses, with its numbers."""
    node = lesson.result.nodes()[number]
    if step < lesson.complete_at.get(number, lesson.steps + 1):
        st.markdown(
            "Its gradient is **not computed yet** (that is not the same as 0). Step into the backward pass to see it."
        )
        return
    explanation = lesson.explanation
    uses = [
        (user, slot) for user in lesson.result.nodes() for slot, operand in enumerate(user.operands) if operand is node
    ]
    if not uses:
        st.markdown("Its gradient: it is the result itself, so 1.")
        return
    count = "one use" if len(uses) == 1 else f"the sum over its {len(uses)} uses"
    st.markdown(f"Its gradient: {count}")
    for user, slot in uses[:8]:
        st.latex(explanation.contribution(user, slot).aligned)
    if len(uses) > 8:
        st.caption(f"and {len(uses) - 8} more uses")
    if len(uses) > 1:
        total = next(item.gradient for item in lesson.passed if item.id == number)
        upstream = {item.node: item.gradient for item in lesson.passed}
        terms = [readable(upstream[user] * user.locals[slot]) for user, slot in uses[:8]]
        terms = [f"({term})" if place and term.startswith("−") else term for place, term in enumerate(terms)]
        more = " + …" if len(uses) > 8 else ""
        st.markdown(f"Sum: {' + '.join(terms)}{more} = **{readable(total)}**")


def again(lesson: Lesson, state: LinkState) -> None:
    """Run backward again without zeroing: what happens when a training loop forgets to."""
    passes = state["passes"]
    with st.container(key="lesson1_again"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if passes < MOST_PASSES and st.button(
                "Run backward again without zeroing", icon=":material/replay:", key="lesson1.again"
            ):
                state.set(passes=passes + 1, step="all")
                st.rerun()
            if passes > 1 and st.button("Zero the gradients", icon=":material/exposure_zero:", key="lesson1.zero"):
                state.set(passes=1, step="all")
                st.rerun()
        if passes == 1:
            return
        st.markdown(
            f"Backward has run **{passes} times** without zeroing. It always *adds* to the gradients it finds: that is "
            f"how several uses of one input add up. So now every gradient is {passes} times too large, and a step of "
            f"descent would be {passes} times too long. That is why a training loop zeroes the gradients each time."
        )
        rows = ["| input | after one pass | now |", "| --- | ---: | ---: |"]
        for name in lesson.inputs:
            one, now = lesson.gradients[name], lesson.result.variables()[name].grad
            rows.append(f"| {name} | {readable(one)} | {readable(now if now is not None else float('nan'))} |")
        st.markdown("\n".join(rows))
