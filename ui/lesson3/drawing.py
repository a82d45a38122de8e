"""A fully connected network drawn to scale: a bar as wide as its layer, between two bars the weights that join them.

All networks share one scale, so A and B can be compared by eye. The drawing is inline SVG in the page's text colour,
so it is right in both themes.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import pairwise

import streamlit as st

from mlcore.networks.architectures import parameter_count

# Drawing units; the SVG scales to its column. One unit of a layer is UNIT wide.
WIDTH, LEFT, RIGHT = 420, 104, 122
UNIT = (WIDTH - LEFT - RIGHT) / 784
WIDEST = 784
BAR, GAP, TOP = 9, 58, 12

# `st.html` and `st.markdown` take SVG out of what they are given; a component may hold it.
_JS = (
    "export default function ({ data, parentElement }) { parentElement.querySelector('.place').innerHTML = data.svg; }"
)
_CSS = ".place { color: var(--st-text-color); font-family: var(--st-font); }"
_component = st.components.v2.component("backprop_lab_network", html='<div class="place"></div>', css=_CSS, js=_JS)


def show_network(name: str, sizes: Sequence[int], *, dropout: float = 0.0, key: str) -> None:
    """Put the drawing of a network on the page; `network_svg` explains the arguments."""
    _component(key=key, data={"svg": network_svg(name, sizes, dropout=dropout)})


def network_svg(name: str, sizes: Sequence[int], *, dropout: float = 0.0, colour: str = "#3a8fc4") -> str:
    """The drawing of one network.

    Args:
        name: what it is called, for screen readers.
        sizes: units of every layer, input and output included.
        dropout: written beside each hidden layer where it is above 0.
        colour: of the weights; a shade that shows on light and on dark.
    """
    scale = UNIT * min(1.0, WIDEST / max(sizes))
    centre = LEFT + (WIDTH - LEFT - RIGHT) / 2
    total = parameter_count(sizes)
    parts = []
    for index, (inputs, units) in enumerate(pairwise(sizes)):
        top = TOP + index * (BAR + GAP) + BAR
        count = (inputs + 1) * units
        parts.append(_weights(centre, top, inputs * scale, units * scale, count / total, colour))
        parts.append(_counted(top, inputs, units, count, total))
    for index, units in enumerate(sizes):
        parts.append(_layer(centre, TOP + index * (BAR + GAP), index, len(sizes), units, scale, dropout))
    height = TOP + (len(sizes) - 1) * (BAR + GAP) + BAR + 30
    alt = html.escape(f"{name}: {describe(sizes)}.")
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{alt}" class="network-drawing" '
        f'style="width:100%;max-width:30rem;height:auto;display:block;font-family:inherit">{"".join(parts)}</svg>'
    )


def describe(sizes: Sequence[int]) -> str:
    """The network in words: "784 → 64 → 128 → 64 → 10, 67,466 parameters, 74 % of them in the first layer"."""
    total = parameter_count(sizes)
    first = (sizes[0] + 1) * sizes[1] / total
    return f"{' → '.join(map(str, sizes))}, {total:,} parameters, {100 * first:.0f} % of them in the first layer"


def _weights(centre: float, top: float, above: float, below: float, share: float, colour: str) -> str:
    """The trapezium between two layers, the deeper in colour the more of the parameters it holds."""
    bottom = top + GAP
    corners = (
        (centre - above / 2, top),
        (centre + above / 2, top),
        (centre + max(below, 2) / 2, bottom),
        (centre - max(below, 2) / 2, bottom),
    )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon points="{points}" fill="{colour}" fill-opacity="{0.10 + 0.65 * share:.2f}"/>'


def _counted(top: float, inputs: int, units: int, count: int, total: int) -> str:
    """The count of a layer's parameters, and how it comes about."""
    middle = top + GAP / 2
    return (
        f'<text x="{WIDTH}" y="{middle - 2:.1f}" text-anchor="end" font-size="14" fill="currentColor">{count:,}'
        f'<tspan font-size="12" opacity="0.75"> · {_percent(count / total)} %</tspan></text>'
        f'<text x="{WIDTH}" y="{middle + 14:.1f}" text-anchor="end" font-size="12" fill="currentColor" opacity="0.75">'
        f"{inputs} × {units} + {units}</text>"
    )


def _layer(centre: float, top: float, index: int, layers: int, units: int, scale: float, dropout: float) -> str:
    """The bar of one layer, with its units and what it does to them."""
    width = max(units * scale, 2.0)
    if index == 0:
        kind = "pixels"
    elif index == layers - 1:
        kind = "digits, softmax"
    else:
        kind = f"ReLU, drop {dropout:g}" if dropout else "ReLU"
    return (
        f'<rect x="{centre - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{BAR}" rx="1.5" '
        'fill="currentColor"/>'
        f'<text x="0" y="{top + BAR + 1:.1f}" font-size="15" font-weight="600" fill="currentColor">{units}</text>'
        f'<text x="0" y="{top + BAR + 16:.1f}" font-size="12" fill="currentColor" opacity="0.75">{kind}</text>'
    )


def _percent(share: float) -> str:
    """A share in per cent, with a digit after the point where it would otherwise be 0."""
    return f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.1f}"
