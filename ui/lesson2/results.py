"""Section 3: what a training came to: curves, mistakes, figures per digit with their intervals (L2.4, L2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from mlcore.classification import precision_recall_f1_per_class
from mlcore.data.splits import split_fraction
from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.diagnosis import diagnose
from mlcore.experiments.metrics import accuracy_interval, loss_figure, percent_text, wilson_interval
from mlcore.experiments.reports import R1_NAMED_CONFUSIONS
from mlcore.records import ScratchEpoch
from ui.charts import confusion_heat_map, table_twin
from ui.code import show_code
from ui.digits import digits_of
from ui.lesson2 import explorer, scripts
from ui.lesson2.choose import settings_in_words
from ui.lesson2.curves import curves
from ui.lesson2.selected import Selected, need_results
from ui.links import LinkState
from ui.terms import terms

FORMATS = {
    "train_loss": "%.4f",
    "test_loss": "%.4f",
    "train_accuracy": "%.4f",
    "test_accuracy": "%.4f",
    "seconds": "%.2f",
}


def draw(state: LinkState) -> None:
    """The whole section."""
    chosen = need_results(state, "This section")
    if chosen is None:
        return
    st.caption(settings_in_words(chosen.config))
    outcome(chosen)
    _curves(state, chosen)
    st.subheader("Which digits it takes for which", anchor=False)
    _confusion(state, chosen)


def outcome(chosen: Selected) -> None:
    """The final figures with their interval, what was predicted, and what went wrong if something did."""
    last, view = chosen.last, chosen.view
    interval = accuracy_interval(last.confusion)
    low, high = interval.low, interval.high
    between = f"{100 * low:.1f} – {100 * high:.1f} %"
    with st.container(horizontal=True, gap="medium"):
        st.metric("Test accuracy", percent_text(last.test_accuracy), width="content")
        st.metric("95 % interval", between, width="content", help=_interval_help(interval.images))
        st.metric("Test loss", loss_figure(last.test_loss), width="content")
        st.metric("Epochs", f"{last.epoch} of {chosen.config.epochs}", width="content")
        st.metric("Training time", f"{sum(epoch.seconds for epoch in chosen.epochs):.1f} s", width="content")
    told = prediction_words(view.prediction, last, (low, high))
    if told:
        st.markdown(told)
    failures(chosen.config, chosen.epochs, view.halted)


def _interval_help(count: int) -> str:
    return (
        f"Wilson's interval. The accuracy was measured on {count:,} images; on other images of the same kind it would "
        "come out a little different. In 95 of 100 such cases the true accuracy lies in this range."
    )


def prediction_words(prediction: Any, last: ScratchEpoch, interval: tuple[float, float]) -> str:
    """What the learner said beforehand beside what came out; empty where nothing was said.

    What was said of Table 1 is no guess about this run: it is told, not judged.
    """
    if not isinstance(prediction, dict):
        return ""
    quoted = " ".join(str(prediction.get("reason") or "").replace("`", "").split())[:300]
    parts = []
    if isinstance(said := prediction.get("accuracy"), int | float):
        parts.append(_beside_outcome(float(said), last, interval))
    if suspect := str(prediction.get("suspect") or ""):
        parts.append(f"Before Table 1 you suspected **{suspect}**.")
    if isinstance(guess := prediction.get("table1_he_accuracy"), int | float):
        told = f"you predicted **{percent_text(guess, 1)}**"
        parts.append(f"For ReLU 80–20 with the costly choice put right, on all of MNIST, {told}.")
    if quoted:
        parts.append(f"Your reason: `{quoted}`")
    return " ".join(parts)


def _beside_outcome(said: float, last: ScratchEpoch, interval: tuple[float, float]) -> str:
    difference = 100 * (last.test_accuracy - said)
    verdict = f"{abs(difference):.1f} points {'too low' if difference > 0 else 'too high'}"
    if interval[0] <= said <= interval[1]:
        verdict = "inside the interval, as close as these test images can tell"
    elif abs(difference) < 2:
        verdict += ", close"
    reached = percent_text(last.test_accuracy, 1)
    return f"You predicted **{percent_text(said, 1)}**; it is **{reached}** after epoch {last.epoch}: {verdict}."


def failures(config: ScratchConfig, epochs: Sequence[ScratchEpoch], halted: str) -> None:
    """What went wrong and what to try, a paragraph each; nothing where nothing did."""
    images = len(split_fraction(len(digits_of(config.source)), config.train_fraction, config.seed).train)
    for found in diagnose(config, epochs, images, halted):
        st.warning(f"{found.happened} **What to try:** {found.advice}", icon=":material/build:")


def _curves(state: LinkState, chosen: Selected) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Curves", anchor=False, width="content")
        st.segmented_control(
            "Scale", ("linear", "log"), key=state.key("scale"), required=True, label_visibility="collapsed"
        )
    curves(chosen.config, chosen.epochs, key="results", height=340, log_loss=state["scale"] == "log")
    table_twin(epoch_table(chosen.epochs), key="curves", file_name="epochs.csv", formats=FORMATS)
    st.caption(
        "The training figures are averages over the epoch, taken batch by batch before each update; the test figures "
        "are taken after the epoch's last update. So early in training the test part can look better."
    )


def epoch_table(epochs: Sequence[ScratchEpoch]) -> dict[str, list[Any]]:
    """Every figure of every epoch, as columns."""
    names = ("epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy", "seconds")
    return {name: [getattr(epoch, name) for epoch in epochs] for name in names}


def _confusion(state: LinkState, chosen: Selected) -> None:
    confusion = chosen.last.confusion
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.segmented_control(
            "Cells show", ("counts", "row %"), key=state.key("matrix"), required=True, label_visibility="collapsed"
        )
        cell = confusion_heat_map(
            confusion,
            title="Test part",
            key=f"confusion.{state['matrix']}.{chosen.view.id}",
            by="row" if state["matrix"] == "row %" else "count",
            marked=R1_NAMED_CONFUSIONS,
            alt="Confusion matrix of the test part: rows are true digits, columns the network's answers",
        )
        st.caption(f"Framed with dashes: the confusions that the report names. {named_confusions(confusion)}")
        # The chart keeps its selection: only a new one counts, or the two boxes below could never say otherwise.
        taken = f"confusion.taken.{state['matrix']}.{chosen.view.id}"
        if cell is not None and cell != st.session_state.get(taken):
            state.set(true=cell[0], taken_for=cell[1])
        st.session_state[taken] = cell
    with right:
        st.markdown("**Each digit by itself**")
        table = per_digit(confusion)
        st.dataframe(
            table,
            hide_index=True,
            height="content",
            column_config={
                name: st.column_config.NumberColumn(name, format="%.2f %%") for name in ("precision", "recall", "F1")
            },
            alt="Precision, recall and F1 of each digit",
        )
        terms("precision", "recall", "F1", "Wilson interval", key="results", lead="")
        table_twin(confusion_table(confusion), key="confusion", file_name="confusion.csv", label="Matrix as a table")
    show_code(
        precision_recall_f1_per_class,
        wilson_interval,
        script=scripts.training(chosen.config, chosen.last.epoch),
        key="results",
        file_name="train.py",
        requires=scripts.requires(chosen.config),
    )
    explorer.draw(state, chosen)


def per_digit(confusion: Any) -> dict[str, list[Any]]:
    """Precision, recall and F1 of each digit in per cent, and how many of it there are, as columns."""
    precision, recall, f1 = precision_recall_f1_per_class(confusion)
    counts = np.asarray(confusion).sum(axis=1)
    return {
        "digit": list(range(10)),
        "images": counts.tolist(),
        "precision": (100 * precision).tolist(),
        "recall": (100 * recall).tolist(),
        "F1": (100 * f1).tolist(),
    }


def confusion_table(confusion: Any) -> dict[str, list[int]]:
    """The matrix as columns: the true digit, then how often it was called each digit."""
    counts = np.asarray(confusion)
    return {"true digit": list(range(10)), **{f"said {said}": counts[:, said].tolist() for said in range(10)}}


def named_confusions(confusion: Any) -> str:
    """Where the report's named confusions rank among all ninety, said from the counts."""
    counts = np.asarray(confusion, dtype=np.int64).copy()
    np.fill_diagonal(counts, -1)
    order = np.argsort(-counts, axis=None, kind="stable")
    ranks = {divmod(int(cell), 10): rank for rank, cell in enumerate(order, start=1)}
    told = [
        f"{true}→{said} {counts[true, said]} times (rank {ranks[true, said]})" for true, said in R1_NAMED_CONFUSIONS
    ]
    true, said = divmod(int(order[0]), 10)
    return f"Here: {', '.join(told)}. The most frequent one is {true}→{said}, {counts[true, said]} times."
