"""Section 1: the digits themselves, how many there are of each, and which of them the network may learn from (L2.1)."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import streamlit as st

from mlcore.data.mnist import available_sources
from mlcore.data.splits import Split, split_fraction
from mlcore.experiments.configs import ScratchConfig
from ui.charts import bar_chart, table_twin
from ui.code import show_code
from ui.digits import digits_of
from ui.fields import config_field
from ui.images import image_grid, show_png
from ui.lesson2.state import config_of
from ui.links import LinkState
from ui.terms import word
from ui.theme import colour

SHOWN = 20
SHORT_NAMES = {"sample": "Sample of 5,000", "mnist": "All 70,000"}
REPORT_SPLITS = {0.7: "70–30", 0.8: "80–20", 0.9: "90–10"}


@st.cache_resource(show_spinner=False, max_entries=16)
def split_of(source: str, train_fraction: float, seed: int) -> Split:
    """Which images are learned from and which are judged on."""
    return split_fraction(len(digits_of(source)), train_fraction, seed)


def draw(state: LinkState) -> None:
    """The whole section."""
    config, _ = config_of(state)
    if config is None:
        config = _without_contradictions(state)
    st.markdown(
        "A picture here is 28 × 28 = 784 numbers from 0 (paper) to 255 (ink). The network gets these numbers, "
        "divided by 255, and nothing else: no strokes, no shapes. It has to find out by itself which of the ten digits "
        "they mean. The digits come from MNIST: written by hand in the 1990s, cut out, centred."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _samples(state, config.source, config.train_fraction, config.seed)
    with right:
        source_choice(state)
        _counts(config.source, config.train_fraction, config.seed)
    st.subheader("What is learned from, and what is judged on", anchor=False)
    st.markdown(
        "A network can learn images by heart. So some are kept back: it learns from the "
        f"{word('training set', 'training part')} and is judged on the {word('test set', 'test part')} alone. "
        "The report tried three splits.",
        unsafe_allow_html=True,
    )
    _split(state, config.source, config.train_fraction, config.seed)
    show_code(
        split_fraction,
        script=_script(config.source, config.train_fraction, config.seed),
        key="split",
        file_name="split.py",
    )


def source_choice(state: LinkState) -> None:
    """All of MNIST or the sample; what is not there cannot be chosen, and the page says how to get it."""
    there = available_sources()
    st.segmented_control(
        "Digits",
        ["sample", "mnist"],
        format_func=SHORT_NAMES.__getitem__,
        key=state.key("source"),
        required=True,
        disabled="mnist" not in there,
    )
    if "mnist" not in there:
        st.caption("Full MNIST is not on this machine: `python -m mlcore data download` gets it.")


def _without_contradictions(state: LinkState) -> ScratchConfig:
    """The form's settings as far as this section needs them, when the form as a whole is not a run."""
    return ScratchConfig(source=state["source"], train_fraction=state["train_fraction"], seed=state["seed"])


def _samples(state: LinkState, source: str, train_fraction: float, seed: int) -> None:
    """Report R1's figure 1: some digits with their labels, two of each from the training part."""
    digits = digits_of(source)
    train = split_of(source, train_fraction, seed).train
    png = _sample_png(source, train_fraction, seed, state["shuffle"], colour("text"))
    st.subheader("Some of them, with their labels", anchor=False)
    show_png(png, alt=f"{SHOWN} handwritten digits from the training part, each with its label below")
    if st.button("Show others", icon=":material/shuffle:"):
        state.set(shuffle=state["shuffle"] + 1)
        st.rerun()
    st.caption(f"Drawn from the {len(train):,} training images of {len(digits):,} in all.")


@st.cache_data(show_spinner=False, max_entries=64)
def _sample_png(source: str, train_fraction: float, seed: int, shuffle: int, ink: str) -> bytes:
    digits = digits_of(source)
    train = split_of(source, train_fraction, seed).train
    labels = digits.labels[train]
    rng = np.random.default_rng((seed, shuffle))
    # A tiny training part may lack a digit: the others fill its place.
    there = [places for digit in range(10) if len(places := np.flatnonzero(labels == digit))]
    picks = [rng.choice(there[column % len(there)], SHOWN // 10) for column in range(10)]
    rows = train[np.stack(picks).T.reshape(-1)]
    captions = [str(digits.labels[row]) for row in rows]
    return image_grid(digits.images[rows], columns=10, scale=2, captions=captions, ink=ink)


def _counts(source: str, train_fraction: float, seed: int) -> None:
    counts = _class_counts(source, train_fraction, seed)
    bar_chart(
        counts,
        x="digit",
        y="images",
        series="part",
        stacked=True,
        title="How many of each digit",
        x_title="digit",
        y_title="images",
        key="class_counts",
        height=230,
    )
    table_twin(counts, key="class_counts", file_name="digits.csv")


@st.cache_data(show_spinner=False, max_entries=64)
def _class_counts(source: str, train_fraction: float, seed: int) -> pd.DataFrame:
    labels, split = digits_of(source).labels, split_of(source, train_fraction, seed)
    parts = {"training": split.train, "test": split.test}
    rows = [
        {"digit": str(digit), "part": part, "images": int(count)}
        for part, indices in parts.items()
        for digit, count in enumerate(np.bincount(labels[indices], minlength=10))
    ]
    return pd.DataFrame(rows)


def _split(state: LinkState, source: str, train_fraction: float, seed: int) -> None:
    """The report's three splits and the one in force as bars, one under the other, so that the nesting is seen."""
    total = len(digits_of(source))
    st.html(_split_bars(total, train_fraction))
    field, buttons = st.columns([1, 2], gap="large", vertical_alignment="bottom")
    with buttons, st.container(horizontal=True):
        for fraction, name in REPORT_SPLITS.items():
            if st.button(name, key=f"split_{name}", type="primary" if fraction == train_fraction else "secondary"):
                state.set(train_fraction=fraction)
                st.rerun()
    with field:
        config_field(
            "train_fraction",
            ScratchConfig,
            state=state,
            label="Training share",
            help="Any share from 0.01 to 0.9.",
        )
    split = split_of(source, train_fraction, seed)
    st.caption(
        f"{len(split.train):,} images to learn from, {len(split.test):,} to be judged on. Seed {seed} fixes one order "
        "of all images; the training part is always its beginning. So every smaller training part lies inside every "
        "larger one, and the last tenth of that order is never learned from, whatever the split: a fair part to "
        "compare on."
    )


def _split_bars(total: int, chosen: float) -> str:
    """Four bars as HTML: training, test, and in the test part the tenth that no split ever trains on."""
    forward, line, muted, text = (colour(name) for name in ("forward", "line", "muted", "text"))
    hatch = f"repeating-linear-gradient(45deg, {line} 0 4px, transparent 4px 8px)"
    rows = dict(REPORT_SPLITS)
    if round(chosen, 9) not in rows:
        rows[chosen] = f"yours, {100 * chosen:g}–{100 - 100 * chosen:g}"
    parts = []
    for fraction, name in sorted(rows.items()):
        train = round(total * fraction)
        weight = "600" if fraction == chosen else "400"
        mark = f"outline:2px solid {text};outline-offset:1px;" if fraction == chosen else ""
        parts.append(
            f'<div style="font-weight:{weight};white-space:nowrap">{html.escape(name)}</div>'
            f'<div style="display:flex;height:1.9rem;{mark}border-radius:3px;overflow:hidden;font-size:.8rem;'
            'line-height:1.9rem;font-variant-numeric:tabular-nums">'
            f'<div style="flex:{fraction};background:{forward};color:{colour("paper")};padding-left:.5rem;'
            f'overflow:hidden;white-space:nowrap">{train:,} training</div>'
            f'<div style="flex:{max(0.9 - fraction, 0)};background:{colour("panel")};'
            f'border-top:1px solid {line};border-bottom:1px solid {line}"></div>'
            f'<div style="flex:.1;background:{hatch};border:1px solid {line};border-left:1px dashed {muted}"></div>'
            '</div><div style="font-size:.85rem;font-variant-numeric:tabular-nums;white-space:nowrap">'
            f"{total - train:,} test</div>"
        )
    label = "Each split as a bar: " + "; ".join(
        f"{name}: {round(total * f):,} training, {total - round(total * f):,} test" for f, name in sorted(rows.items())
    )
    return (
        f'<div role="img" aria-label="{html.escape(label)}" style="display:grid;grid-template-columns:auto 1fr auto;'
        f'gap:.45rem .8rem;align-items:center;max-width:56rem;color:{text}">{"".join(parts)}</div>'
        f'<p style="font-size:.85rem;color:{muted};margin:.4rem 0 0">Hatched: the last tenth, in no training part.</p>'
    )


def _script(source: str, train_fraction: float, seed: int) -> str:
    return f'''"""Which images are learned from and which are judged on: a nested split of MNIST."""

import numpy as np

images, train_fraction, seed = {len(digits_of(source)):_}, {train_fraction!r}, {seed}
order = np.random.default_rng((seed, 1)).permutation(images)
training = round(images * train_fraction)
train, test = order[:training], order[training:]
print(len(train), "to learn from,", len(test), "to be judged on; the first five:", train[:5])
'''
