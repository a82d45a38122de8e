"""Lesson 2: a network made of nothing but NumPy, trained, looked into, and compared with report R1."""

import streamlit as st

from ui.lesson2 import SECTIONS
from ui.lesson2.selected import source_of
from ui.lesson2.state import NAMES, parameters
from ui.links import copy_link_button, restore
from ui.page import page
from ui.runs import store_may_fail

frame = page(
    "Network from scratch",
    icon=":material/hub:",
    lead="Train a network of a few matrices on handwritten digits, look inside while it learns, and find out why all "
    "six networks of a course report stayed below 88 % where 97 % was to be had.",
)
state = restore("scratch", parameters())
with store_may_fail():
    frame.source(source_of(state))

st.segmented_control(
    "Section",
    list(NAMES),
    format_func=NAMES.__getitem__,
    key=state.key("section"),
    required=True,
    label_visibility="collapsed",
)
with store_may_fail():
    SECTIONS[state["section"]](state)

st.divider()
copy_link_button(state)
