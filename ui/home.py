"""The home page's pictures: one small, true drawing per lesson, and real digits.

Each drawing is an SVG in the colours of the theme on screen; its numbers are computed or read from the library.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import streamlit as st

from mlcore.data.mnist import open_source
from mlcore.networks.architectures import ARCHITECTURES, INPUTS, OUTPUTS, parameter_count
from ui.images import image_grid
from ui.page import page_link
from ui.theme import colour

WIDTH, HEIGHT = 300, 150

Picture = tuple[str, str]
"""An SVG and what it shows, in words."""


def card(title: str, picture: Picture, promise: str, points: Sequence[str], path: str, label: str) -> None:
    """A lesson: its picture, what it is, what the reader will be able to do, and the way in."""
    with st.container(border=True, height="stretch", key=f"home_card_{title[0]}"):
        st.image(picture[0], alt=picture[1], width="stretch")
        st.subheader(title, anchor=False)
        st.markdown(promise)
        st.markdown("\n".join(f"- {point}" for point in points))
        st.space("stretch")
        page_link(path, label, icon=":material/arrow_forward:", width="stretch")


def product_picture() -> Picture:
    """A sum of two products with the values of report R2 above and the gradients below each node."""
    x1, w1, x2, w2 = 0.7, -1.5, 0.34, -0.35
    q, t = x1 * w1, x2 * w2
    # f = q + t: each gradient is the other factor, or 1.
    nodes = {
        "x1": (84, 22, x1, w1),
        "w1": (84, 58, w1, x1),
        "x2": (84, 94, x2, w2),
        "w2": (84, 130, w2, x2),
        "q": (172, 40, q, 1.0),
        "t": (172, 112, t, 1.0),
        "p": (256, 76, q + t, 1.0),
    }
    edges = [("x1", "q"), ("w1", "q"), ("x2", "t"), ("w2", "t"), ("q", "p"), ("t", "p")]
    lines = "".join(
        f'<line x1="{nodes[a][0] + 13}" y1="{nodes[a][1]}" x2="{nodes[b][0] - 13}" y2="{nodes[b][1]}" '
        f'stroke="{colour("muted")}" stroke-width="1.2"/>'
        for a, b in edges
    )
    circles = ""
    for name, (x, y, value, gradient) in nodes.items():
        # An input's numbers stand to its left, a result's above and below it, clear of the lines.
        first = x == 84
        side = 'text-anchor="end"' if first else 'text-anchor="middle"'
        above, below = ((x - 17, y - 2), (x - 17, y + 11)) if first else ((x, y - 17), (x, y + 25))
        circles += (
            f'<circle cx="{x}" cy="{y}" r="12" fill="{colour("panel")}" stroke="{colour("muted")}"/>'
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-size="11" fill="{colour("text")}">{name}</text>'
            f'<text x="{above[0]}" y="{above[1]}" {side} font-size="11.5" fill="{colour("forward")}">'
            f"{_number(value)}</text>"
            f'<text x="{below[0]}" y="{below[1]}" {side} font-size="11.5" fill="{colour("backward")}">'
            f"{_number(gradient)}</text>"
        )
    alt = (
        "A computation graph: inputs x1, w1, x2, w2, two products and their sum, each with its value and its gradient."
    )
    return _picture(lines + circles, alt)


def layers_picture(digit: np.ndarray) -> Picture:
    """A real digit and the layers of the network that will read it: 784 → 128 → 64 → 10."""
    encoded = base64.b64encode(image_grid(digit[None], columns=1, scale=3)).decode()
    parts = [
        f'<image x="6" y="33" width="84" height="84" href="data:image/png;base64,{encoded}"/>',
        f'<rect x="6" y="33" width="84" height="84" fill="none" stroke="{colour("line")}"/>',
    ]
    columns = [(128, 9, 140), (64, 7, 200), (OUTPUTS, 10, 260)]
    before: list[tuple[float, float]] = [(90, 40 + 10 * index) for index in range(8)]
    for _size, dots, x in columns:
        spread = 112 if dots == OUTPUTS else 96
        here = [(float(x), 70 - spread / 2 + spread * index / (dots - 1)) for index in range(dots)]
        parts += [
            f'<line x1="{a}" y1="{b:.1f}" x2="{c}" y2="{d:.1f}" stroke="{colour("forward")}" '
            'stroke-width="0.5" opacity="0.28"/>'
            for a, b in before
            for c, d in here
        ]
        before = here
        parts += [f'<circle cx="{c}" cy="{d:.1f}" r="3.4" fill="{colour("forward")}"/>' for c, d in here]
    parts += [
        f'<text x="{x}" y="146" text-anchor="middle" font-size="11" fill="{colour("muted")}">{size}</text>'
        for size, _, x in columns
    ]
    parts.append(f'<text x="48" y="146" text-anchor="middle" font-size="11" fill="{colour("muted")}">{INPUTS}</text>')
    parts += [
        f'<text x="272" y="{d + 3.5:.1f}" font-size="10" fill="{colour("muted")}">{index}</text>'
        for index, (_, d) in enumerate(before)
    ]
    return _picture(
        "".join(parts), "A handwritten digit of 784 pixels and a network with layers of 128, 64 and 10 units."
    )


def networks_picture() -> Picture:
    """Networks A and B, each layer a bar as tall as it has units, on one scale."""
    parts = []
    for column, name in enumerate(("A", "B")):
        sizes = (*ARCHITECTURES[name], OUTPUTS)
        shade = colour("forward") if name == "A" else colour("backward")
        left = 20 + 145 * column
        for index, size in enumerate(sizes):
            tall = 96 * size / 512
            parts.append(
                f'<rect x="{left + 30 * index}" y="{116 - tall:.1f}" width="20" height="{tall:.1f}" rx="2" '
                f'fill="{shade}"/>'
                f'<text x="{left + 30 * index + 10}" y="{112 - tall:.1f}" text-anchor="middle" font-size="10" '
                f'fill="{colour("text")}">{size}</text>'
            )
        count = parameter_count((INPUTS, *sizes))
        parts.append(
            f'<text x="{left}" y="136" font-size="12" fill="{colour("text")}" font-weight="600">{name}</text>'
            f'<text x="{left + 14}" y="136" font-size="11" fill="{colour("muted")}">{count:,} parameters</text>'
        )
    parts.append(f'<line x1="14" y1="116.5" x2="290" y2="116.5" stroke="{colour("line")}"/>')
    return _picture("".join(parts), "Networks A and B drawn to scale: B's layers are several times wider than A's.")


@st.cache_data(show_spinner=False)
def some_digits() -> tuple[bytes, np.ndarray, str]:
    """(a PNG of three of each digit from the sample, one of them, the labels in order)."""
    digits = open_source("sample")
    rng = np.random.default_rng(7)
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(digits.labels == digit), 3, replace=False) for digit in range(10)]
    )
    # Across: 0 to 9. Down: three hands.
    chosen = chosen.reshape(10, 3).T.ravel()
    one = np.asarray(digits.images[chosen[23]])
    return image_grid(digits.images[chosen], columns=10, scale=3, gap=9), one, ", ".join(map(str, range(10)))


def _picture(inside: str, alt: str) -> Picture:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{2 * WIDTH}" '
        f'height="{2 * HEIGHT}" font-family="Source Sans Pro, Helvetica, Arial, sans-serif">{inside}</svg>'
    )
    return svg, alt


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
