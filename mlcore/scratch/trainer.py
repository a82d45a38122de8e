"""Training the NumPy network: shuffled batches, one plain gradient step each (report R1).

`advance` moves a run onward for some seconds and is the only way a run moves; `train` loops over it. The numbers
depend on the config and the data alone, since the order of an epoch's images follows from (seed, epoch): a run that
was interrupted anywhere ends on the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlcore.data.mnist import Digits
from mlcore.data.splits import split_fraction
from mlcore.records import Checkpoint, ScratchEpoch, TrainingSettings, is_over
from mlcore.scratch.evaluation import evaluate, gradient_norms, weight_norms
from mlcore.scratch.network import Network, initial_network
from mlcore.scratch.threads import one_thread

# The weights are what the seed itself draws; the order of the batches shares the seed but must not share its numbers.
_ORDER = 22
# Training images that tell how often each pixel has ink.
_SURVEYED = 1_000


class ScratchSettings(TrainingSettings, Protocol):
    """What the trainer reads of a config; `mlcore.experiments.configs.ScratchConfig` is one."""

    @property
    def activations(self) -> tuple[str, ...]: ...
    @property
    def bias(self) -> float: ...
    @property
    def train_fraction(self) -> float: ...


def train(config: ScratchSettings, data: Digits) -> Iterator[ScratchEpoch]:
    """Train from the initial weights to the last epoch, one `ScratchEpoch` at a time; fewer if the run diverges.

    Args:
        config: what to train, such as a `ScratchConfig`.
        data: the digits; they are split as `mlcore.data.splits.split_fraction` says.
    """
    checkpoint: Checkpoint | None = None
    while checkpoint is None or not is_over(config, checkpoint):
        checkpoint, results = advance(config, checkpoint, data, seconds=1.0)
        yield from results


def start(config: ScratchSettings, dtype: DTypeLike = np.float32) -> Checkpoint:
    """A run before its first batch.

    Args:
        dtype: float32 to train; with float64 the same run can be followed to more digits.
    """
    rng = np.random.default_rng(config.seed)
    network = initial_network(config.sizes, config.activations, config.initializer, config.bias, rng, dtype)
    return Checkpoint({"parameters": network.parameters}, {"loss": 0.0, "correct": 0, "seconds": 0.0})


def network_of(config: ScratchSettings, checkpoint: Checkpoint | None = None) -> Network:
    """The network of a run as it stands at a checkpoint (None: at its start); a copy."""
    parameters = (checkpoint or start(config)).arrays["parameters"].copy()
    return Network(config.sizes, config.activations, parameters)


def epoch_order(rows: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """The training rows in the order that epoch `epoch` (0 for the first) takes them."""
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(rows)


def advance(
    config: ScratchSettings, checkpoint: Checkpoint | None, data: Digits, seconds: float
) -> tuple[Checkpoint, list[ScratchEpoch]]:
    """Train a run onward for about `seconds` (at least one batch), and report the epochs that ended.

    Args:
        checkpoint: where the run stands; None for its start. `seconds=0` with None gives the start itself.

    Returns:
        Where it stands now, and the results of the epochs finished on the way. `checkpoint.halted` says why a run
        cannot go on: it diverged (its weights are then those that gave the first loss that is not finite), or all
        units of a layer died in the epoch that ended.
    """
    until = time.perf_counter() + seconds
    results: list[ScratchEpoch] = []
    with one_thread(), np.errstate(all="ignore"):
        run = _Run(config, checkpoint or start(config), data)
        while not run.over and (checkpoint is not None or seconds > 0):
            result = run.train_until(until)
            if result is not None:
                results.append(result)
            if time.perf_counter() >= until:
                break
        return run.checkpoint(), results


class _Run:
    """A run unpacked from its checkpoint."""

    def __init__(self, config: ScratchSettings, checkpoint: Checkpoint, data: Digits) -> None:
        self.config, self.data = config, data
        self.network = network_of(config, checkpoint)
        self.split = split_fraction(len(data), config.train_fraction, config.seed)
        self.epoch, self.batch, self.halted = checkpoint.epoch, checkpoint.batch, checkpoint.halted
        self.size = min(config.batch_size, len(self.split.train))
        self.batches = math.ceil(len(self.split.train) / self.size)
        state = checkpoint.state
        self.loss, self.correct, self.seconds = state["loss"], state["correct"], state["seconds"]
        # Only where training happens: its BLAS takes 16 MB that a process which merely reads runs need not hold.
        from mlcore.scratch.fast_steps import FastSteps

        ink = np.mean(data.images[self.split.train[:_SURVEYED]] > 0, axis=0)
        self.steps = FastSteps(self.network, self.size, config.learning_rate, ink)

    @property
    def over(self) -> bool:
        return self.epoch >= self.config.epochs or bool(self.halted)

    def checkpoint(self) -> Checkpoint:
        """Where the run stands, with all that its future depends on."""
        return Checkpoint(
            arrays={"parameters": self.network.parameters},
            state={"loss": self.loss, "correct": self.correct, "seconds": self.seconds},
            epoch=self.epoch,
            batch=self.batch,
            batches=self.batches,
            halted=self.halted,
        )

    def train_until(self, until: float) -> ScratchEpoch | None:
        """Train batches until the epoch ends, then judge it; or until the time is up, and return None."""
        began = time.perf_counter()
        order = epoch_order(self.split.train, self.config.seed, self.epoch)
        last_norms: tuple[float, ...] = ()
        while self.batch < self.batches and not self.halted:
            if self.batch == self.batches - 1:
                last = order[self.batch * self.size :]
                last_norms = gradient_norms(self.network, self.data.images[last], self.data.labels[last])
            self._train_piece(order, until)
            if time.perf_counter() >= until:
                break
        self.seconds += time.perf_counter() - began
        if self.batch < self.batches or self.halted:
            return None
        return self._end_epoch(last_norms)

    def _train_piece(self, order: NDArray[np.intp], until: float) -> None:
        """The batches that are fetched together, or what is left of them; the epoch's last batch by itself."""
        piece = self.batch - self.batch % self.steps.batches_at_a_time
        rows = order[piece * self.size : (piece + self.steps.batches_at_a_time) * self.size]
        self.steps.load(self.data.images, self.data.labels, rows)
        end = piece + math.ceil(len(rows) / self.size)
        if end == self.batches and self.batch < self.batches - 1:
            end -= 1
        counts, finite = self.steps.run(self.batch - piece, end - piece, until)
        for loss, right in counts:
            self.loss += loss
            self.correct += right
        self.batch += len(counts)
        if not finite:
            self.halted = _diverged(self.epoch, self.batch)

    def _end_epoch(self, last_norms: tuple[float, ...]) -> ScratchEpoch | None:
        judged = evaluate(self.network, self.data, self.split.test)
        if not math.isfinite(judged.loss):
            self.halted = _diverged(self.epoch, self.batch - 1)
            return None
        result = ScratchEpoch(
            epoch=self.epoch + 1,
            train_loss=self.loss / len(self.split.train),
            train_accuracy=self.correct / len(self.split.train),
            seconds=self.seconds,
            test_loss=judged.loss,
            test_accuracy=judged.accuracy,
            confusion=judged.confusion,
            statistics={
                "dead": judged.dead,
                "saturated": judged.saturated,
                "gradient_norm": last_norms,
                "weight_norm": weight_norms(self.network),
            },
        )
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss, self.correct, self.seconds = 0.0, 0, 0.0
        self.halted = _all_dead(self.epoch, self.config.sizes, judged.dead, last_norms)
        return result


def _all_dead(epoch: int, sizes: tuple[int, ...], dead: tuple[float, ...], norms: tuple[float, ...]) -> str:
    """Why training cannot go on when a whole layer gives 0 for every image and hands no gradient down; else empty."""
    layer = next((index for index, share in enumerate(dead, start=1) if share == 1), None)
    if layer is None or any(norms[:layer]):
        return ""
    return (
        f"Training stopped after epoch {epoch}: all {sizes[layer]} units of hidden layer {layer} give 0 for every "
        "test image (dead ReLUs), so no gradient reaches the weights below them and nothing more can be learned. Try a "
        "smaller learning rate, or leaky ReLU."
    )


def _diverged(epoch: int, batch: int) -> str:
    return (
        f"Training stopped in epoch {epoch + 1}, batch {batch + 1}: the loss is no longer a finite number, because "
        "the weights have grown without bound. Try a smaller learning rate, or initial weights that are scaled to "
        "the layer (Xavier or He)."
    )
