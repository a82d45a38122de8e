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
from PIL import Image, ImageColor, ImageDraw, ImageFont

SIDE = 28

# A diverging scale that colour-blind readers can tell apart: orange below zero, blue above, paper at zero.
_NEGATIVE = np.array((194, 84, 10), dtype=np.float64)
_POSITIVE = np.array((11, 106, 168), dtype=np.float64)
_ZERO = np.array((247, 245, 240), dtype=np.float64)
_STEPS = 127
"""Shades on either side of zero; entry 0 of the palette is left for the transparent ground."""
_CAPTION_SIZE, _CAPTION_ROOM = 19, 26  # still readable where a telephone shows a grid at 60 %


def image_grid(
    images: np.ndarray,
    *,
    columns: int = 10,
    scale: int = 2,
    gap: int = 6,
    captions: Sequence[str] | None = None,
    ink: str = "#808080",
) -> bytes:
    """Grey images in rows, as one PNG with a transparent ground.

    Args:
        images: (n, 784) or (n, 28, 28), uint8 in [0, 255], or floats in [0, 1].
        columns: images in a row.
        scale: screen pixels per pixel (nearest neighbour, so that pixels stay pixels).
        gap: screen pixels between images.
        captions: a short text under each.
        ink: colour of the captions; the theme's own is read best.
    """
    array = np.asarray(images).reshape(-1, SIDE, SIDE)
    if array.dtype != np.uint8:
        array = (np.clip(array, 0, 1) * 255).round().astype(np.uint8)
    # Ink on paper, as in a printed book: MNIST stores ink as 255.
    room = _CAPTION_ROOM if captions else 0
    sheet, covered = _sheet(255 - array, columns, scale, gap, room)
    if not captions:
        return _png(Image.fromarray(np.stack([sheet, covered], axis=-1), "LA"))
    words = Image.new("L", sheet.shape[::-1])
    draw, font = ImageDraw.Draw(words), ImageFont.load_default(_CAPTION_SIZE)
    side, across = SIDE * scale, max(1, min(columns, len(array)))
    for index, caption in enumerate(captions[: len(array)]):
        row, column = divmod(index, across)
        middle = column * (side + gap) + side / 2, row * (side + room + gap) + side + room / 2
        draw.text(middle, caption, fill=255, font=font, anchor="mm")
    coloured = np.where(covered[..., None] > 0, sheet[..., None], np.array(ImageColor.getrgb(ink)[:3], dtype=np.uint8))
    return _png(Image.fromarray(np.dstack([coloured, np.maximum(covered, np.asarray(words))]), "RGBA"))


def weight_grid(
    weights: np.ndarray,
    *,
    columns: int = 16,
    scale: int = 2,
    gap: int = 4,
    limit: float | None = None,
) -> bytes:
    """Weights of first-layer units as images, orange below zero, blue above, paper at zero.

    Args:
        weights: (n, 784) or (n, 28, 28), floats; one row per unit.
        limit: the weight that gets full colour; by default the 99th percentile of all sizes.
    """
    array = np.nan_to_num(np.asarray(weights, dtype=np.float64)).reshape(-1, SIDE, SIDE)
    largest = limit or (float(np.percentile(np.abs(array), 99)) if array.size else 1.0) or 1.0
    shades = (np.clip(array / largest, -1, 1) * _STEPS).round() + _STEPS + 1
    sheet, _ = _sheet(shades.astype(np.uint8), columns, scale, gap)
    image = Image.fromarray(sheet, "P")
    image.putpalette(_PALETTE)
    # One byte a pixel: made in a sixth of the time of full colour, and half the bytes.
    return _png(image, transparency=0)


def _palette() -> bytes:
    """256 colours: the ground, then from orange over paper to blue."""
    share = np.arange(-_STEPS, _STEPS + 1)[:, None] / _STEPS
    shades = _ZERO + (np.where(share < 0, _NEGATIVE, _POSITIVE) - _ZERO) * np.abs(share)
    return np.vstack([_ZERO[None], shades]).round().astype(np.uint8).tobytes()


_PALETTE = _palette()


def show_png(png: bytes, *, alt: str, caption: str | None = None, width: int | str = "content") -> None:
    """Put a PNG on the page, no wider than the column; `alt` says in words what it shows."""
    # In the page itself: a file of Streamlit's is gone for a browser that asks for it after the next click but one.
    st.image(_address(png), caption=caption, width=width, alt=alt)  # type: ignore[arg-type]


def _sheet(pictures: np.ndarray, columns: int, scale: int, gap: int, room: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 28, 28) uint8 side by side: the sheet, 0 between pictures, and where on it pictures are (255, else 0)."""
    columns = max(1, min(columns, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    side = SIDE * scale
    step_x, step_y = side + gap, side + room + gap
    sheet = np.zeros((rows * step_y - gap, columns * step_x - gap), dtype=np.uint8)
    covered = np.zeros_like(sheet)
    for index, picture in enumerate(pictures.repeat(scale, axis=1).repeat(scale, axis=2)):
        top, left = index // columns * step_y, index % columns * step_x
        sheet[top : top + side, left : left + side] = picture
        covered[top : top + side, left : left + side] = 255
    return sheet, covered


def _png(image: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3, **options)
    return buffer.getvalue()


def data_uri(pixels: bytes) -> str:
    """One image of 784 bytes as a PNG in an address, for a cell of a table; ink on paper."""
    array = 255 - np.frombuffer(pixels, dtype=np.uint8).reshape(SIDE, SIDE)
    return _address(_png(Image.fromarray(array)))


def _address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
