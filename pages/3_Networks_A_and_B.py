"""Lesson 3: two PyTorch networks taken apart, to see what overfitting is and what dropout and StepLR do about it."""

import streamlit as st

from ui.lesson3 import SECTIONS, STYLE
from ui.lesson3.chosen import source_of
from ui.lesson3.state import NAMES, parameters
from ui.links import copy_link_button, restore
from ui.page import page
from ui.runs import store_may_fail

frame = page(
    "Networks A and B",
    icon=":material/compare_arrows:",
    lead="Two networks learn the same digits for 500 epochs. Watch one thing go on improving that nobody wants, "
    "find out what dropout and a learning-rate schedule do about it, and check what a course report said.",
)
state = restore("networks", parameters())
st.html(STYLE)
with store_may_fail():
    frame.source(source_of(state))

section = st.segmented_control(
    "Section",
    list(NAMES),
    format_func=NAMES.__getitem__,
    key=state.key("section"),
    required=True,
    label_visibility="collapsed",
)
with store_may_fail():
    SECTIONS[str(section)](state)

st.divider()
copy_link_button(state)
