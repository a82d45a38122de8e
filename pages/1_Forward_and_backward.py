"""Lesson 1: a gradient seen, computed and practised, on the report's worked example and on any other expression."""

from __future__ import annotations

import streamlit as st

from mlcore.autodiff import Expression, Value
from mlcore.autodiff.scripts import torch_script
from ui.code import show_code
from ui.lesson1.further import further
from ui.lesson1.setup import fields, look
from ui.lesson1.state import PARAMS
from ui.lesson1.walk import walk
from ui.links import copy_link_button, restore
from ui.page import page
from ui.terms import terms

page(
    "Forward and backward",
    icon=":material/account_tree:",
    lead="Every gradient in deep learning is found like this: values flow forward through a graph, derivatives back.",
    data=False,
)
state = restore("forward", *PARAMS)


@st.fragment
def lesson() -> None:
    """Everything that an input's value changes, and nothing else: an edit sends only this again."""
    # Which expression, which numbers; one call into mlcore computes the graph and its gradients.
    place = st.container(key="lesson1_setup")
    shown = look(state)

    # The graph, walked by the steps that the library takes, with the formula of each.
    walk(shown, state)
    with place:
        fields(shown, state)

    # Four ways to go on: nudge an input, prove the gradients, let inputs learn, practise.
    further(shown, state)

    show_code(
        Expression.evaluate,
        Value.backward_steps,
        Value._backward_pass,
        script=torch_script(shown.expression.text, shown.values, shown.ties),
        key="lesson1",
        note="The whole backward pass is the loop in `_backward_pass`: what arrives at a node, times the local "
        "derivative.",
        file_name="forward_and_backward.py",
        requires="torch",
        lazy=True,
    )


lesson()
terms(
    *("computation graph", "forward pass", "backward pass", "gradient", "local derivative", "chain rule"),
    *("upstream gradient", "finite difference", "vanishing gradient", "learning rate"),
    key="lesson1",
)
copy_link_button(state)
