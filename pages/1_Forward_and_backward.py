"""Lesson 1: a gradient seen, computed and practised, on the worked example of the report and on any other expression."""

from __future__ import annotations

import streamlit as st

from ui.lesson1.setup import setup
from ui.lesson1.state import PARAMS
from ui.lesson1.walk import walk
from ui.links import copy_link_button, restore
from ui.page import page

page(
    "Forward and backward",
    icon=":material/account_tree:",
    lead="Every gradient in deep learning is found like this: values flow forward through a graph, derivatives flow back.",
    data=False,
)
state = restore("forward", *PARAMS)
lesson = setup(state)
walk(lesson, state)
copy_link_button(state)
