"""Give a widget its first value, and make sure that the browser gets it.

Streamlit sends a value set through `st.session_state` to the browser once, in the run that set it. Where a click
starts the next run before the browser has mounted the widget (a slow connection, a busy machine, a part of the page's
code still loading), that message is overtaken: the widget comes up empty and then reports the emptiness as the
visitor's own wish. So a value is sent again until the browser has reported the widget once.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.common import user_key_from_element_id

_UNREPORTED = "seeding.unreported"
_SHOWN = "seeding.shown"


def seed(key: str, value: Any, *, again: bool = False) -> None:
    """Let the widget of this key start at `value`; with `again`, put a widget that is there already back to it.

    Call it right before the widget is made, in every run.
    """
    unreported: set[str] = st.session_state.setdefault(_UNREPORTED, set())
    if again or key not in st.session_state:
        st.session_state[key] = value
        unreported.add(key)
    elif key in unreported:
        unreported -= _reported()
        if key in unreported:
            st.session_state[key] = st.session_state[key]


def follow(key: str, value: Any) -> None:
    """Let the widget of this key show `value` now, and again whenever `value` changes from elsewhere (a link, the back
    button, a preset); what the visitor then chooses in it is told to `took`.

    The key stays the same whatever the value is: with the value in the key, two quick choices make a page run for
    ever, each run of it undoing what the one before has taken over.
    """
    shown: dict[str, Any] = st.session_state.setdefault(_SHOWN, {})
    seed(key, value, again=key in shown and shown[key] != value)
    shown[key] = value


def took(key: str, value: Any) -> None:
    """The page has taken over what its visitor chose in the widget of this key."""
    st.session_state[_SHOWN][key] = value


def _reported() -> set[str | None]:
    """The keys of the widgets whose values the browser sent with the request that started this run."""
    context = get_script_run_ctx()
    states = context.session_state.get_widget_states() if context else []
    return {user_key_from_element_id(state.id) for state in states}
