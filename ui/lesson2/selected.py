"""The run that the page looks at: one of the visitor's, named in the link; and its weights as a network."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import percent_text
from mlcore.records import ScratchEpoch
from mlcore.runtime import RunView, UnknownRun
from mlcore.scratch.network import Network
from mlcore.scratch.trainer import network_of
from ui.lesson2.choose import settings_in_words
from ui.lesson2.state import settings_of
from ui.links import LinkState
from ui.runs import live_line, owner, runtime
from ui.seeding import follow, took


@dataclass(frozen=True)
class Selected:
    """A run of the NumPy network and its finished epochs, oldest first."""

    view: RunView
    config: ScratchConfig
    epochs: Sequence[ScratchEpoch]

    @property
    def last(self) -> ScratchEpoch:
        """The newest epoch."""
        return self.epochs[-1]


def scratch_runs() -> list[RunView]:
    """The visitor's runs of this lesson, newest first."""
    runs = [run for run in runtime().runs(owner()) if isinstance(run.config, ScratchConfig)]
    return sorted(runs, key=lambda run: -run.created)


def selected_run(state: LinkState) -> RunView | None:
    """The run named in the link, if it is the visitor's; without a name in the link, the newest one."""
    if state["run"]:
        view = runtime().run(owner(), state["run"])
        return view if view is not None and isinstance(view.config, ScratchConfig) else None
    runs = scratch_runs()
    return runs[0] if runs else None


def epochs_of(run_id: str) -> list[ScratchEpoch]:
    """The finished epochs of a run, oldest first."""
    return [epoch for epoch in runtime().epochs(owner(), run_id) if isinstance(epoch, ScratchEpoch)]


def need_results(state: LinkState, what: str) -> Selected | None:
    """The selected run once it has an epoch to show; otherwise a sentence that says what to do first."""
    view = selected_run(state)
    if view is None:
        if state["run"]:
            say_not_yours("in the form of section 2")
        else:
            st.info(f"{what} needs a trained network. Train one in section 2; it takes a few seconds.")
        go_train(state)
        return None
    pick_run(state, view)
    live_line(view)
    epochs = epochs_of(view.id)
    if not epochs:
        sentence = view.halted or view.error or "Its first epoch is not finished yet."
        st.info(f"This run has nothing to show so far. {sentence}")
        go_train(state)
        return None
    assert isinstance(view.config, ScratchConfig)
    return Selected(view, view.config, epochs)


def say_not_yours(form: str) -> None:
    """What to do about a link to somebody else's run; `form` says where its settings stand."""
    st.info(
        f"The run in this link belongs to another browser. Its settings are {form}: train them, and you get the same "
        "numbers.",
        icon=":material/lock:",
    )


def go_train(state: LinkState) -> None:
    """A button to section 2."""
    if st.button("Go to training", icon=":material/arrow_forward:"):
        state.set(section="train")
        st.rerun()


def pick_run(state: LinkState, current: RunView) -> None:
    """Which of the visitor's runs to look at, where there is more than one."""
    runs = scratch_runs()
    if len(runs) < 2:
        return
    labels = run_labels(runs)
    follow("pick_run", current.id)
    picked = st.selectbox("Run", list(labels), format_func=lambda run_id: labels.get(run_id, run_id), key="pick_run")
    took("pick_run", picked)
    if picked and picked != current.id:
        show_run(state, picked)
        st.rerun()


def show_run(state: LinkState, run_id: str) -> None:
    """Turn the page to another of the visitor's runs; the form takes its settings, and so does the link."""
    view = runtime().run(owner(), run_id)
    settings = settings_of(view.config) if view is not None and isinstance(view.config, ScratchConfig) else {}
    state.set(**settings, run=run_id, epoch=0, true=-1, taken_for=-1)


def source_of(state: LinkState) -> str:
    """Which digits the section on screen is about."""
    section = state["section"]
    if section == "table1":
        return "mnist"  # the recorded one
    if section in ("results", "time", "compare") or (section in ("step", "check") and state["weights"] == "run"):
        view = selected_run(state)
        if view is not None:
            return str(view.config.source)
    return str(state["source"])


def run_labels(runs: Sequence[RunView]) -> dict[str, str]:
    """Runs, newest first, as lines of a list: no two alike, or the list could not tell them apart."""
    labels: dict[str, str] = {}
    for run in reversed(runs):
        label, number = run_label(run), 2
        while label in labels.values():
            label, number = f"{run_label(run)} (no. {number})", number + 1
        labels[run.id] = label
    return dict(reversed(labels.items()))


def run_label(run: RunView) -> str:
    """A run in one line: its name, else its settings, and how good it became."""
    assert isinstance(run.config, ScratchConfig)
    reached = f" · best {percent_text(run.best_accuracy, 1)}" if run.best_accuracy else ""
    return f"{run.name or settings_in_words(run.config)}{reached}"


def watch(run_ids: Sequence[str]) -> list[RunView]:
    """The visitor's runs of these ids as they stand; that somebody looks keeps them going."""
    app, me = runtime(), owner()
    views = []
    for run_id in run_ids:
        with suppress(UnknownRun):
            app.touch(me, run_id)
        view = app.run(me, run_id)
        if view is not None:
            views.append(view)
    return views


class NotKept(LookupError):
    """No weights of the run are kept. An exception, so that no cache remembers it."""


def network_at(view: RunView, epoch: int) -> tuple[int, Network]:
    """The network of a run after an epoch (0: its start), or after the kept one nearest to it, and which one that is.

    Long runs keep the weights of every second or fourth epoch only.

    Raises:
        NotKept: the run has no weights.
    """
    checkpoint = runtime().checkpoint(owner(), view.id, epoch)
    if checkpoint is None:
        kept = runtime().checkpoint_epochs(owner(), view.id)
        if kept:
            nearest = min(kept, key=lambda number: (abs(number - epoch), number))
            checkpoint = runtime().checkpoint(owner(), view.id, nearest)
    if checkpoint is None:
        raise NotKept
    assert isinstance(view.config, ScratchConfig)
    return checkpoint.epoch, network_of(view.config, checkpoint)
