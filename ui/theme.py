"""Colours and the style sheet: what makes every page look like a page of the same quiet textbook.

Blue is for what flows forward, orange for what flows backward; `colour("forward")` gives the shade of the theme on
screen. Where a picture has to be the same in both themes (a PNG, say), use `FIXED`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

STYLE = Path(__file__).parent / "assets" / "style.css"

# Okabe and Ito's colour-blind-safe palette, tuned for thin lines on each background.
COLOURS: dict[str, dict[str, str]] = {
    "light": {
        "text": "#22262d",
        "muted": "#5a5f68",
        "paper": "#fdfcf8",
        "panel": "#f3f0e8",
        "line": "#d9d4c7",
        "forward": "#0b6aa8",
        "backward": "#b34700",
        "good": "#00795a",
        "bad": "#b3261e",
    },
    "dark": {
        "text": "#e6e4de",
        "muted": "#a9abb0",
        "paper": "#15181d",
        "panel": "#20252c",
        "line": "#3a414b",
        "forward": "#6db7e8",
        "backward": "#f2935c",
        "good": "#4fc9a4",
        "bad": "#f2877f",
    },
}
FIXED = {"forward": "#3a8fc4", "backward": "#d9722e"}


def theme_type() -> str:
    """`light` or `dark`: the theme on the visitor's screen (light where it is not known, as in tests)."""
    try:
        kind = st.context.theme.type
    except Exception:  # outside a session there is no theme to ask for
        return "light"
    return "dark" if kind == "dark" else "light"


def colour(name: str) -> str:
    """The shade of a named colour in the theme on screen."""
    return COLOURS[theme_type()][name]


def apply_style() -> None:
    """Put the style sheet on the page."""
    st.html(STYLE)
