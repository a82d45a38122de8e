"""Section 6: two networks on the same images: where both are wrong, where only one is, image by image (L3.10)."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mlcore.data.mnist import available_sources
from mlcore.experiments.disagreement import Disagreement, disagreement, explain, explain_silence
from mlcore.experiments.inference import predict_probabilities
from mlcore.experiments.metrics import percent_text
from ui.charts import table_twin
from ui.code import show_code
from ui.digits import digits_of
from ui.images import data_uri, image_grid, show_png
from ui.lesson3 import scripts
from ui.lesson3.chosen import Answers, Chosen, answers, networks, pick, say_if_seen
from ui.lesson3.data import split_of
from ui.links import LinkState
from ui.runs import plain
from ui.terms import terms

MOST_SHOWN, ACROSS = 36, 6
PAIRS = {
    "A against B": ("A-baseline", "B-baseline"),
    "A with and without dropout": ("A-baseline", "A-dropout"),
    "B with and without dropout": ("B-baseline", "B-dropout"),
    "A, constant rate against StepLR": ("A-baseline", "A-step"),
}


def draw(state: LinkState) -> None:
    """The whole section."""
    st.header("Where they disagree", anchor=False)
    st.markdown(
        "Two accuracies of 97.8 % can hide two very different networks. Put two of them on the same validation "
        "images and look at the images where only one is right: only these tell them apart."
    )
    there = networks()
    if len(there) < 2:
        st.info("Two networks are needed. Train some in section 3.", icon=":material/hourglass_empty:")
        return
    with st.container(horizontal=True):
        for name, (first, second) in PAIRS.items():
            if first in there and second in there and st.button(name, key=f"pair_{name}"):
                state.set(first=first, second=second)
                st.rerun()
    left, right = st.columns(2, gap="medium")
    with left:
        one = pick("First network", state, "first", there)
    with right:
        two = pick("Second network", state, "second", there, last=True)
    source, seeds = _images(one, two)
    said = answers(one, source, seeds[0]), answers(two, source, seeds[1])
    if said[0] is None or said[1] is None:
        st.info("The weights of one of these runs are not kept any more, so it cannot be asked again.")
        return
    rows, at_first, at_second = common_rows(source, seeds)
    theirs, others = said[0].probabilities[at_first], said[1].probabilities[at_second]
    labels = digits_of(source).labels[rows]
    result = disagreement(labels, theirs, others)
    st.html(_square(result, one.short, two.short))
    st.markdown(explain(result, plain(one.short), plain(two.short)))
    for network, answer, probabilities in ((one, said[0], theirs), (two, said[1], others)):
        if silent := explain_silence(plain(network.short), labels, probabilities, answer.of_biases):
            st.markdown(silent)
    _what_to_know((one, two), (said[0], said[1]), source, seeds, len(rows))
    _images_of(state, result, rows, source, labels, theirs, others, (one, two))
    terms("validation set", "softmax", "accuracy", key="versus")
    show_code(
        disagreement,
        predict_probabilities,
        script=scripts.versus(*(network.id if network.recorded else "A-baseline" for network in (one, two))),
        key="versus",
        file_name="versus.py",
        note=None
        if one.recorded and two.recorded
        else "The weights of your own runs lie in the app; in their place the script takes the recorded A.",
        requires="numpy safetensors torch torchvision",
    )


def _what_to_know(
    pair: tuple[Chosen, Chosen], said: tuple[Answers, Answers], source: str, seeds: tuple[int, int], images: int
) -> None:
    """What else tells the two apart: how far they were trained, on which images, and which images judge them."""
    one, two = pair
    own = [
        f"{plain(network.short)} after {answer.moment}"
        for network, answer in zip(pair, said, strict=True)
        if network.own
    ]
    if own:
        st.caption(f"Judged as it stands: {'; '.join(own)}.")
    say_if_seen(source, one, two)
    if one.config.source != two.config.source:
        st.caption("One learned from 57,000 images, the other from 4,000: that alone may be the difference.")
    if seeds[0] != seeds[1]:
        st.caption(
            f"The two runs have different seeds, {seeds[0]} and {seeds[1]}, and with them different validation images. "
            f"Only the {images:,} that both have are used: neither was trained on these. With so few, a small "
            "difference says little."
        )


def _images(one: Chosen, two: Chosen) -> tuple[str, tuple[int, int]]:
    """Which validation images to use: MNIST's where it is there and one network was trained on it; else the sample.

    With the source comes the seed of each network's split. A network of full MNIST has none on the sample and takes
    the other's.
    """
    wants_mnist = any(network.config.source == "mnist" for network in (one, two))
    if wants_mnist and "mnist" in available_sources():
        return "mnist", (0, 0)
    own = [network.config.seed for network in (one, two) if network.config.source == "sample"] or [0]
    return "sample", (own[0], own[-1])


def common_rows(source: str, seeds: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The images that both splits keep for validation, and where each stands in the first and in the second."""
    first, second = (split_of(source, seed).validation for seed in seeds)
    rows, at_first, at_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return rows, at_first, at_second


def _square(result: Disagreement, first: str, second: str) -> str:
    """The four counts as a square: rows the first network, columns the second."""
    first, second = html.escape(first), html.escape(second)
    return (
        '<div class="wide-table" tabindex="0" role="region" aria-label="How many images each network gets right">'
        '<table style="min-width:0"><thead><tr>'
        f'<td></td><th scope="col">{second}: right</th><th scope="col">{second}: wrong</th></tr></thead><tbody>'
        f'<tr><th scope="row">{first}: right</th><td>{len(result.both_right):,}</td>'
        f"<td><b>{len(result.only_second_wrong):,}</b></td></tr>"
        f'<tr><th scope="row">{first}: wrong</th><td><b>{len(result.only_first_wrong):,}</b></td>'
        f"<td>{len(result.both_wrong):,}</td></tr></tbody></table></div>"
    )


def _images_of(
    state: LinkState,
    result: Disagreement,
    rows: NDArray[np.intp],
    source: str,
    labels: NDArray[np.uint8],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    networks: tuple[Chosen, Chosen],
) -> None:
    """The images of one group, the surest mistake first, and the ten probabilities of each from both networks."""
    names = {
        "both_wrong": f"Both wrong ({len(result.both_wrong):,})",
        "only_first_wrong": f"Only the first wrong ({len(result.only_first_wrong):,})",
        "only_second_wrong": f"Only the second wrong ({len(result.only_second_wrong):,})",
    }
    st.segmented_control(
        "Images", list(names), format_func=names.__getitem__, key=state.key("group_shown"), required=True
    )
    group = str(state["group_shown"])
    places = getattr(result, group)[:MOST_SHOWN]
    if not len(places):
        st.markdown("There is none.")
        return
    more = len(places) < len(getattr(result, group))
    images = digits_of(source).images[rows[places]]
    answers1, answers2 = first[places].argmax(1), second[places].argmax(1)
    captions = [f"{truth}: {a}, {b}" for truth, a, b in zip(labels[places], answers1, answers2, strict=True)]
    show_png(
        image_grid(images, columns=ACROSS, scale=3, captions=captions),
        alt=f"{len(places)} images: {names[group].lower()}; the surest mistake first",
    )
    told = f" The {MOST_SHOWN} surest mistakes of {len(getattr(result, group)):,} are shown." if more else ""
    st.caption(f"Under each image: the digit, then what the first and the second network said.{told}")
    _probabilities(images, labels[places], first[places], second[places], networks)
    columns: dict[str, list[float] | list[int]] = {"row": rows[places].tolist(), "digit": labels[places].tolist()}
    for number, values in (("first", first[places]), ("second", second[places])):
        columns |= {f"{number} p({digit})": values[:, digit].astype(float).tolist() for digit in range(10)}
    table_twin(columns, key="versus_table", file_name=f"{group}.csv", label="All probabilities as a table")


def _probabilities(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    networks: tuple[Chosen, Chosen],
) -> None:
    """A table with a picture, and both networks' ten probabilities as bars."""
    st.dataframe(
        {
            "image": [data_uri(image.tobytes()) for image in images],
            "digit": [int(label) for label in labels],
            "said1": [f"{row.argmax()} ({percent_text(row.max(), 1)})" for row in first],
            "bars1": [[round(float(value), 4) for value in row] for row in first],
            "said2": [f"{row.argmax()} ({percent_text(row.max(), 1)})" for row in second],
            "bars2": [[round(float(value), 4) for value in row] for row in second],
        },
        hide_index=True,
        row_height=58,
        height=min(460, 40 + 58 * len(images)),
        column_config={
            "image": st.column_config.ImageColumn("image", width=70),
            "digit": st.column_config.NumberColumn("digit", width=60),
            "said1": st.column_config.TextColumn("first said", width=110, help=plain(networks[0].label)),
            "bars1": st.column_config.BarChartColumn("its 0 … 9", y_min=0, y_max=1, width=190),
            "said2": st.column_config.TextColumn("second said", width=110, help=plain(networks[1].label)),
            "bars2": st.column_config.BarChartColumn("its 0 … 9", y_min=0, y_max=1, width=190),
        },
        key="versus_probabilities",
        alt="Each image with the ten probabilities that both networks give it",
    )
