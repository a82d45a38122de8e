"""The network that a section looks into or compares: recorded, or one of the visitor's own, by one name in the link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.inference import answer_of_biases, predict_probabilities
from mlcore.experiments.recorded import RecordedRun
from mlcore.experiments.recording import named_weights
from mlcore.runtime import RunView
from ui.digits import digits_of
from ui.lesson3.data import best_source, recorded, split_of
from ui.lesson3.state import called
from ui.links import LinkState
from ui.runs import owner, runtime

MOST_OWN = 20


class Moment(NamedTuple):
    """How far weights have been trained: finished epochs, and finished batches of the epoch under way."""

    epoch: int
    batch: int = 0
    batches: int = 0

    def __str__(self) -> str:
        """ "3 epochs", or "3 epochs and 12 of the 63 batches of the next"."""
        epochs = "1 epoch" if self.epoch == 1 else f"{self.epoch:,} epochs"
        return f"{epochs} and {self.batch:,} of the {self.batches:,} batches of the next" if self.batch else epochs


class Weights(NamedTuple):
    """Weights by their names (`weight1`, `bias1`, …), and how far they have been trained."""

    named: dict[str, NDArray[Any]]
    moment: Moment


@dataclass(frozen=True, eq=False)
class Chosen:
    """A network with weights.

    Attributes:
        id: name of a recorded run, or id of one of the visitor's.
        short: what it is called in a sentence.
        moment: how far it has been trained; a run that trains goes on from there.
        own: the visitor's run, if it is one.
        recorded: the recorded run, if it is one.
        number: of one of the visitor's runs, the oldest 1.
    """

    id: str
    short: str
    config: NetworkConfig
    moment: Moment
    own: RunView | None = None
    recorded: RecordedRun | None = None
    number: int = 0

    @property
    def label(self) -> str:
        """What it is called in a list: like no other, and the same while it trains, or a choice would be lost."""
        if self.recorded is not None:
            return f"recorded: {self.short}"
        return f"{self.short}, {self.config.source} (run {self.number})"

    def weights(self) -> Weights | None:
        """The weights now, which may be younger than `moment`; None where they are not kept."""
        if self.recorded is not None:
            return Weights(dict(self.recorded.weights("last")), self.moment)
        return self._kept(None)

    def first_weights(self) -> dict[str, NDArray[Any]] | None:
        """Those before the first update; None where they are not kept, but drawn again from the config."""
        kept = None if self.recorded is not None else self._kept(0)
        return kept.named if kept else None

    def _kept(self, epoch: int | None) -> Weights | None:
        checkpoint = runtime().checkpoint(owner(), self.id, epoch)
        if checkpoint is None:
            return None
        named = named_weights(checkpoint.arrays["parameters"], self.config.sizes)
        return Weights(named, Moment(checkpoint.epoch, checkpoint.batch, checkpoint.batches))


def networks() -> dict[str, Chosen]:
    """Every network that may be chosen: the recorded ones, then the visitor's own, newest first."""
    found: dict[str, Chosen] = {}
    for name, run in recorded().items():
        found[name] = Chosen(name, run.title, run.config, Moment(int(run.epochs["epoch"].iloc[-1])), recorded=run)
    own = [view for view in runtime().runs(owner()) if isinstance(view.config, NetworkConfig)]
    numbers = {view.id: number for number, view in enumerate(sorted(own, key=lambda view: view.created), start=1)}
    for view in [view for view in own if view.epoch > 0][:MOST_OWN]:
        assert isinstance(view.config, NetworkConfig)
        short = f"my {view.name or called(view.config)}"
        moment = Moment(view.epoch, view.batch, view.batches)
        found[view.id] = Chosen(view.id, short, view.config, moment, own=view, number=numbers[view.id])
    return found


def source_of(state: LinkState) -> str:
    """Which digits the section on screen is about."""
    section = state["section"]
    if section == "train":
        return str(state["source"])
    if section == "findings":
        return "sample"
    watched = {"inside": [state["watched"]], "versus": [state["first"], state["second"]]}.get(section, [])
    own = [view for name in watched if (view := runtime().run(owner(), name)) is not None]
    return "sample" if own and all(view.config.source == "sample" for view in own) else best_source()


def pick(label: str, state: LinkState, name: str, there: Mapping[str, Chosen], *, last: bool = False) -> Chosen:
    """A select box over networks; for one that is not there the first (or last) stands in, with a sentence."""
    stand_in = list(there)[-1 if last else 0]
    if state[name] not in there:
        missing = state[name]
        state.set(**{name: stand_in})
        st.session_state[f"{name}.missing"] = missing
    chosen = st.selectbox(label, list(there), format_func=lambda key: there[key].label, key=state.key(name))
    missing = st.session_state.get(f"{name}.missing")
    if missing and missing not in there and chosen == stand_in:
        st.caption("The network of this link is not here: it belongs to another browser, or is not recorded yet.")
    return there[chosen]


def say_if_seen(source: str, *chosen: Chosen) -> None:
    """A caption where networks of full MNIST are judged on the sample, most of which they were trained on."""
    if source == "sample" and any(network.config.source == "mnist" for network in chosen):
        st.caption(
            "Full MNIST is not on this machine, so the images are the sample's. Networks trained on all of MNIST "
            "have seen most of them while training; on MNIST's own validation images they make more mistakes."
        )


class Answers(NamedTuple):
    """What a network says, and how far it was trained when it did.

    Attributes:
        probabilities: (n, 10), for each validation image.
        of_biases: (10,), for any image that leaves its last hidden layer silent.
    """

    probabilities: NDArray[np.float32]
    of_biases: NDArray[np.float32]
    moment: Moment


def answers(chosen: Chosen, source: str, seed: int) -> Answers | None:
    """Its answers for every validation image of a source; None where its weights are not kept."""
    return _answers(chosen, chosen.id, chosen.moment, source, seed if source == "sample" else 0)


@st.cache_data(show_spinner=False, max_entries=24)
def _answers(_chosen: Chosen, run: str, moment: Moment, source: str, seed: int) -> Answers | None:
    weights = _chosen.weights()
    if weights is None:
        return None
    images = digits_of(source).images[split_of(source, seed).validation]
    return Answers(predict_probabilities(weights.named, images), answer_of_biases(weights.named), weights.moment)
