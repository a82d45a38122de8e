"""The digits that pages show: each source opened once for all visitors and lessons."""

from __future__ import annotations

import streamlit as st

from mlcore.data.mnist import Digits, open_source


@st.cache_resource(show_spinner=False, max_entries=2)
def digits_of(source: str) -> Digits:
    """The digits of a source; a mapped file, so it costs no memory of its own."""
    return open_source(source)
