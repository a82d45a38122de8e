"""What lesson 3 keeps in its link, and the runs that its form stands for.

`parameters()` declares everything that shapes the page; `variants_of(state)` are the configs that Train would start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.recorded import RECORDED_NETWORKS
from ui.fields import build_config
from ui.links import LinkState, Param, choice, choices, config, integer, number, text

NAMES: Mapping[str, str] = {
    "recorded": "1 Recorded runs",
    "report": "2 Beside the report",
    "train": "3 Train",
    "findings": "4 Two findings",
    "inside": "5 Inside",
    "versus": "6 A against B",
}

RUNS = tuple(RECORDED_NETWORKS)
QUANTITIES: Mapping[str, str] = {
    "loss": "Loss",
    "error": "Error rate",
    "scores": "Scores",
    "rate": "Learning rate",
}
LOSSES: Mapping[str, tuple[str, str]] = {
    "measured": ("train_loss", "training, as measured"),
    "train": ("train_loss_eval", "training, evaluation mode"),
    "validation": ("validation_loss", "validation"),
}
ERRORS: Mapping[str, tuple[str, str]] = {
    "train": ("train_accuracy_eval", "training"),
    "validation": ("validation_accuracy", "validation"),
    "test": ("test_accuracy", "test"),
}
SCORES: Mapping[str, str] = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}

START = NetworkConfig(source="sample", dropout=0.3, step_size=10, learning_rate=0.001, epochs=30)
"""What the form shows at first: the report's settings, on the digits that are always there, for half a minute or so."""
CONFIG_FIELDS = tuple(name for name in NetworkConfig.model_fields if name != "kind")

VARIANT_NAMES: Mapping[str, str] = {
    "plain": "Plain",
    "dropout": "Dropout",
    "schedule": "StepLR",
    "both": "Dropout + StepLR",
}


def parameters() -> list[Param]:
    """Every link parameter of the page."""
    return [
        choice("section", NAMES, "recorded"),
        # Recorded runs
        choices("runs", RUNS, ("A-baseline", "A-dropout")),
        choice("what", QUANTITIES, "loss"),
        choices("losses", LOSSES, ("train", "validation")),
        choices("errors", ERRORS, ("train", "validation")),
        choices("scores", SCORES, ("accuracy",)),
        choice("average", ("weighted", "macro"), "weighted"),
        choice("x", ("epochs", "time"), "epochs"),
        choice("scale", ("linear", "log"), "log"),
        choice("about", RUNS, "A-baseline"),
        choice("beside", ("none", *RUNS), "none"),
        # Train
        *config(START),
        choices("variants", VARIANT_NAMES, ("plain", "dropout")),
        number("schedule_rate", 0.01, low=1e-9, high=100),
        text("group", longest=64),
        choice("over", ("matching", "none"), "matching"),
        choice("expected", ("", *VARIANT_NAMES), ""),
        # Two findings
        choice("schedule_guess", ("", "steps", "never", "every"), ""),
        text("schedule_group", longest=64),
        choice("dropout_guess", ("", "above", "below", "equal"), ""),
        text("dropout_group", longest=64),
        choice("judged", ("eval", "train"), "eval"),
        # Inside
        text("watched", "A-dropout", longest=64),
        choice("histogram", ("values", "activations", "gradients"), "values"),
        integer("image", 0, high=69_999),
        integer("mask_seed", 0, high=10_000),
        # A against B
        text("first", "A-baseline", longest=64),
        text("second", "B-baseline", longest=64),
        choice("group_shown", ("both_wrong", "only_first_wrong", "only_second_wrong"), "both_wrong"),
    ]


class Variant(NamedTuple):
    """One of the runs that the form would start."""

    key: str
    name: str
    config: NetworkConfig


def config_values(state: LinkState) -> dict[str, Any]:
    """The form's settings as they stand; `hidden` is empty unless the network is the visitor's own."""
    values = {name: state[name] for name in CONFIG_FIELDS}
    if values["architecture"] != "custom":
        values["hidden"] = ()
    return values


def variants_of(state: LinkState) -> tuple[list[Variant], dict[str, str]]:
    """The runs that the form describes, or a sentence per field that is wrong.

    All share seed, split, initial weights and the order of batches; they differ in dropout and schedule alone, and a
    schedule may have a rate of its own, as in the report.
    """
    values, variants = config_values(state), []
    chosen = set(state["variants"])
    if chosen & {"schedule", "both"} and values["step_size"] is None:
        return [], {"step_size": "StepLR needs a number of epochs between its cuts, such as 10."}
    if chosen & {"dropout", "both"} and not values["dropout"]:
        return [], {"dropout": "Dropout needs a share above 0, such as 0.3; without it this variant is the plain one."}
    for key in state["variants"]:
        changes: dict[str, Any] = {}
        if key in ("plain", "schedule"):
            changes["dropout"] = 0.0
        if key in ("plain", "dropout"):
            changes["step_size"] = None
        else:
            changes["learning_rate"] = state["schedule_rate"]
        built, problems = build_config(NetworkConfig, {**values, **changes})
        if not isinstance(built, NetworkConfig):
            return [], problems
        variants.append(Variant(key, called(built), built))
    return variants, {}


def network_name(config: NetworkConfig) -> str:
    """ "A", "B", or the hidden layers of a network of one's own."""
    if config.architecture != "custom":
        return config.architecture
    return "-".join(map(str, config.hidden)) or "no hidden layer"


def variant_key(config: NetworkConfig) -> str:
    """Which of `VARIANT_NAMES` a config is."""
    if config.dropout:
        return "both" if config.step_size else "dropout"
    return "schedule" if config.step_size else "plain"


def same_training(first: NetworkConfig, second: NetworkConfig) -> bool:
    """Whether two runs differ in nothing but the digits, the seed and the number of epochs."""
    return _what_counts(first) == _what_counts(second)


def _what_counts(config: NetworkConfig) -> dict[str, Any]:
    counts = config.model_dump(exclude={"source", "seed", "epochs", "hidden"}) | {"sizes": config.sizes}
    if config.step_size is None:
        counts |= {"gamma": None, "step_on_loss": None}
    if not config.dropout:
        counts |= {"evaluate_with_dropout": None}
    return counts


def called(config: NetworkConfig) -> str:
    """A run in a few words: "A, dropout 0.3 + StepLR 10"."""
    dropout, schedule = f"dropout {config.dropout:g}", f"StepLR {config.step_size}"
    if config.step_on_loss:
        schedule += " given the loss"
    words = {"plain": "plain", "dropout": dropout, "schedule": schedule, "both": f"{dropout} + {schedule}"}
    judged = ", judged with dropout on" if config.evaluate_with_dropout and config.dropout else ""
    return f"{network_name(config)}, {words[variant_key(config)]}{judged}"


class Preset(NamedTuple):
    """A button that fills the form: its name, its settings, and what it is for."""

    name: str
    changes: Mapping[str, Any]
    why: str


_REPORT = {"learning_rate": 0.001, "batch_size": 64, "seed": 0, "dropout": 0.3, "step_size": 10, "gamma": 0.1}
_PLAIN = {"step_on_loss": False, "evaluate_with_dropout": False}
PRESETS: Mapping[str, Preset] = {
    "one": Preset(
        "Experiment 1",
        {**_REPORT, **_PLAIN, "initializer": "default", "variants": ["plain"]},
        "The report's first experiment: Adam at 0.001, batches of 64, nothing against overfitting.",
    ),
    "described": Preset(
        "Experiment 2, as described",
        {**_REPORT, **_PLAIN, "initializer": "xavier", "schedule_rate": 0.01, "variants": ["plain", "both"]},
        "Dropout 0.3, Xavier weights, and a rate of 0.01 cut to a tenth every 10 epochs; the plain network beside it.",
    ),
    "as_run": Preset(
        "Experiment 2, as its code ran",
        {
            **_REPORT,
            **_PLAIN,
            "initializer": "xavier",
            "schedule_rate": 0.001,
            "step_on_loss": True,
            "variants": ["plain", "both"],
        },
        "The same with scheduler.step(loss) at 0.001: the rate never steps, so this is dropout alone.",
    ),
    "pair": Preset(
        "All four variants",
        {**_REPORT, **_PLAIN, "initializer": "default", "schedule_rate": 0.001, "variants": list(VARIANT_NAMES)},
        "Plain, dropout, StepLR and both, from the same weights at the same rate: what does each change alone?",
    ),
}
