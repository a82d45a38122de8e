"""The images of one cell of the confusion matrix, surest answers first, each with its ten probabilities (L2.5)."""

from __future__ import annotations

import numpy as np
import streamlit as st

from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.mistakes import Answers, answers_for_digit, cell_of
from mlcore.scratch.network import Network
from ui.charts import table_twin
from ui.code import show_code
from ui.digits import digits_of
from ui.images import data_uri, image_grid, show_png
from ui.lesson2.digits import split_of
from ui.lesson2.selected import NotKept, Selected, network_at
from ui.links import LinkState
from ui.theme import colour

MOST_SHOWN = 40


def draw(state: LinkState, chosen: Selected) -> None:
    """The images of the cell named in the state; without one, how to choose it."""
    st.subheader("The images behind a cell", anchor=False)
    _choose(state)
    true, said = state["true"], state["taken_for"]
    if true < 0 or said < 0:
        st.markdown(
            "Click a cell of the matrix, or name its two digits here, to see the images that were counted in it."
        )
        return
    try:
        kept, network = network_at(chosen.view, chosen.last.epoch)
    except NotKept:
        st.info("The weights of this run are not kept any more, so its images cannot be asked again.")
        return
    answers = _answers(network, chosen.config, chosen.view.id, kept, true)
    if kept != chosen.last.epoch:
        st.caption(
            f"The weights after epoch {chosen.last.epoch} are not kept. These are the answers after epoch {kept}, so "
            "their number can differ from the matrix above."
        )
    cell = cell_of(answers, said)
    st.markdown(_sentence(cell, len(answers), true, said))
    if not len(cell):
        return
    images = digits_of(chosen.config.source).images[cell.rows[:MOST_SHOWN]]
    sure = [percent_text(share, 0) for share in cell.probabilities[:MOST_SHOWN, said]]
    show_png(
        image_grid(images, columns=10, scale=2, captions=sure, ink=colour("text")),
        alt=f"{len(images)} images of the digit {true} that the network called {said}, the most confident first",
        width=min(10, len(images)) * 62,
    )
    more = f" The surest {MOST_SHOWN} of {len(cell):,} are shown." if len(cell) > MOST_SHOWN else ""
    st.caption(f"The number under each image is the probability it gave to {said}.{more}")
    _table(cell, images, true, said)
    show_code(answers_for_digit, cell_of, key="explorer")


def _choose(state: LinkState) -> None:
    """The same choice as a click, for a keyboard."""
    options = [-1, *range(10)]
    with st.container(horizontal=True):
        for name, label in (("true", "The digit was"), ("taken_for", "The network said")):
            st.selectbox(
                label,
                options,
                format_func=lambda digit: "–" if digit < 0 else str(digit),
                key=state.key(name),
                width=170,
            )


@st.cache_data(show_spinner=False, max_entries=40)
def _answers(_network: Network, config: ScratchConfig, run_id: str, epoch: int, true: int) -> Answers:
    """Kept per run, epoch and digit; a tenth of the test part takes some 20 ms."""
    test = split_of(config.source, config.train_fraction, config.seed).test
    return answers_for_digit(_network, digits_of(config.source), test, true)


def _sentence(cell: Answers, total: int, true: int, said: int) -> str:
    share = f"**{len(cell):,}** of the {total:,} test images of **{true}**"
    if not len(cell):
        return f"None of the {total:,} test images of {true} was called {said}."
    sure = int(np.sum(cell.probabilities[:, said] > 0.9))
    rest = (
        f" It was more than 90 % sure of {sure:,} of them." if sure else " It was more than 90 % sure of none of them."
    )
    if true == said:
        return f"{share} were recognised.{rest}"
    return f"{share} were taken for **{said}**.{rest}"


def _table(cell: Answers, images: np.ndarray, true: int, said: int) -> None:
    """Each image with its ten probabilities: as bars in the table, exact in its columns."""
    shown = cell.probabilities[: len(images)]
    st.dataframe(
        {
            "image": [data_uri(image.tobytes()) for image in images],
            "ten probabilities": [[round(float(p), 4) for p in row] for row in shown],
            **{str(digit): [100 * float(p) for p in shown[:, digit]] for digit in range(10)},
        },
        hide_index=True,
        row_height=58,
        height=min(400, 40 + 58 * len(images)),
        column_config={
            "image": st.column_config.ImageColumn("image", width=70),
            "ten probabilities": st.column_config.BarChartColumn("0 … 9", y_min=0, y_max=1, width=170),
            **{
                str(digit): st.column_config.NumberColumn(
                    f"{digit} (true)" if digit == true else f"{digit} (said)" if digit == said else str(digit),
                    format="%.2f %%",
                    width=85,
                )
                for digit in range(10)
            },
        },
        alt=f"The ten probabilities of each image of {true} called {said}",
    )
    columns: dict[str, list[float] | list[int]] = {"row in the source": cell.rows.tolist()}
    columns.update({f"p({digit})": cell.probabilities[:, digit].astype(float).tolist() for digit in range(10)})
    table_twin(columns, key="explorer", file_name=f"digit_{true}_called_{said}.csv", label="All of them as a table")
