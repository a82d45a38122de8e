"""Dropout's mask drawn unit by unit: passed on, at zero by ReLU anyway, or dropped for this image."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

KEPT, SILENT, DROPPED = 0, 1, 2
"""As in `mlcore.networks.probes`, which imports PyTorch and so is not imported here."""
SIDE, GAP = 15, 4

_JS = (
    "export default function ({ data, parentElement }) { parentElement.querySelector('.place').innerHTML = data.svg; }"
)
_CSS = """
.place { color: var(--st-text-color); font-family: var(--st-font); }
.kept { fill: var(--st-blue-color, #0b6aa8); }
.silent { fill: none; stroke: currentColor; stroke-opacity: 0.45; }
.dropped { fill: none; stroke: var(--st-orange-color, #c04d00); stroke-width: 1.6; }
"""
_component = st.components.v2.component("backprop_lab_mask", html='<div class="place"></div>', css=_CSS, js=_JS)


def show_mask(mask: Mapping[str, Any], *, columns: int, key: str) -> None:
    """Put the drawing of one layer's mask on the page."""
    _component(key=key, data={"svg": mask_svg(mask["states"], mask["name"], columns)})


def mask_svg(states: Sequence[int], name: str, columns: int) -> str:
    """One square per unit: full where its value is passed on, empty where ReLU left 0, crossed where it was dropped."""
    step = SIDE + GAP
    rows = -(-len(states) // columns)
    parts = []
    for index, state in enumerate(states):
        x, y = index % columns * step + 1, index // columns * step + 1
        square = f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" rx="2" '
        if state == KEPT:
            parts.append(square + f'class="kept"><title>unit {index}: passed on</title></rect>')
        elif state == SILENT:
            parts.append(square + f'class="silent"><title>unit {index}: at zero by ReLU</title></rect>')
        else:
            far_x, far_y = x + SIDE - 3, y + SIDE - 3
            parts.append(
                f'<g class="dropped"><title>unit {index}: dropped</title>{square}/>'
                f'<path d="M{x + 3} {y + 3}L{far_x} {far_y}M{far_x} {y + 3}L{x + 3} {far_y}"/></g>'
            )
    counts = {state: sum(one == state for one in states) for state in (KEPT, SILENT, DROPPED)}
    alt = (
        f"{html.escape(name)}: {counts[KEPT]} units passed on, {counts[SILENT]} at zero by ReLU, {counts[DROPPED]} "
        "dropped"
    )
    width = columns * step
    return (
        f'<svg viewBox="0 0 {width} {rows * step}" role="img" aria-label="{alt}" '
        f'style="width:100%;max-width:{width}px;height:auto;display:block">{"".join(parts)}</svg>'
    )
