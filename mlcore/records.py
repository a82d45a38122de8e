"""The small frozen values that pass between trainers, store and charts.

`EpochResult` is what a trainer says after each epoch; `Checkpoint` is everything a run's future depends on. Both
trainers speak these, so one store keeps both and one screen shows both.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

# Rows are true digits, columns are predicted digits.
Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochResult:
    """What one epoch of training came to. Accuracies are fractions in [0, 1]; losses are mean cross-entropy in nats.

    Attributes:
        epoch: 1 for the first.
        train_loss: mean over the epoch's batches, each measured just before its update, as the training saw it.
        train_accuracy: likewise.
        seconds: wall-clock time of the epoch's training steps, evaluation apart.
        confusion: (10, 10) counts on the held-out part (test for scratch, validation for networks).
        statistics: what the probes measured at the end of the epoch, one number per layer, e.g.
            `{"dead": (0.0, 0.12), "gradient_norm": (1.2, 0.8, 0.5)}`.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    seconds: float
    confusion: Confusion = ()
    statistics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """The plain numbers of this epoch, by name: one row of a table, one line of `--json`."""
        return {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.name not in ("confusion", "statistics")
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as values that JSON can hold; `epoch_from_dict` reads it back."""
        kind = "network" if isinstance(self, NetworkEpoch) else "scratch"
        return {"kind": kind, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScratchEpoch(EpochResult):
    """An epoch of the NumPy network; test figures are taken after the epoch's last update."""

    test_loss: float
    test_accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkEpoch(EpochResult):
    """An epoch of a PyTorch network; all but `train_loss` and `train_accuracy` are taken after its last update.

    Attributes:
        train_loss_eval: loss on training images in evaluation mode (dropout off), the quantity that compares with
            `validation_loss`.
        precision, recall, f1: class-weighted averages on the validation images; `*_macro` the plain averages.
        test_accuracy: accuracy on the images that took no part in training or in choosing the epoch.
        learning_rate: the rate this epoch was trained with.
    """

    train_loss_eval: float
    train_accuracy_eval: float
    validation_loss: float
    validation_accuracy: float
    precision: float
    recall: float
    f1: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    test_loss: float
    test_accuracy: float
    learning_rate: float


def epoch_from_dict(values: Mapping[str, Any]) -> EpochResult:
    """Read back what `EpochResult.to_dict` wrote."""
    values = dict(values)
    kinds: dict[str, type[EpochResult]] = {"scratch": ScratchEpoch, "network": NetworkEpoch}
    kind = kinds[values.pop("kind")]
    values["confusion"] = tuple(tuple(row) for row in values.get("confusion", ()))
    values["statistics"] = {name: tuple(row) for name, row in values.get("statistics", {}).items()}
    return kind(**values)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run's future depends on, between two batches.

    Attributes:
        arrays: weights, optimizer state, random state: name -> array.
        state: what is not an array (running sums, step counts): values that JSON can hold.
        epoch: finished epochs.
        batch: finished batches of the epoch under way; 0 between epochs.
        batches: batches in an epoch.
        halted: one sentence saying why training cannot go on (it diverged, say); empty while it can.
    """

    arrays: Mapping[str, np.ndarray]
    state: Mapping[str, Any]
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    halted: str = ""

    def to_bytes(self) -> bytes:
        """This checkpoint as one safetensors file: arrays as tensors, the rest as JSON in its metadata."""
        rest = {
            "state": dict(self.state),
            "epoch": self.epoch,
            "batch": self.batch,
            "batches": self.batches,
            "halted": self.halted,
        }
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        return bytes(save_tensors(arrays, metadata={"checkpoint": json.dumps(rest)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Read back what `to_bytes` wrote.

        Raises:
            ValueError: the bytes are not a whole checkpoint.
        """
        try:
            length = int.from_bytes(data[:8], "little")
            rest = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["checkpoint"])
            return cls(arrays=load_tensors(data), **rest)
        except (SafetensorError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
            raise ValueError("this file is not a whole checkpoint: it may be cut short or damaged") from error


class TrainingSettings(Protocol):
    """What every trainer reads of a config; each adds what it alone needs."""

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def initializer(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def seed(self) -> int: ...


def is_over(config: TrainingSettings, checkpoint: Checkpoint) -> bool:
    """Whether there is nothing left to train: all epochs are done, or training has halted."""
    return checkpoint.epoch >= config.epochs or bool(checkpoint.halted)
