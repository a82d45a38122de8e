"""What a difference between runs is worth, in words: inside the noise or outside it, and which settings differ.

An accuracy is noisy for two reasons. The test images are a sample (`compare_shares` puts an interval on the difference
of two shares), and a training is one of many that could have been (`compare_seeds` and `compare_with_one` look at how
far trainings with other seeds land). `what_differs` names the settings in which configs differ, and `start_words` says
whether runs begin with the same weights and see the same images. Differences are in points of a per cent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlcore.experiments.metrics import difference_interval, wilson_interval
from mlcore.experiments.reports import R1_ACTIVATIONS, R1_FRACTIONS, TABLE1
from mlcore.experiments.table1 import INITIALIZERS, Table1

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Verdict:
    """A difference with its 95 % interval, in points of a per cent, and what that says."""

    difference: float
    low: float
    high: float

    @property
    def noise(self) -> bool:
        """Whether chance alone could have made the difference: zero lies inside the interval."""
        return self.low <= 0.0 <= self.high

    @property
    def words(self) -> str:
        """The verdict with its numbers, to follow a "…: "."""
        interval = f"95 % interval {_signed(self.low)} to {_signed(self.high)}"
        if self.noise:
            return f"{_signed(self.difference)} points ({interval}), inside the noise"
        return f"{_signed(self.difference)} points ({interval}), more than chance"


def compare_shares(share: float, images: int, other: float, other_images: int) -> Verdict:
    """`other` − `share`, when each is the share of right answers among so many test images.

    The interval is that of `mlcore.experiments.metrics.difference_interval`. It knows the luck of the test images only;
    what another seed would have given comes on top.
    """
    first, second = (
        wilson_interval(round(other * other_images), other_images),
        wilson_interval(round(share * images), images),
    )
    low, high = difference_interval(first, second)
    # The difference is of the shares as given (a report prints four figures), not of the counts they are rounded to.
    return Verdict(100 * (other - share), 100 * low, 100 * high)


def compare_seeds(before: Sequence[float], after: Sequence[float]) -> Verdict:
    """Mean of `after` − `before`, accuracies paired by seed: Student's interval on the mean of the differences.

    Raises:
        ValueError: not the same number of each, or fewer than two.
    """
    if len(before) != len(after) or len(before) < 2:
        raise ValueError("two or more seeds are needed, the same ones for both")
    differences = 100 * (np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64))
    mean = float(differences.mean())
    half = _student(len(differences) - 1) * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return Verdict(mean, mean - half, mean + half)


def compare_with_one(accuracies: Sequence[float], single: float) -> Verdict:
    """`single` − the mean of `accuracies`, with the interval in which one more training of ours would land.

    Raises:
        ValueError: fewer than two accuracies.
    """
    if len(accuracies) < 2:
        raise ValueError("the spread over seeds needs two or more of them")
    values = np.asarray(accuracies, dtype=np.float64)
    difference = 100 * (single - float(values.mean()))
    half = _student(len(values) - 1) * 100 * float(values.std(ddof=1)) * math.sqrt(1 + 1 / len(values))
    return Verdict(difference, difference - half, difference + half)


def _student(degrees: int) -> float:
    """Student's t: what 97.5 % of its distribution lies below (2.78 for five seeds)."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def _signed(points: float) -> str:
    """A difference with a real minus sign; no "−0.0"."""
    text = f"{abs(points):.1f}" if abs(points) >= 0.995 else f"{abs(points):.2f}"
    if float(text) == 0:
        return "0.0"
    return ("−" if points < 0 else "+") + text


# --- Table 1 ----------------------------------------------------------------------------------------------------------

ACTIVATION_NAMES: Mapping[str, str] = {
    "relu": "ReLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "leaky_relu": "leaky ReLU",
}
WEIGHT_NAMES: Mapping[str, str] = {
    "normal": "N(0, 1) weights",
    "small": "small weights",
    "xavier": "Xavier weights",
    "he": "He weights",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What one choice changes in Table 1, everything else kept: the verdict for accuracy and a sentence."""

    choice: Literal["weights", "activation", "split"]
    initializer: str
    verdict: Verdict
    text: str


def effect_of_weights(table: Table1) -> Effect:
    """He for N(0, 1), averaged over the six columns, seed by seed."""
    verdict = _effect(table, *([(a, f, i) for a, f in _columns()] for i in INITIALIZERS))
    text = f"He weights for N(0, 1), over all six columns: {verdict.words}."
    return Effect("weights", "", verdict, text)


def effect_of_activation(table: Table1, initializer: str) -> Effect:
    """ReLU for tanh, averaged over the three splits, seed by seed."""
    verdict = _effect(table, *([(a, f, initializer) for f in R1_FRACTIONS] for a in R1_ACTIVATIONS))
    text = f"ReLU for tanh, with {WEIGHT_NAMES[initializer]}: {verdict.words}."
    return Effect("activation", initializer, verdict, text)


def effect_of_split(table: Table1, initializer: str) -> Effect:
    """90–10 for 70–30, averaged over both activations, seed by seed."""
    most, least = max(R1_FRACTIONS), min(R1_FRACTIONS)
    verdict = _effect(table, *([(a, f, initializer) for a in R1_ACTIVATIONS] for f in (least, most)))
    text = f"{split_name(most)} for {split_name(least)}, with {WEIGHT_NAMES[initializer]}: {verdict.words}."
    return Effect("split", initializer, verdict, text)


def table1_effects(table: Table1) -> list[Effect]:
    """Every single choice of Table 1 and what it changes, the largest change first."""
    effects = [effect_of_weights(table)]
    for initializer in INITIALIZERS:
        effects += [effect_of_activation(table, initializer), effect_of_split(table, initializer)]
    return sorted(effects, key=lambda effect: -abs(effect.verdict.difference))


def table1_conclusion(table: Table1) -> str:
    """Which choice costs the report its points, said from the numbers: never a fixed sentence."""
    effects = table1_effects(table)
    first = effects[0]
    names = {"weights": "the initial weights", "activation": "the activation", "split": "the split"}
    rest = [effect for effect in effects[1:] if effect.initializer in ("", "normal") and effect.choice != first.choice]
    others = " and ".join(f"{names[e.choice]} {_signed(e.verdict.difference)}" for e in rest)
    sentence = f"Of the three choices, {names[first.choice]} move the accuracy most: {first.verdict.words}. "
    if first.choice != "weights":
        sentence = sentence.replace(" move ", " moves ")
    return sentence + f"As the report trained, {others} points."


def report_findings(seeds: Table1 | None = None) -> list[str]:
    """The report's two findings about its Table 1, each tested against the noise of its own test images, and ours."""
    cells = {(cell.activation, cell.train_fraction): cell for cell in TABLE1}
    lines = []
    for fraction in R1_FRACTIONS:
        tanh, relu = cells["tanh", fraction], cells["relu", fraction]
        verdict = compare_shares(tanh.accuracy, tanh.images, relu.accuracy, relu.images)
        lines.append(f"Report, {split_name(fraction)}, ReLU against tanh: {verdict.words}.")
    for activation in R1_ACTIVATIONS:
        for less, more in ((0.7, 0.8), (0.8, 0.9)):
            a, b = cells[activation, less], cells[activation, more]
            verdict = compare_shares(a.accuracy, a.images, b.accuracy, b.images)
            name = ACTIVATION_NAMES[activation]
            lines.append(f"Report, {name}, {split_name(more)} against {split_name(less)}: {verdict.words}.")
    if seeds is not None:
        for initializer in INITIALIZERS:
            lines += ["Ours, " + effect(seeds, initializer).text for effect in (effect_of_activation, effect_of_split)]
    return lines


def split_name(fraction: float) -> str:
    """0.8 -> "80–20"."""
    train = 100 * fraction
    return f"{train:g}–{100 - train:g}" if abs(train - round(train)) > 1e-9 else f"{round(train)}–{100 - round(train)}"


def _columns() -> list[tuple[str, float]]:
    return [(a, f) for a in R1_ACTIVATIONS for f in R1_FRACTIONS]


Cells = Sequence[tuple[str, float, str]]


def _effect(table: Table1, before: Cells, after: Cells) -> Verdict:
    """Mean accuracy of the cells `after` less that of the cells `before`, over the seeds that all of them have."""
    first, second = _mean_by_seed(table, before), _mean_by_seed(table, after)
    shared = sorted(set(first) & set(second))
    return compare_seeds([first[seed] for seed in shared], [second[seed] for seed in shared])


def _mean_by_seed(table: Table1, cells: Cells) -> dict[int, float]:
    """Seed -> accuracy averaged over the cells, for the seeds that all these cells have."""
    by_cell = [dict(zip(cell.seeds, cell.accuracies, strict=True)) for cell in (table.cell(*names) for names in cells)]
    shared = set.intersection(*(set(accuracies) for accuracies in by_cell))
    return {seed: float(np.mean([accuracies[seed] for accuracies in by_cell])) for seed in shared}


# --- Configs ----------------------------------------------------------------------------------------------------------

LABELS: Mapping[str, str] = {
    "kind": "kind of network",
    "source": "digits",
    "train_fraction": "training share",
    "hidden": "hidden layers",
    "activation": "activation",
    "initializer": "initial weights",
    "bias": "initial bias",
    "learning_rate": "learning rate",
    "batch_size": "batch size",
    "epochs": "epochs",
    "seed": "seed",
    "architecture": "architecture",
    "dropout": "dropout",
    "step_size": "epochs between rate cuts",
    "gamma": "rate cut",
    "step_on_loss": "scheduler given the loss",
    "evaluate_with_dropout": "dropout on while judged",
}
# What a network starts from, and which images it gets; all else only shapes how it is trained.
START_FIELDS = ("kind", "architecture", "hidden", "initializer", "bias", "seed")
IMAGE_FIELDS = ("source", "train_fraction", "seed")


def what_differs(configs: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Field -> its value in every config, written out, for the fields in which the configs differ.

    Args:
        configs: `ScratchConfig`s and `NetworkConfig`s; a field that one of them lacks shows as "–".
    """
    values = [config.model_dump() for config in configs]
    names = list(dict.fromkeys(name for fields in values for name in fields))
    shown = {name: tuple(value_text(fields.get(name, None), name in fields) for fields in values) for name in names}
    return {name: texts for name, texts in shown.items() if len(set(texts)) > 1}


def value_text(value: Any, there: bool = True) -> str:
    """A setting as a student would write it: (128, 64) -> "128, 64"; "leaky_relu" -> "leaky ReLU"."""
    if not there:
        return "–"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(value_text(item) for item in value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    names = {**ACTIVATION_NAMES, **WEIGHT_NAMES, "mnist": "all of MNIST", "sample": "sample of 5,000"}
    return names.get(value, str(value))


def difference_words(configs: Sequence[Any]) -> str:
    """Which settings differ, in one sentence: "These runs differ in learning rate (0.01, 0.1)."."""
    if len(configs) < 2:
        return "Choose a second run to compare with."
    different = what_differs(configs)
    if not different:
        return "These runs have the same settings, so they are the same run."
    parts = [f"{LABELS.get(name, name)} ({' / '.join(texts)})" for name, texts in different.items()]
    listed = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"These runs differ in {listed}."


def start_words(configs: Sequence[Any]) -> str:
    """What the runs share at their start, in one sentence."""
    different = set(what_differs(configs))
    weights = sorted(LABELS[name] for name in different & set(START_FIELDS))
    images = sorted(LABELS[name] for name in different & set(IMAGE_FIELDS))
    if not weights and not images:
        return "All start from the same weights and see the same images, so only training settings tell them apart."
    if weights == images == ["seed"]:
        return "Only luck differs: another seed gives other weights, another split and another order of batches."
    told = []
    if weights:
        told.append(f"they do not start from the same weights and biases ({', '.join(weights)})")
    if images:
        told.append(f"they do not have the same images ({', '.join(images)})")
    sentence = " and ".join(told)
    return sentence[0].upper() + sentence[1:] + ": a difference may come from there."
