"""The top of the page: which expression, which numbers, which inputs are tied.

`look` computes the `Lesson` from what the fields hold, `fields` draws them. The graph is drawn between the two, so
that after an edit it is the first thing on its way to the browser.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

from mlcore.autodiff import EXAMPLES, FUNCTIONS, Expression, ExpressionError, example_of
from ui.fields import foreseen, number_field, read_number, show_problems, text_field
from ui.graph.picture import forward_count, picture
from ui.lesson1.state import LONGEST, MOST_NODES, Lesson, read_expression, set_expression
from ui.links import LinkState

OWN = "own"
NEW_VALUE = 1.0
AT_ONCE = 12


def look(state: LinkState) -> Lesson:
    """Compute the lesson that link and fields describe; a field whose text is no value leaves its last one in force."""
    f = foreseen(state.typed_key("f"), _readable, state["f"])
    expression = read_expression(f)
    # Values that came from elsewhere (a link, an example, descent) make new fields; typed ones keep theirs.
    if st.session_state.get("lesson1.values") != state["v"]:
        st.session_state["lesson1.generation"] = st.session_state.get("lesson1.generation", 0) + 1
    names = set(expression.names)
    ties = {follower: leader for follower, leader in state["ties"].items() if {follower, leader} <= names}
    values = {
        name: foreseen(_input_key(ties.get(name, name)), read_number, state["v"].get(ties.get(name, name), NEW_VALUE))
        for name in expression.names
    }
    example = example_of(expression.text)
    labels = example.labels if example else ()
    # Values are checked at their fields and ties where they are made, so nothing is left to raise here.
    result = expression.evaluate(values, ties=ties, labels=labels, strict=False)
    passed = tuple(result.backward_steps())
    learning = state["learn"].split(",") if state["view"] == "descend" else ()
    drawn = picture(result, passed, passes=state["passes"], learning=learning)
    return Lesson(expression, values, ties, labels, result, passed, drawn, forward_count(result))


def fields(lesson: Lesson, state: LinkState) -> None:
    """Draw the fields that `look` has read, and keep in the link what they say."""
    _expression(state, lesson.expression.text)
    _inputs(state, lesson)
    _below_inputs(state, lesson.expression, lesson.ties)


def _input_key(name: str) -> str:
    return f"lesson1.in{st.session_state['lesson1.generation']}.{name}"


def _readable(given: str) -> str:
    read_expression(given)
    return given


def _expression(state: LinkState, shown: str) -> None:
    at = example_of(shown)
    names = [*EXAMPLES] if at else [*EXAMPLES, OWN]
    st.session_state["lesson1.example"] = at.name if at else OWN
    left, right = st.columns([2, 5])
    with left:
        st.selectbox(
            "Example",
            names,
            format_func=lambda name: EXAMPLES[name].title if name in EXAMPLES else "Your own expression",
            key="lesson1.example",
            on_change=_choose_example,
            args=(state,),
        )
    problem: list[ExpressionError] = []

    def read(given: str) -> str:
        try:
            return _readable(given)
        except ExpressionError as error:
            problem.append(error)
            raise ValueError(_sentence(error)) from None

    with right:
        text_field(
            "Expression",
            key="f",
            state=state,
            read=read,
            longest=LONGEST,
            help=f"Numbers, names, + − * / **, brackets, and {', '.join(FUNCTIONS)}. At most {MOST_NODES} nodes.",
        )
        if problem:
            _mark(st.session_state.get(state.typed_key("f"), ""), problem[0])


def _sentence(error: ExpressionError) -> str:
    after = "" if error.column is None else f"Column {error.column}: "
    return f"{after}{error.sentence} The last expression that could be read stays on screen."


def _mark(given: str, error: ExpressionError) -> None:
    """The text once more with a caret under the column that is to blame."""
    if error.column is None:
        return
    start = max(0, error.column - 1 - 40)
    piece = "".join(character if character.isprintable() else " " for character in given[start : error.column + 24])
    lead = "…" if start else ""
    trail = "…" if len(given) > error.column + 24 else ""
    caret = " " * (len(lead) + error.column - 1 - start) + "^"
    st.html(
        f'<pre class="mark" aria-hidden="true" style="margin:0;font-size:0.9rem;overflow-x:auto">'
        f"{html.escape(lead + piece + trail)}\n{caret}</pre>"
    )


def _choose_example(state: LinkState) -> None:
    name = st.session_state["lesson1.example"]
    if name in EXAMPLES:
        set_expression(state, EXAMPLES[name].expression, EXAMPLES[name].values)


def _inputs(state: LinkState, lesson: Lesson) -> None:
    """A field for every input that has a value of its own; what is wrong with one stands below them all."""
    wrong: list[str] = []

    def field(name: str) -> None:
        tied = [follower for follower, leader in lesson.ties.items() if leader == name]
        label = " ≡ ".join([name, *tied])
        number_field(
            label,
            key=_input_key(name),
            default=lesson.values[name],
            width=94,
            say=lambda sentence: wrong.append(f"{label}: {sentence}"),
        )

    free = lesson.inputs
    with st.container(horizontal=True, gap="small", key="lesson1_inputs"):
        for name in free[:AT_ONCE]:
            field(name)
    if len(free) > AT_ONCE:
        # Closed, it holds nothing: an edit above would otherwise send every one of these inputs again.
        with st.expander(f"{len(free) - AT_ONCE} more inputs", key="lesson1.more", on_change="rerun") as more:
            if more.open:
                with st.container(horizontal=True, gap="small"):
                    for name in free[AT_ONCE:]:
                        field(name)
    show_problems(wrong)
    before = state["v"]
    if any(before.get(name, NEW_VALUE) != lesson.values[name] for name in free):
        state.keep("v", dict(lesson.values))
        if state["taken"]:
            state.set(taken=0)
    st.session_state["lesson1.values"] = state["v"]


def _below_inputs(state: LinkState, expression: Expression, ties: Mapping[str, str]) -> None:
    example = example_of(expression.text)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if len(expression.names) > 1:
            _tie(state, expression, ties)
        if example and (dict(state["v"]) != dict(example.values) or ties):
            st.button(
                "Back to the example's values",
                type="tertiary",
                icon=":material/undo:",
                on_click=set_expression,
                args=(state, state["f"], example.values),
                key="lesson1.reset",
            )
        if example:
            st.caption(example.look, width="content")


def _tie(state: LinkState, expression: Expression, ties: Mapping[str, str]) -> None:
    label = "Tie two inputs" if not ties else "Tied: " + ", ".join(f"{a} ≡ {b}" for a, b in ties.items())
    with st.popover(label, type="tertiary", icon=":material/link:", key="lesson1_tie"):
        st.markdown("Tied inputs are one input: it has one value, and its gradient is the **sum** over all its uses.")
        leaders = [name for name in expression.names if name not in ties]
        followers = [name for name in leaders if name not in ties.values()]
        if len(leaders) > 1 and followers:
            follower = st.selectbox("This input", followers[::-1], key="lesson1.follower")
            others = [name for name in leaders if name != follower]
            leader = st.selectbox("follows", others, key="lesson1.leader")
            st.button("Tie them", on_click=_set_tie, args=(state, follower, leader), key="lesson1.tie")
        for name in ties:
            st.button(f"Untie {name}", on_click=_untie, args=(state, name), key=f"lesson1.untie.{name}")


def _set_tie(state: LinkState, follower: str, leader: str) -> None:
    state.set(ties={**state["ties"], follower: leader}, node="", taken=0)


def _untie(state: LinkState, name: str) -> None:
    state.set(ties={a: b for a, b in state["ties"].items() if a != name}, node="", taken=0)
