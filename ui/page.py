"""The frame every page has: title, navigation, where the digits come from, and one calm sentence where something broke.

The first lines of a page:

    frame = page("Forward and backward", icon=":material/account_tree:", lead="What this is for, in a sentence.")
    state = restore("forward", ...)
    frame.source(state["source"])        # on pages whose visitor chooses between MNIST and the sample

`page` must be the first call to Streamlit. A page needs nothing else to be complete, also when it is opened by a link.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitAPIException
from streamlit.runtime import exists as runtime_exists
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.links import OWNER, carried
from ui.theme import apply_style

APP = "Backprop Lab"
ROOT = Path(__file__).parent.parent
FAVICON = ROOT / "ui" / "assets" / "favicon.png"
_log = logging.getLogger("backprop_lab")


@dataclass(frozen=True)
class Entry:
    """A line of the navigation."""

    path: str
    label: str
    icon: str


PAGES = (
    Entry("streamlit_app.py", "Home", ":material/home:"),
    Entry("pages/1_Forward_and_backward.py", "1 Forward and backward", ":material/account_tree:"),
    Entry("pages/2_Network_from_scratch.py", "2 Network from scratch", ":material/hub:"),
    Entry("pages/3_Networks_A_and_B.py", "3 Networks A and B", ":material/compare_arrows:"),
)

SOURCES = {
    "mnist": ("All of MNIST, 70,000 digits", ":material/database:"),
    "sample": ("The MNIST sample, 5,000 digits", ":material/grain:"),
}


class Frame:
    """What `page` gives back: the places of the frame that a page may fill later."""

    def __init__(self, badge: DeltaGenerator) -> None:
        self._badge = badge

    def source(self, name: str) -> None:
        """Say where this page's digits come from: `mnist` or `sample`."""
        label, icon = SOURCES[name]
        self._badge.badge(label, icon=icon, color="blue" if name == "mnist" else "gray")


def page(title: str, icon: str, lead: str, *, data: bool = True) -> Frame:
    """Set up a page and draw its frame; the first call of every page.

    Args:
        title: the page's name, also in the browser's tab.
        icon: a Material icon, `:material/…:`, drawn beside the title.
        lead: what the page is for, in one sentence.
        data: whether the page shows digits; the badge says which there are until `Frame.source` names one.
    """
    st.set_page_config(
        page_title=title if title == APP else f"{title} · {APP}",
        page_icon=str(FAVICON),  # an icon by name would be fetched from another host
        layout="wide",
        initial_sidebar_state=264,  # pixels; hidden on small screens
        menu_items={"About": f"**{APP}**: see a gradient being computed, compute one, and train networks on digits."},
    )
    _stay_calm()
    apply_style()
    _keep_owner()
    _navigation()
    st.title(title, anchor=False)
    with st.container(key="page_lead"):
        st.markdown(lead)
    badge = st.empty()
    frame = Frame(badge)
    if data:
        frame.source(_best_source())
    return frame


def _navigation() -> None:
    with st.sidebar:
        with st.container(key="page_brand"):
            st.markdown(APP)
        with st.container(key="page_navigation"):
            for entry in PAGES:
                page_link(entry.path, entry.label, icon=entry.icon, width="stretch")


def page_link(path: str, label: str, *, icon: str | None = None, width: str = "content", **params: str) -> None:
    """A link to another page of the app that takes the visitor's token along; `params` open it in a given state."""
    if not (ROOT / path).exists():
        return
    try:
        st.page_link(path, label=label, icon=icon, width=width, query_params={**params, **carried()} or None)  # type: ignore[arg-type]
    except (StreamlitAPIException, KeyError):
        # A page run on its own (a test, `streamlit run pages/…`) has no other pages to link to.
        st.markdown(label)


def _best_source() -> str:
    from mlcore.data.mnist import available_sources

    return "mnist" if "mnist" in available_sources() else "sample"


def _keep_owner() -> None:
    """A move to another page drops the address's parameters: put the visitor's token back."""
    token = st.session_state.get(OWNER)
    if isinstance(token, str) and token and OWNER not in st.query_params:
        st.query_params[OWNER] = token


def _stay_calm() -> None:
    """From here on, an exception nobody foresaw becomes one sentence on the page and a traceback in the log.

    Streamlit logs the exception and then asks the session's handler how to show it. `st.App` would set that handler
    for us, but only for apps that are started in its way; so it is set on this run and on the session (whose later
    fragment runs take it from there).
    """
    context = get_script_run_ctx()
    if context is None or not runtime_exists():
        return  # in a test, an exception is to be seen as one
    context.on_script_error = _say_calmly
    manager = getattr(get_instance(), "_session_mgr", None)
    info = manager.get_session_info(context.session_id) if manager else None
    if info is not None and hasattr(info.session, "_on_script_error"):
        info.session._on_script_error = _say_calmly


def _say_calmly(error: Exception) -> bool:
    _log.error("A page stopped: %s: %s", type(error).__name__, error)
    st.error(
        "Something went wrong on our side, and this part of the page could not be drawn. "
        "Your runs are safe. Reload the page, or change the last input back.",
        icon=":material/healing:",
    )
    return True
