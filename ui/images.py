"""Many small images as one picture: a grid of digits, or a layer's weights, in a single PNG.

Thirty `st.image` calls are thirty downloads; one PNG is one. `image_grid` and `weight_grid` make the bytes (cache them
with the arrays they came from), `show_png` puts them on the page with their alternative text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageFont

SIDE = 28

# A diverging scale that colour-blind readers can tell apart: orange below zero, blue above, paper at zero.
_NEGATIVE = np.array((194, 84, 10), dtype=np.float64)
_POSITIVE = np.array((11, 106, 168), dtype=np.float64)
_ZERO = np.array((247, 245, 240), dtype=np.float64)
_CAPTION_ROOM = 18
_CAPTION_COLOUR = (128, 128, 128, 255)


def image_grid(
    images: np.ndarray,
    *,
    columns: int = 10,
    scale: int = 2,
    gap: int = 6,
    captions: Sequence[str] | None = None,
    marked: Sequence[bool] | None = None,
) -> bytes:
    """Grey images in rows, as one PNG with a transparent ground.

    Args:
        images: (n, 784) or (n, 28, 28), uint8 in [0, 255], or floats in [0, 1].
        columns: images in a row.
        scale: screen pixels per pixel (nearest neighbour, so that pixels stay pixels).
        gap: screen pixels between images.
        captions: a short text under each.
        marked: which images get an orange frame.
    """
    array = np.asarray(images).reshape(-1, SIDE, SIDE)
    if array.dtype != np.uint8:
        array = (np.clip(array, 0, 1) * 255).round().astype(np.uint8)
    # Ink on paper, as in a printed book: MNIST stores ink as 255.
    coloured = np.repeat((255 - array)[..., None], 3, axis=-1)
    return _grid(coloured, columns, scale, gap, captions, marked)


def weight_grid(
    weights: np.ndarray,
    *,
    columns: int = 16,
    scale: int = 2,
    gap: int = 4,
    limit: float | None = None,
    captions: Sequence[str] | None = None,
) -> bytes:
    """Weights of first-layer units as images, orange below zero, blue above, paper at zero.

    Args:
        weights: (n, 784) or (n, 28, 28), floats; one row per unit.
        limit: the weight that gets full colour; by default the 99th percentile of all sizes.
    """
    array = np.nan_to_num(np.asarray(weights, dtype=np.float64)).reshape(-1, SIDE, SIDE)
    largest = limit or (float(np.percentile(np.abs(array), 99)) if array.size else 1.0) or 1.0
    share = np.clip(array / largest, -1, 1)[..., None]
    target = np.where(share < 0, _NEGATIVE, _POSITIVE)
    coloured = (_ZERO + (target - _ZERO) * np.abs(share)).round().astype(np.uint8)
    return _grid(coloured, columns, scale, gap, captions, None)


def show_png(png: bytes, *, alt: str, caption: str | None = None, width: int | str = "content") -> None:
    """Put a PNG on the page, no wider than the column; `alt` says in words what it shows."""
    st.image(png, caption=caption, width=width, output_format="PNG", alt=alt)  # type: ignore[arg-type]


def _grid(
    pictures: np.ndarray,
    columns: int,
    scale: int,
    gap: int,
    captions: Sequence[str] | None,
    marked: Sequence[bool] | None,
) -> bytes:
    """(n, 28, 28, 3) uint8 → PNG."""
    count = len(pictures)
    columns = max(1, min(columns, count or 1))
    rows = max(1, -(-count // columns))
    side = SIDE * scale
    room = _CAPTION_ROOM if captions else 0
    step_x, step_y = side + gap, side + room + gap
    sheet = np.zeros((rows * step_y - gap, columns * step_x - gap, 4), dtype=np.uint8)
    large = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
    for index, picture in enumerate(large):
        top, left = index // columns * step_y, index % columns * step_x
        if marked is not None and marked[index]:
            picture = picture.copy()
            edge = max(2, scale)
            for part in (np.s_[:edge], np.s_[-edge:], np.s_[:, :edge], np.s_[:, -edge:]):
                picture[part] = _NEGATIVE
        sheet[top : top + side, left : left + side, :3] = picture
        sheet[top : top + side, left : left + side, 3] = 255
    image = Image.fromarray(sheet, "RGBA")
    if captions:
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(13)
        for index, caption in enumerate(captions[:count]):
            x = index % columns * step_x + side / 2
            y = index // columns * step_y + side + room / 2
            draw.text((x, y), caption, fill=_CAPTION_COLOUR, font=font, anchor="mm")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def data_uri(pixels: bytes) -> str:
    """One image of 784 bytes as a PNG in an address, for a cell of a table; ink on paper."""
    array = 255 - np.frombuffer(pixels, dtype=np.uint8).reshape(SIDE, SIDE)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
