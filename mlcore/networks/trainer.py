"""Training networks A and B: Adam on shuffled batches, dropout and a learning-rate schedule if asked for (report R2).

`advance` moves a run onward for some seconds and is the only way a run moves; `train` loops over it. The numbers
depend on the config and the data alone: the batches of an epoch follow from (seed, epoch), dropout's masks from (seed,
epoch, batch), so two variants with one seed start from the same weights and see the same batches, and a run that was
interrupted anywhere ends on the same bits as one that was not.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mlcore.classification import confusion_matrix, precision_recall_f1
from mlcore.data.mnist import Digits
from mlcore.data.splits import NetworkSplit, split_network
from mlcore.networks.architectures import TRAIN_EVALUATION_IMAGES
from mlcore.networks.evaluation import Judgement, evaluate
from mlcore.networks.model import initial_parameters
from mlcore.networks.step import DropoutMasks, Step, normalise
from mlcore.records import Checkpoint, NetworkEpoch, TrainingSettings, is_over
from mlcore.scratch.threads import one_thread

# Streams of random numbers that share a seed but must not share numbers.
_ORDER, _DROPOUT, _JUDGED_WITH_DROPOUT = 11, 12, 13


class NetworkSettings(TrainingSettings, Protocol):
    """What the trainer reads of a config; `mlcore.experiments.configs.NetworkConfig` is one."""

    @property
    def dropout(self) -> float: ...
    @property
    def step_size(self) -> int | None: ...
    @property
    def gamma(self) -> float: ...
    @property
    def step_on_loss(self) -> bool: ...
    @property
    def evaluate_with_dropout(self) -> bool: ...


def train(config: NetworkSettings, data: Digits) -> Iterator[NetworkEpoch]:
    """Train from the initial weights to the last epoch, one `NetworkEpoch` at a time.

    Args:
        config: what to train, such as a `NetworkConfig`.
        data: the digits; they are split as `mlcore.data.splits.split_network` says.
    """
    checkpoint: Checkpoint | None = None
    while checkpoint is None or not is_over(config, checkpoint):
        checkpoint, results = advance(config, checkpoint, data, seconds=1.0)
        yield from results


def epoch_order(rows: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """The training rows in the order that epoch `epoch` (0 for the first) takes them."""
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(rows)


def advance(
    config: NetworkSettings, checkpoint: Checkpoint | None, data: Digits, seconds: float, device: str = "cpu"
) -> tuple[Checkpoint, list[NetworkEpoch]]:
    """Train a run onward for about `seconds` (at least one batch), and report the epochs that ended.

    Args:
        checkpoint: where the run stands; None for its start. `seconds=0` with None gives the start itself.
        device: where to train; the bits are the same only on the same device.

    Returns:
        Where it stands now, and the results of the epochs finished on the way. `checkpoint.halted` says why a run
        that diverged cannot go on.
    """
    with _one_thread():
        run = _Run(config, checkpoint or _start(config), data, torch.device(device))
        until = time.perf_counter() + seconds
        results: list[NetworkEpoch] = []
        while not run.over and (checkpoint is not None or seconds > 0):
            result = run.train_until(until)
            if result is not None:
                results.append(result)
            if time.perf_counter() >= until:
                break
        return run.checkpoint(), results


@contextmanager
def _one_thread() -> Iterator[None]:
    # One thread a training is fastest for batches this small; numbers too small for float32's normal range, which
    # gather late in a run, would cost a hundred times an ordinary operation and change nothing.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with torch.no_grad(), one_thread(), np.errstate(all="ignore"):
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def _start(config: NetworkSettings) -> Checkpoint:
    parameters = initial_parameters(config.sizes, config.initializer, config.seed).numpy()
    arrays = {
        "parameters": parameters,
        "first_moment": np.zeros_like(parameters),
        "second_moment": np.zeros_like(parameters),
    }
    return Checkpoint(arrays, {"steps": 0, "scheduler": None, "loss": 0.0, "correct": 0, "seconds": 0.0})


class _Run:
    """A run unpacked from its checkpoint: parameters, optimizer and scheduler as PyTorch has them."""

    def __init__(self, config: NetworkSettings, checkpoint: Checkpoint, data: Digits, device: torch.device) -> None:
        self.config, self.data = config, data
        self.split = split_network(data, config.seed)
        self.epoch, self.batch, self.halted = checkpoint.epoch, checkpoint.batch, checkpoint.halted
        self.batches = math.ceil(len(self.split.train) / config.batch_size)
        self.masks = DropoutMasks(config.dropout, config.sizes[1:-1]) if config.dropout else None
        arrays = {name: torch.from_numpy(array.copy()).to(device) for name, array in checkpoint.arrays.items()}
        state = checkpoint.state
        self.loss, self.correct, self.seconds = state["loss"], state["correct"], state["seconds"]
        self.parameters = torch.nn.Parameter(arrays["parameters"], requires_grad=False)
        self.step = Step(self.parameters.data, config.sizes, min(config.batch_size, len(self.split.train)))
        # All parameters are one vector, so the optimizer's work is one operation a batch.
        self.optimizer = torch.optim.Adam([self.parameters], lr=config.learning_rate, fused=True)
        self.optimizer.state[self.parameters] = {
            "step": torch.tensor(float(state["steps"]), device=device),
            "exp_avg": arrays["first_moment"],
            "exp_avg_sq": arrays["second_moment"],
        }
        self.scheduler = _scheduler(config, self.optimizer, state["scheduler"])

    @property
    def over(self) -> bool:
        return self.epoch >= self.config.epochs or bool(self.halted)

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def checkpoint(self) -> Checkpoint:
        """Where the run stands, with all that its future depends on."""
        moments = self.optimizer.state[self.parameters]
        return Checkpoint(
            arrays={
                "parameters": self.parameters.detach().cpu().numpy(),
                "first_moment": moments["exp_avg"].cpu().numpy(),
                "second_moment": moments["exp_avg_sq"].cpu().numpy(),
            },
            state={
                "steps": int(moments["step"]),
                "scheduler": self.scheduler.state_dict() if self.scheduler else None,
                "loss": self.loss,
                "correct": self.correct,
                "seconds": self.seconds,
            },
            epoch=self.epoch,
            batch=self.batch,
            batches=self.batches,
            halted=self.halted,
        )

    def train_until(self, until: float) -> NetworkEpoch | None:
        """Train batches until the epoch ends, then judge it; or until the time is up, and return None."""
        began = time.perf_counter()
        order = epoch_order(self.split.train, self.config.seed, self.epoch)
        size = self.config.batch_size
        while self.batch < self.batches and not self.halted:
            self._train_batch(order[self.batch * size : (self.batch + 1) * size])
            self.batch += 1
            if time.perf_counter() >= until:
                break
        self.seconds += time.perf_counter() - began
        if self.batch < self.batches or self.halted:
            return None
        return self._end_epoch()

    def _train_batch(self, rows: NDArray[np.intp]) -> None:
        count, scale = len(rows), self.masks.scale if self.masks else 1.0
        normalise(torch.from_numpy(self.data.images[rows]), self.step.activations[0][:count])
        labels = torch.from_numpy(self.data.labels[rows].astype(np.int64)).to(self.parameters.device)
        masks = self.masks.draw(count, self.config.seed, _DROPOUT, self.epoch, self.batch) if self.masks else None
        logits = self.step.forward(count, masks, scale)
        self.correct += int((logits.argmax(1) == labels).sum())
        loss = float(self.step.backward(torch.nn.functional.one_hot(labels, 10).float(), scale))
        if not math.isfinite(loss):
            self.halted = (
                f"Training stopped in epoch {self.epoch + 1}, batch {self.batch + 1}: the loss is no longer a finite "
                "number, because the weights have grown without bound. Try a smaller learning rate."
            )
            return
        self.loss += loss
        self.parameters.grad = self.step.gradient
        self.optimizer.step()

    def _end_epoch(self) -> NetworkEpoch:
        rate = self.learning_rate
        train, validation, test = (self._judge(part, rows) for part, rows in enumerate(self._judged_rows()))
        if self.scheduler:
            with warnings.catch_warnings():
                # PyTorch warns that an argument to step() is deprecated: the warning report R2 did not read.
                warnings.simplefilter("ignore")
                if self.config.step_on_loss:
                    self.scheduler.step(validation.loss)  # type: ignore[arg-type]
                else:
                    self.scheduler.step()
        result = self._result(rate, train, validation, test)
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss, self.correct, self.seconds = 0.0, 0, 0.0
        return result

    def _judged_rows(self) -> NetworkSplit:
        return self.split._replace(train=self.split.train[:TRAIN_EVALUATION_IMAGES])

    def _judge(self, part: int, rows: NDArray[np.intp]) -> Judgement:
        masks = self.masks if self.config.evaluate_with_dropout else None
        key = (self.config.seed, _JUDGED_WITH_DROPOUT, self.epoch, part)
        return evaluate(self.parameters.detach(), self.config.sizes, self.data, rows, masks, key)

    def _result(self, rate: float, train: Judgement, validation: Judgement, test: Judgement) -> NetworkEpoch:
        rows = self._judged_rows()
        confusion = confusion_matrix(self.data.labels[rows.validation], validation.predicted)
        precision, recall, f1 = precision_recall_f1(confusion, "weighted")
        precision_macro, recall_macro, f1_macro = precision_recall_f1(confusion, "macro")
        return NetworkEpoch(
            epoch=self.epoch + 1,
            train_loss=self.loss / len(self.split.train),
            train_accuracy=self.correct / len(self.split.train),
            train_loss_eval=train.loss,
            train_accuracy_eval=float(np.mean(train.predicted == self.data.labels[rows.train])),
            validation_loss=validation.loss,
            validation_accuracy=float(np.trace(confusion) / confusion.sum()),
            precision=float(precision),
            recall=float(recall),
            f1=float(f1),
            precision_macro=float(precision_macro),
            recall_macro=float(recall_macro),
            f1_macro=float(f1_macro),
            test_loss=test.loss,
            test_accuracy=float(np.mean(test.predicted == self.data.labels[rows.test])),
            learning_rate=rate,
            seconds=self.seconds,
            confusion=tuple(tuple(int(count) for count in row) for row in confusion),
            statistics={
                "dead": validation.dead,
                "weight_norm": tuple(float(weight.norm()) for weight, _ in self.step.weights),
                "gradient_norm": tuple(float(weight.norm()) for weight, _ in self.step.gradients),
            },
        )


def _scheduler(
    config: NetworkSettings, optimizer: torch.optim.Optimizer, state: dict[str, Any] | None
) -> torch.optim.lr_scheduler.StepLR | None:
    if config.step_size is None:
        return None
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, config.step_size, config.gamma)
    if state is not None:
        scheduler.load_state_dict(dict(state))
        optimizer.param_groups[0]["lr"] = scheduler.get_last_lr()[0]
    return scheduler
