"""What to do with a gradient once it is there: one of four views, chosen by the learner and kept in the link."""

from __future__ import annotations

import streamlit as st

from ui.lesson1.descend import descent
from ui.lesson1.nudge import nudge
from ui.lesson1.practice import practise
from ui.lesson1.proof import prove
from ui.lesson1.state import VIEWS, Lesson
from ui.links import LinkState

ABOUT = {
    "nudge": "Measure a gradient instead of deriving it, and see where measuring stops working.",
    "prove": "Set every gradient beside PyTorch's and beside the report's printed figures.",
    "descend": "Let some inputs learn: step against the gradient and watch the result.",
    "practise": "Compute gradients yourself; wrong answers are diagnosed.",
}


def further(lesson: Lesson, state: LinkState) -> None:
    """The choice, and the view chosen."""
    st.markdown("## What a gradient is good for")
    # The widget speaks of None where the link says nothing.
    st.session_state["lesson1.view"] = state["view"] or None
    st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="lesson1.view",
        label_visibility="collapsed",
        on_change=lambda: state.set(view=st.session_state["lesson1.view"] or ""),
    )
    if not state["view"]:
        st.markdown("\n".join(f"- **{VIEWS[name]}**: {sentence}" for name, sentence in ABOUT.items()))
    elif state["view"] == "prove":
        prove(lesson)
    elif state["view"] == "nudge":
        nudge(lesson, state)
    elif state["view"] == "descend":
        descent(lesson, state)
    else:
        practise(state)
