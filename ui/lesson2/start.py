"""Which weights the sections that look at a single step work with: those of the form, or of a trained run."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from mlcore.experiments.configs import ScratchConfig
from mlcore.records import Checkpoint
from ui.fields import show_problems
from ui.lesson2.choose import settings_in_words
from ui.lesson2.selected import scratch_runs, selected_run
from ui.lesson2.state import config_of
from ui.links import LinkState
from ui.runs import owner, runtime

CHOICES = {"start": "as the form of section 2 starts it", "run": "as my run left it"}


@dataclass(frozen=True)
class Weights:
    """A config and where its network stands.

    Attributes:
        checkpoint: None for the initial weights.
        token: tells this state from any other, for caches.
    """

    config: ScratchConfig
    checkpoint: Checkpoint | None
    token: str


def choose_weights(state: LinkState) -> Weights | None:
    """A choice between the two, where there is a run; None (and a sentence) while the form is not a run."""
    there = bool(scratch_runs())
    picked = st.segmented_control(
        "The network",
        list(CHOICES),
        format_func=CHOICES.__getitem__,
        key=state.key("weights"),
        required=True,
        disabled=not there,
        help=None if there else "Train a network in section 2 to look at its weights here.",
    )
    view = selected_run(state) if picked == "run" else None
    if view is not None and isinstance(view.config, ScratchConfig):
        checkpoint = runtime().checkpoint(owner(), view.id)
        if checkpoint is not None:
            st.caption(f"{how_far(checkpoint)}: {settings_in_words(view.config)}")
            return Weights(view.config, checkpoint, f"{view.id}.{checkpoint.epoch}.{checkpoint.batch}")
    if picked == "run":
        st.info("There is no such run in this browser, so the network of the form is shown at its start.")
    config, problems = config_of(state)
    show_problems(problems)
    if config is None:
        return None
    st.caption(f"At its start: {settings_in_words(config)}")
    return Weights(config, None, config.model_dump_json())


def how_far(checkpoint: Checkpoint) -> str:
    """ "After epoch 3", or, in the middle of one, "After epoch 3 and 57 of 182 batches of the next"."""
    if not checkpoint.batch:
        return f"After epoch {checkpoint.epoch}"
    since = f"After epoch {checkpoint.epoch} and" if checkpoint.epoch else "After"
    following = "next" if checkpoint.epoch else "first epoch"
    return f"{since} {checkpoint.batch:,} of {checkpoint.batches:,} batches of the {following}"
