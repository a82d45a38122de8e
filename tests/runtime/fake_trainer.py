"""A trainer whose arithmetic is trivial and whose slices can be slow, wrong or deadly on purpose.

The seed of the config says how it behaves, so that nothing but the config has to reach the worker.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from mlcore.records import Checkpoint, EpochResult, ScratchEpoch

BATCHES = 10
# Seeds with a meaning; every other seed trains without trouble.
CRASHES = 666
IS_KILLED = 667
RAISES = 668
HANGS = 669
NO_ROOM = 670
BATCH_SECONDS = 0.004


def advance(
    config: Any, checkpoint: Checkpoint | None, data: Any, seconds: float
) -> tuple[Checkpoint, list[EpochResult]]:
    if checkpoint is None:
        rng = np.random.default_rng(config.seed)
        checkpoint = Checkpoint(
            arrays={"w": rng.normal(size=(100,)), "b": np.zeros(3)},
            state={"rng": rng.bit_generator.state, "sum": 0.0},
            batches=BATCHES,
        )
    if checkpoint.epoch >= config.epochs:
        return checkpoint, []
    _misbehave(config.seed)
    rng = np.random.default_rng()
    rng.bit_generator.state = checkpoint.state["rng"]
    w = checkpoint.arrays["w"].copy()
    total, epoch, batch = checkpoint.state["sum"], checkpoint.epoch, checkpoint.batch
    results: list[EpochResult] = []
    end = time.perf_counter() + seconds
    while epoch < config.epochs:
        w = w * 0.99 + config.learning_rate * rng.normal(size=w.shape)
        total += float(np.abs(w).sum())
        batch += 1
        time.sleep(BATCH_SECONDS)
        if batch == BATCHES:
            epoch, batch = epoch + 1, 0
            results.append(_figures(epoch, total))
            total = 0.0
        if time.perf_counter() >= end:
            break
    state = {"rng": rng.bit_generator.state, "sum": total}
    arrays = {"w": w, "b": checkpoint.arrays["b"]}
    return Checkpoint(arrays=arrays, state=state, epoch=epoch, batch=batch, batches=BATCHES), results


def _figures(epoch: int, total: float) -> EpochResult:
    accuracy = 1 - 1 / (1 + epoch)
    return ScratchEpoch(
        epoch=epoch, train_loss=total, train_accuracy=accuracy, seconds=0.1, test_loss=total, test_accuracy=accuracy
    )


def _misbehave(seed: int) -> None:
    if seed == CRASHES:
        os.kill(os.getpid(), signal.SIGSEGV)
    if seed == IS_KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == RAISES:
        raise RuntimeError("the fake trainer was asked to fail")
    if seed == HANGS:
        time.sleep(600)
    if seed == NO_ROOM:
        raise OSError(28, "No space left on device")
