"""Section 2: choose, predict, train (L2.2, L2.3): the form, what the learner expects, and the live panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import accuracy_interval, loss_figure, percent_text
from mlcore.records import EpochResult, ScratchEpoch
from mlcore.runtime import LimitReached, RunView, StoreUnavailable
from mlcore.scratch.network import backward, forward
from mlcore.scratch.trainer import train
from ui.fields import all_read, field_problem, read_number, text_field
from ui.lesson2 import choose
from ui.lesson2.curves import curves
from ui.lesson2.results import failures, prediction_words
from ui.lesson2.selected import say_not_yours, selected_run, show_run
from ui.lesson2.state import CONFIG_FIELDS
from ui.links import LinkState
from ui.runs import live_panel, once, owner, runtime
from ui.seeding import seed
from ui.terms import terms

LONGEST_REASON = 300


def draw(state: LinkState) -> None:
    """The whole section."""
    st.subheader("Choose", anchor=False)
    config = choose.draw(state)
    terms("epoch", "batch", "learning rate", "SGD", "initialisation", "seed", key="train", lead="")
    ask, counted = st.columns([3, 2], gap="large")
    with ask:
        st.subheader("Predict, then train", anchor=False)
        prediction = _predict(state, config)
        _start(state, config, prediction)
    with counted:
        if config is not None:
            choose.parameters(config)
    shown = _panel(state)
    if shown is not None:
        choose.code(shown, "The run above on the command line; it ends on the same numbers.", train, forward, backward)
    elif config is not None:
        choose.code(config, "The same on the command line; it ends on the same numbers.", train, forward, backward)


def _predicted(state: LinkState) -> str:
    """The key of the guess: a new run, a new guess."""
    return f"scratch.predicted.{state['run']}"


def _predict(state: LinkState, config: ScratchConfig | None) -> dict[str, Any] | None:
    """What the learner expects, in a number and a reason; None where nothing was said."""
    epochs = config.epochs if config else 25
    st.markdown(
        "Say what you expect, and why, before you look. A wrong guess teaches as much as a right one. "
        "Both stay with the run; you may leave them empty."
    )
    left, right = st.columns(2, gap="small")
    with left:
        share = text_field(
            f"Test accuracy after epoch {epochs}, in %",
            key=_predicted(state),
            read=read_per_cent,
            default=None,
            show=lambda value: "" if value is None else f"{100 * value:g}",
            placeholder="for example 90",
        )
    with right:
        reason = reason_field(f"scratch.reason.{state['run']}")
    if share is None and not reason:
        return None
    return {"accuracy": share, "reason": reason}


def reason_field(key: str) -> str:
    """Why the learner expects it; kept while another section is on screen."""
    kept = f"{key}.kept"
    seed(key, st.session_state.get(kept, ""))
    given = st.text_input("Because …", key=key, max_chars=LONGEST_REASON, autocomplete="off")
    st.session_state[kept] = given
    return str(given).strip()


def read_per_cent(given: str) -> float | None:
    """An accuracy typed in per cent, `90` or `90 %`, as a fraction; None for nothing.

    Raises:
        ValueError: with one sentence that says what is wrong and what would be right.
    """
    cleaned = given.strip().removesuffix("%").strip()
    if not cleaned:
        return None
    try:
        return read_number(cleaned, low=0, high=100) / 100
    except ValueError:
        raise ValueError(
            f"“{cleaned:.30}” is no share in per cent. Write a number from 0 to 100, such as 90."
        ) from None


def _start(state: LinkState, config: ScratchConfig | None, prediction: dict[str, Any] | None) -> None:
    # What would be trained must be what stands in the form.
    readable = all_read(_predicted(state), *(f"{state.page}.{name}" for name in CONFIG_FIELDS))
    ready = config is not None and readable
    pressed = st.button("Train", type="primary", icon=":material/play_arrow:", disabled=not ready, key="scratch.train")
    if not pressed or config is None:
        return
    try:
        app, me = runtime(), owner()
        run_id = once("train", config, lambda: app.submit(me, config, prediction=prediction))
    except (LimitReached, StoreUnavailable, ValueError) as problem:
        field_problem(str(problem))
        return
    show_run(state, run_id)
    st.rerun()


def _panel(state: LinkState) -> ScratchConfig | None:
    """The live panel of the run in the link, or of the newest one; what that run trains."""
    view = selected_run(state)
    if view is None:
        if state["run"]:
            say_not_yours("in the form above")
        return None
    assert isinstance(view.config, ScratchConfig)
    st.caption(choose.settings_in_words(view.config))
    live_panel(view, charts=live_charts, on_fork=lambda new: show_run(state, new), key="scratch.live")
    if view.epoch:
        with st.container(horizontal=True):
            for section, label in (("results", "Look at the results"), ("time", "Open the time machine")):
                if st.button(label, icon=":material/arrow_forward:", key=f"go.{section}"):
                    state.set(section=section, run=view.id)
                    st.rerun()
    return view.config


def live_charts(view: RunView, results: Sequence[EpochResult]) -> None:
    """The curves of a run under way; called once a second, so it does nothing slow."""
    epochs = [epoch for epoch in results if isinstance(epoch, ScratchEpoch)]
    config = view.config
    assert isinstance(config, ScratchConfig)
    # The charts come first: the line below them may get longer without moving them.
    curves(config, epochs, key="live", height=260)
    if epochs:
        last = epochs[-1]
        st.markdown(
            f"After epoch **{last.epoch}**: test accuracy **{percent_text(last.test_accuracy)}**, "
            f"test loss **{loss_figure(last.test_loss)}**; training accuracy {percent_text(last.train_accuracy)}, "
            f"training loss {loss_figure(last.train_loss)}."
        )
    elif not view.over:
        st.markdown("The first figures come with the end of the first epoch.")
    if view.over and epochs:
        interval = accuracy_interval(epochs[-1].confusion)
        told = prediction_words(view.prediction, epochs[-1], (interval.low, interval.high))
        if told:
            st.markdown(told)
    if not view.live or view.halted:
        failures(config, epochs, view.halted)
