"""What the two course reports printed, as data: every figure here is theirs, none of it is ours.

R1 is the network from scratch (CSL7590); R2 has Networks A and B (CS-898BD), and a worked example that stands in
`mlcore.autodiff.examples`. Put a run of this project beside `table1_cell("relu", 0.8)` or `R2_EXPERIMENTS["A1"]`;
`r1_config` says how the first was trained, `mlcore.experiments.recorded` how the second were.
Accuracies are fractions in [0, 1], losses mean cross-entropy in nats, times seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from mlcore.experiments.configs import ScratchConfig

# --- R1: the network from scratch -------------------------------------------------------------------------------------

R1_FRACTIONS: tuple[float, ...] = (0.9, 0.8, 0.7)
"""Training shares of R1's splits, in the order of its table 1."""
R1_ACTIVATIONS: tuple[str, ...] = ("tanh", "relu")
"""Hidden activations of R1's table 1, in its order."""
R1_IMAGES = 70_000
"""R1 pools all of MNIST before it splits."""


@dataclass(frozen=True, slots=True)
class Table1Cell:
    """One column of R1's table 1: the network after 25 epochs, judged on the test part of its split.

    Attributes:
        activation: "tanh" or "relu".
        train_fraction: share of the 70,000 images trained on: 0.9, 0.8 or 0.7.
        loss, accuracy: as printed, the accuracy as a fraction.
    """

    activation: str
    train_fraction: float
    loss: float
    accuracy: float

    @property
    def images(self) -> int:
        """How many test images the figures stand on: 7,000, 14,000 or 21,000."""
        return R1_IMAGES - round(R1_IMAGES * self.train_fraction)


# R1, table 1.
TABLE1: tuple[Table1Cell, ...] = (
    Table1Cell("tanh", 0.9, 0.56, 0.8313),
    Table1Cell("tanh", 0.8, 0.58, 0.835),
    Table1Cell("tanh", 0.7, 0.63, 0.8150),
    Table1Cell("relu", 0.9, 0.53, 0.8688),
    Table1Cell("relu", 0.8, 0.44, 0.8789),
    Table1Cell("relu", 0.7, 0.49, 0.8738),
)

# R1's discussion: (true digit, digit it was taken for).
R1_NAMED_CONFUSIONS: tuple[tuple[int, int], ...] = ((4, 9), (3, 5), (8, 5))

R1_FINDINGS: tuple[str, ...] = (
    "ReLU beats tanh.",
    "More training data helps.",
    "4 is taken for 9, 3 for 5 and 8 for 5 most often.",
)

# R1's parameter table says "bias terms: 128 + 64 + 10 = 522". The sum of its own addends is another number, and the
# report also speaks of 256 units a layer; `bias_terms_explained` works both out.
R1_BIAS_ADDENDS: tuple[int, ...] = (128, 64, 10)
R1_BIAS_TOTAL = 522
R1_OTHER_HIDDEN: tuple[int, ...] = (256, 256)


def table1_cell(activation: str, train_fraction: float) -> Table1Cell:
    """The report's cell for an activation and a training share.

    Raises:
        KeyError: table 1 has no such cell.
    """
    for cell in TABLE1:
        if cell.activation == activation and abs(cell.train_fraction - train_fraction) < 1e-9:
            return cell
    raise KeyError(f"report R1 has no cell for {activation} with {train_fraction:.0%} of the images to train on")


def r1_config(activation: str = "relu", train_fraction: float = 0.8, **changes: Any) -> ScratchConfig:
    """How R1 trained: 784-128-64-10, N(0, 1) weights, biases 1, SGD at 0.01, batches of 22, 25 epochs, seed 52.

    Args:
        changes: fields to set otherwise, e.g. `initializer="he"` or `source="sample"`.

    Raises:
        pydantic.ValidationError: a value is not allowed; see `config_problems`.
    """
    values: dict[str, Any] = {
        "source": "mnist",
        "train_fraction": train_fraction,
        "hidden": (128, 64),
        "activation": activation,
        "initializer": "normal",
        "bias": 1.0,
        "learning_rate": 0.01,
        "batch_size": 22,
        "epochs": 25,
        "seed": 52,
    }
    return ScratchConfig(**{**values, **changes})


def practised_config(**changes: Any) -> ScratchConfig:
    """The same network as it is started today: He weights and biases zero, all else as R1.

    Raises:
        pydantic.ValidationError: a value is not allowed.
    """
    return r1_config(**{"initializer": "he", "bias": 0.0, **changes})


def bias_terms_explained() -> str:
    """Why R1's number of bias terms does not add up, in a sentence computed from its own addends."""
    addends = " + ".join(str(units) for units in R1_BIAS_ADDENDS)
    others = (*R1_OTHER_HIDDEN, R1_BIAS_ADDENDS[-1])
    theirs = " + ".join(str(units) for units in others)
    match = "is" if sum(others) == R1_BIAS_TOTAL else "is not"
    return (
        f"The report prints “bias terms: {addends} = {R1_BIAS_TOTAL}”. These add up to {sum(R1_BIAS_ADDENDS)}. "
        f"{R1_BIAS_TOTAL} {match} {theirs}, the count for the two layers of {R1_OTHER_HIDDEN[0]} units "
        "that the report speaks of elsewhere."
    )


# --- R2, part II: Networks A and B ------------------------------------------------------------------------------------

R2_IMAGES: Mapping[str, int] = MappingProxyType({"train": 57_000, "validation": 10_000, "test": 3_000})


@dataclass(frozen=True, slots=True)
class R2Experiment:
    """One column of R2's table: a network after 500 epochs. None where the report gives no figure.

    Attributes:
        architecture: "A" or "B".
        experiment: 1 (plain) or 2 (dropout 0.3, Xavier weights, StepLR as described).
        validation_accuracy: at the end; the report prints the same number for (weighted) precision, recall and F1.
        best_accuracy, best_epoch: the best validation accuracy and its epoch, counted from 1.
        test_accuracy: on the 3,000 images.
        validation_loss, train_loss: at the end; experiment 2's training loss was measured with dropout switched on.
        seconds: for all 500 epochs, on the report's GPU.
    """

    architecture: Literal["A", "B"]
    experiment: Literal[1, 2]
    validation_accuracy: float
    test_accuracy: float
    validation_loss: float
    seconds: float
    best_accuracy: float | None = None
    best_epoch: int | None = None
    train_loss: float | None = None
    epochs: int = 500

    @property
    def seconds_per_epoch(self) -> float:
        """Time of one epoch on the report's GPU, in seconds."""
        return self.seconds / self.epochs


# R2, part II, experiments 1 and 2; key: architecture and experiment.
R2_EXPERIMENTS: Mapping[str, R2Experiment] = MappingProxyType(
    {
        "A1": R2Experiment("A", 1, 0.9786, 0.9767, 0.65, 8233, best_accuracy=0.9822, best_epoch=430),
        "A2": R2Experiment("A", 2, 0.972, 0.9747, 0.18, 5284, train_loss=0.07),
        "B1": R2Experiment("B", 1, 0.983, 0.9813, 1.2, 11913, best_accuracy=0.9843, best_epoch=264),
        "B2": R2Experiment("B", 2, 0.984, 0.9870, 0.35, 5328),
    }
)

# Convolutional ensembles and plain networks on MNIST: accuracy, from and to.
STATE_OF_THE_ART: tuple[float, float] = (0.998, 0.999)
PLAIN_NETWORK_BEST: tuple[float, float] = (0.98, 0.987)

R2_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "schedule": (
            "The published code calls scheduler.step(validation_loss). PyTorch takes the loss for an epoch number, "
            "floor(loss / 10) = 0, and the rate never steps: experiment 2 ran at a constant 0.001. As described "
            "(0.01, ×0.1 every 10 epochs), the rate is 1e-7 after 50 of 500 epochs and training has stopped."
        ),
        "start": (
            "The curves of experiment 1 do not begin at the beginning: the first recorded epoch of A already has "
            "training loss 0.058 and 96.65 %. A fresh network has about 0.3. Compare ends, not starts."
        ),
        "dropout": (
            "The training loss of experiment 2 is measured with dropout on, the validation loss with dropout off. "
            "The two curves are not the same quantity."
        ),
        "selection": (
            "The best epoch is chosen on the validation images, so the honest figure is that epoch's accuracy on the "
            "3,000 test images."
        ),
    }
)
