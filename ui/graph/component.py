"""The graph as a Streamlit component: inline SVG in the page's theme, walked by buttons, slider and keyboard.

    graph(picture, step=state["step"], picked=None, key="graph", on_step=..., on_open=...)

The browser shows any step at once, since it has the texts of all of them; Python hears of the step reached a moment
later and answers with the formula. The browser says which picture it holds, and that one is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "backprop_lab_graph",
    html='<h2 class="unseen">The graph, step by step</h2><div class="lab-graph"></div>',
    css=(HERE / "graph.css").read_text("utf-8"),
    # One module in three files, in this order; only the last one exports.
    js="".join((HERE / name).read_text("utf-8") for name in ("controls.js", "geometry.js", "graph.js")),
)


def graph(
    picture: Mapping[str, Any],
    *,
    step: int,
    picked: int | None,
    key: str,
    on_step: Callable[[int], None],
    on_open: Callable[[int | None], None],
    bare: bool = False,
) -> None:
    """Draw a graph at a step.

    Args:
        picture: what `ui.graph.picture.picture` made.
        step: how many steps have been taken, 0 to the number of steps.
        picked: the node whose details are open, if any.
        on_step: called with the new step before the page runs again.
        on_open: called with the node that was opened, or None when it was closed.
        bare: only the drawing, at this step; no controls, no legend.
    """

    held = f"{key}.held"

    def stepped() -> None:
        moved = (st.session_state.get(key) or {}).get("at")
        # What a browser sends is not to be trusted to have the right shape.
        if isinstance(moved, dict) and isinstance(moved.get("step"), int) and isinstance(moved.get("seq"), int):
            st.session_state[f"{key}.seq"] = moved["seq"]
            st.session_state[held] = moved.get("has")
            on_step(max(0, min(len(picture["steps"]), moved["step"])))

    def opened() -> None:
        node = (st.session_state.get(key) or {}).get("open")
        if isinstance(node, int):
            on_open(node if 0 <= node < len(picture["nodes"]) else None)

    _component(
        key=key,
        data={
            "picture": None if st.session_state.get(held) == picture["id"] else picture,
            "id": picture["id"],
            "step": step,
            "seq": st.session_state.get(f"{key}.seq", 0),
            "picked": picked,
            "bare": bare,
        },
        on_at_change=stepped,
        on_open_change=opened,
        on_lost_change=lambda: st.session_state.pop(held, None),
    )
