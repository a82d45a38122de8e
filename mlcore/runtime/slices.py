"""What a worker does: take a run's checkpoint, train onward for about half a second, give back where it got to.

`run_slice` is the only function of this package that trains, and it runs in a worker process. It keeps nothing
between two calls but the digits, so any worker can do any slice and a worker that dies takes nothing with it.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import platform
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from mlcore.data import DataUnavailable, Digits, open_source
from mlcore.experiments.configs import Config, read_config
from mlcore.records import Checkpoint, EpochResult

# A run's kind -> the module whose `advance` trains it. Imported in the worker only: one of them brings PyTorch.
TRAINERS: Mapping[str, str] = {"scratch": "mlcore.scratch.trainer", "network": "mlcore.networks.trainer"}

# Why a disk would not take a file, in words; the run waits until it does.
DISK_ERRORS = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "The disk quota is used up",
    errno.EROFS: "The disk is read-only",
    errno.EACCES: "The run directory may not be written",
    errno.EIO: "The disk reports an error",
}
PAUSED_BY_DISK = "{cause}: training pauses and goes on by itself as soon as its results can be kept."


class Advance(Protocol):
    """How any run moves: see `mlcore.scratch.trainer.advance`."""

    def __call__(
        self, config: Any, checkpoint: Checkpoint | None, data: Digits, seconds: float
    ) -> tuple[Checkpoint, list[EpochResult]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceJob:
    """One slice of one run, as it is sent to a worker.

    Attributes:
        trainer: module with the `advance` to call.
        config: the run's config, as JSON.
        checkpoint: where to go on from, as `Checkpoint.to_bytes`; None with no `checkpoint_file` for the start.
        checkpoint_file: the same as a file of this machine, tried first.
        save_to: prefix of the files the worker leaves checkpoints in; empty to send them back with the result.
        seconds: how long to train.
        stop_at: epoch to stop at even if there is time left; 0 for none.
        history_bytes: how much room this run's weights, one set an epoch, may take altogether.
        data_dir: where MNIST lies.
        data_hash: the digits the run began with; empty if it has not begun.
    """

    trainer: str
    config: str
    checkpoint: bytes | None = None
    checkpoint_file: str = ""
    save_to: str = ""
    seconds: float = 0.5
    stop_at: int = 0
    history_bytes: int = 0
    data_dir: str | None = None
    data_hash: str = ""


@dataclass(slots=True, kw_only=True)
class SliceResult:
    """How far a slice got.

    Attributes:
        checkpoints: label -> bytes or file name; the label -1 is where the next slice goes on, 0 the start, others the
            weights after that epoch.
        epochs: `EpochResult.to_dict()` of each epoch that ended.
        epoch, batch, batches, halted: as in the new checkpoint.
        trained: batches done in this slice.
        seconds: how long that took, opening the digits and reading the checkpoint apart.
        error: one sentence if it went wrong; then nothing else counts.
        retry: the error may pass, the run may be tried again from where it was.
        lost: the file it should have gone on from is gone.
        detail: the traceback of an error that should not happen, for the log.
        pid: the worker's process.
    """

    checkpoints: dict[int, bytes | str] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    halted: str = ""
    trained: int = 0
    seconds: float = 0.0
    data_hash: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    error: str = ""
    retry: bool = False
    lost: bool = False
    detail: str = ""
    pid: int = 0


class _Lost(Exception):
    """The working file with the weights to go on from cannot be read."""


def run_slice(job: SliceJob) -> SliceResult:
    """Train a run onward. Whatever goes wrong comes back as a sentence; only the end of the process does not."""
    _single_thread()
    result = SliceResult(pid=os.getpid())
    try:
        _train(job, result)
    except _Lost:
        result.lost = True
    except DataUnavailable as error:
        result.error = str(error)
    except OSError as error:
        cause = DISK_ERRORS.get(error.errno or 0, "")
        result.error = PAUSED_BY_DISK.format(cause=cause) if cause else f"Training could not go on: {error}."
        result.retry, result.detail = bool(cause), "" if cause else traceback.format_exc()
    except MemoryError:
        result.error = "There is not enough memory for this run: a smaller network or batch may fit."
    except Exception as error:
        result.error = f"Training ended on an error it should not have met ({type(error).__name__}: {error})."
        result.detail = traceback.format_exc()
    return result


def _train(job: SliceJob, result: SliceResult) -> None:
    config = read_config(job.config)
    advance: Advance = importlib.import_module(job.trainer).advance
    data = open_digits(config.source, job.data_dir)
    if job.data_hash and job.data_hash != data.data_hash:
        result.error = "The digits are no longer those this run began with, so it cannot go on to the same end."
        return
    result.data_hash = data.data_hash
    result.versions = versions(config.kind)
    checkpoint = _read(job)
    if checkpoint is None:
        checkpoint = _up_to(0, advance, config, None, data, 0.0)[0]
        _keep(job, result, 0, checkpoint.to_bytes())

    last = min(job.stop_at or config.epochs, config.epochs)
    begin = time.perf_counter()
    while checkpoint.epoch < last and not checkpoint.halted:
        before = checkpoint
        left = job.seconds - (time.perf_counter() - begin)
        if left <= 0:
            break
        # One epoch at a time, so that the weights after each of them can be kept.
        checkpoint, results = _up_to(before.epoch + 1, advance, config, before, data, left)
        result.epochs += [item.to_dict() for item in results]
        epochs = checkpoint.epoch - before.epoch
        result.trained += epochs * checkpoint.batches + checkpoint.batch - before.batch
        if results:
            _keep_history(job, result, config.epochs, checkpoint)
    result.seconds = time.perf_counter() - begin
    _keep(job, result, -1, checkpoint.to_bytes())
    result.epoch, result.batch, result.batches = checkpoint.epoch, checkpoint.batch, checkpoint.batches
    result.halted = checkpoint.halted


def _up_to(
    epoch: int, advance: Advance, config: Config, checkpoint: Checkpoint | None, data: Digits, seconds: float
) -> tuple[Checkpoint, list[EpochResult]]:
    """Advance, but not past the end of this epoch: nothing a trainer does depends on how many epochs follow."""
    return advance(config.model_copy(update={"epochs": epoch}), checkpoint, data, seconds)


def _read(job: SliceJob) -> Checkpoint | None:
    """Where to go on from; a working file that is gone or damaged is `_Lost`: the store has the weights as well."""
    if job.checkpoint_file:
        try:
            return Checkpoint.from_bytes(Path(job.checkpoint_file).read_bytes())
        except (FileNotFoundError, ValueError) as error:
            raise _Lost from error
    return Checkpoint.from_bytes(job.checkpoint) if job.checkpoint is not None else None


def _keep(job: SliceJob, result: SliceResult, label: int, data: bytes) -> None:
    """Leave a checkpoint in a file, or in the result. A pipe would carry megabytes through the app's own process."""
    if not job.save_to:
        result.checkpoints[label] = data
        return
    path = Path(f"{job.save_to}.{label}")
    path.write_bytes(data)
    result.checkpoints[label] = str(path)


def _keep_history(job: SliceJob, result: SliceResult, epochs: int, checkpoint: Checkpoint) -> None:
    if not job.history_bytes:
        return
    size = sum(array.nbytes for array in checkpoint.arrays.values())
    if checkpoint.epoch == epochs or checkpoint.epoch % history_stride(epochs, size, job.history_bytes) == 0:
        _keep(job, result, checkpoint.epoch, checkpoint.to_bytes())


def history_stride(epochs: int, size: int, room: int) -> int:
    """Every how many epochs the weights are kept: the smallest power of two with which they fit into the room."""
    stride = 1
    while stride < epochs and (epochs // stride) * size > room:
        stride *= 2
    return stride


@functools.lru_cache(maxsize=4)
def open_digits(source: str, data_dir: str | None) -> Digits:
    """The digits, opened once a process; MNIST is mapped, so all processes share one copy."""
    return open_source(source, data_dir)


@functools.lru_cache(maxsize=2)
def versions(kind: str) -> dict[str, str]:
    """What the numbers of a run may depend on, by name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("numpy", "torch") if kind == "network" else ("numpy",):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.lru_cache(maxsize=1)
def _single_thread() -> None:
    """One BLAS thread a training: two fight over the cache and finish later. The limit lasts as long as the process."""
    threadpool_limits(1)


def warm(*modules: str) -> float:
    """Import these modules of ours, so that the next task need not wait for them; the seconds it took."""
    begin = time.perf_counter()
    for name in modules:
        if not (name == "torch" or name.startswith("mlcore.")):
            raise ValueError(f"only modules of mlcore are imported here, not {name!r:.60}")
        importlib.import_module(name)
    return time.perf_counter() - begin
