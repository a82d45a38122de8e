"""What lesson 2 keeps in its link, and the configs that its buttons stand for.

`parameters()` declares everything that shapes the page; `config_of(state)` is the run that the form describes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mlcore.data.mnist import available_sources
from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.reports import practised_config, r1_config
from ui.fields import build_config
from ui.links import LinkState, Param, choice, config, flag, integer, number, text

NAMES: Mapping[str, str] = {
    "digits": "1 Digits",
    "train": "2 Train",
    "results": "3 Results",
    "time": "4 Time machine",
    "table1": "5 Table 1",
    "step": "6 One step",
    "check": "7 Gradient check",
    "compare": "8 Compare",
}

START = r1_config(source="sample")
"""What the form shows at first: the report's settings, on the digits that are always there."""
CONFIG_FIELDS = tuple(name for name in ScratchConfig.model_fields if name != "kind")
MOST_COMPARED = 12


def parameters() -> list[Param]:
    """Every link parameter of the page."""
    return [
        choice("section", NAMES, "digits"),
        *config(START),
        text("run", longest=64),
        integer("shuffle", 0, high=10_000),
        # Results
        choice("scale", ("linear", "log"), "linear"),
        choice("matrix", ("counts", "row %"), "counts"),
        integer("true", -1, low=-1, high=9),
        integer("taken_for", -1, low=-1, high=9),
        # Time machine: 0 stands for the newest epoch.
        integer("epoch", 0, high=1000),
        choice("shown", ("weights", "change"), "weights"),
        # Table 1
        flag("revealed"),
        text("suspect", longest=12),
        _optional(number("guess", -1, low=0, high=100)),
        choice("cell", ("tanh 90", "tanh 80", "tanh 70", "relu 90", "relu 80", "relu 70"), "relu 80"),
        text("live", longest=64),
        # One step
        choice("weights", ("start", "run"), "start"),
        choice("many", ("one", "batch"), "one"),
        integer("image", 0, high=69_999),
        integer("layer", 1, low=1, high=6),
        _optional(integer("unit", -1, high=1023)),
        _optional(integer("input", -1, high=1023)),
        # Gradient check
        integer("sampled", 5, low=1, high=25),
        integer("checked", 0, high=1),
        # Compare
        text("runs", longest=1500),
        choice("measure", ("test_accuracy", "test_loss", "train_loss", "train_accuracy"), "test_accuracy"),
    ]


class Preset(NamedTuple):
    """A button that fills the form: its name, its settings, and what it is for."""

    name: str
    changes: Mapping[str, Any]
    why: str


def presets() -> dict[str, Preset]:
    """The two ways to start a network, on the best digits this installation has."""
    source = "mnist" if "mnist" in available_sources() else "sample"
    return {
        "report": Preset("As the report", settings_of(r1_config(source=source)), "N(0, 1) weights and biases of one."),
        "today": Preset(
            "As practised today", settings_of(practised_config(source=source)), "He weights and biases of zero."
        ),
    }


FAILURES: Mapping[str, Preset] = {
    "sigmoid": Preset(
        "Sigmoid with N(0, 1) weights",
        {"activation": "sigmoid", "initializer": "normal", "bias": 1.0, "learning_rate": 0.01},
        "Where does the gradient go when every unit sits where its curve is flat?",
    ),
    "dead": Preset(
        "ReLU at rate 1",
        {"activation": "relu", "initializer": "he", "bias": 1.0, "learning_rate": 1.0},
        "What can a unit learn that answers 0 to every image?",
    ),
    "diverge": Preset(
        "Rate 100",
        {"activation": "leaky_relu", "initializer": "normal", "bias": 1.0, "learning_rate": 100.0},
        "How many steps does it take from a number to no number at all?",
    ),
    "batch": Preset(
        "One batch for everything",
        {"batch_size": 70_000, "initializer": "he", "activation": "relu", "learning_rate": 0.01, "bias": 0.0},
        "What happens when a batch is larger than the training part?",
    ),
}


def failure_settings(name: str) -> dict[str, Any]:
    """All settings of an instructive failure: the report's on the sample, few epochs, and what makes it fail."""
    return settings_of(r1_config(**{"source": "sample", "epochs": 5, **FAILURES[name].changes}))


def settings_of(values: ScratchConfig) -> dict[str, Any]:
    return {name: getattr(values, name) for name in CONFIG_FIELDS}


def _optional(number: Param) -> Param:
    """A number from 0, or −1, written as nothing, where none was given."""
    return Param(
        number.name,
        -1,
        lambda given: number.parse(given) if given else -1,
        lambda value: "" if value < 0 else number.show(value),
    )


def config_of(state: LinkState) -> tuple[ScratchConfig | None, dict[str, str]]:
    """The run that the form describes, or None and a sentence per field (or the form as a whole, under "")."""
    built, problems = build_config(ScratchConfig, {name: state[name] for name in CONFIG_FIELDS})
    return (built if isinstance(built, ScratchConfig) else None), problems
