"""Recording the runs of `mlcore.experiments.recorded`: each is trained onward and saved as it goes.

`record_network` trains one run; stopped at any moment, it goes on from its last saved checkpoint. What it leaves in the
output folder is what the app reads; its checkpoint lies in a working folder that is not part of the project.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save_file

from mlcore.data.mnist import Digits, open_source
from mlcore.data.splits import split_network
from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.recorded import RECORDED_NETWORKS
from mlcore.records import Checkpoint, EpochResult, NetworkEpoch, epoch_from_dict, is_over

PACKAGES = ("torch", "numpy")
SLICE_SECONDS = 30.0
COMMAND = "python -m mlcore record networks --only {name} --data-dir DIR"


def record_network(
    name: str,
    data_dir: Path | None,
    out: Path,
    work: Path,
    device: str = "cpu",
    report: Callable[[str, EpochResult], None] | None = None,
) -> Path:
    """Train the run called `name` to its last epoch and write it to `out/name`; returns that folder.

    Args:
        name: one of `RECORDED_NETWORKS`.
        out: the folder the app reads.
        work: the folder for what is needed to go on after an interruption.
        device: `cpu` or `cuda`.
        report: called with each finished epoch.
    """
    from mlcore.networks.trainer import advance

    config = RECORDED_NETWORKS[name]
    data = open_source(config.source, data_dir)
    progress = _Progress(work / name)
    while progress.checkpoint is None or not is_over(config, progress.checkpoint):
        cpu = time.process_time()
        # To the end of an epoch and no further, so that the best epoch's weights can be kept.
        one_more = config.model_copy(update={"epochs": progress.epoch + 1})
        checkpoint, results = advance(one_more, progress.checkpoint, data, SLICE_SECONDS, device)
        for result in results:
            progress.keep_best(result, checkpoint)
            if report is not None:
                report(name, result)
        progress.advance(checkpoint, results, time.process_time() - cpu)
        if (results and results[-1].epoch % 25 == 0) or is_over(config, checkpoint):
            progress.save()
            _write(out / name, name, config, progress, data, device)
    return out / name


class _Progress:
    """What a recording has so far: the epochs, the latest checkpoint, the best weights, the processor time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.epochs: list[NetworkEpoch] = []
        self.checkpoint: Checkpoint | None = None
        self.best: NDArray[np.float32] | None = None
        self.best_epoch = 0
        self.cpu_seconds = 0.0
        if (folder / "progress.json").is_file():
            kept = json.loads((folder / "progress.json").read_text())
            self.epochs = [epoch_from_dict(row) for row in kept["epochs"]]  # type: ignore[misc]
            self.checkpoint = Checkpoint.from_bytes((folder / kept["checkpoint"]).read_bytes())
            self.best = np.load(folder / kept["best"])
            self.best_epoch, self.cpu_seconds = kept["best_epoch"], kept["cpu_seconds"]

    @property
    def epoch(self) -> int:
        return self.checkpoint.epoch if self.checkpoint else 0

    def keep_best(self, result: NetworkEpoch, checkpoint: Checkpoint) -> None:
        best = max((epoch.validation_accuracy for epoch in self.epochs), default=-1.0)
        if result.validation_accuracy > best:
            self.best_epoch, self.best = result.epoch, np.array(checkpoint.arrays["parameters"])

    def advance(self, checkpoint: Checkpoint, results: Sequence[NetworkEpoch], cpu_seconds: float) -> None:
        self.checkpoint = checkpoint
        self.epochs += results
        self.cpu_seconds += cpu_seconds

    def save(self) -> None:
        """Keep it for going on later: new files first, then the one that names them, so a crash leaves a whole set."""
        assert self.checkpoint is not None
        assert self.best is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        names = {"checkpoint": f"{self.checkpoint.epoch}.safetensors", "best": f"best-{self.best_epoch}.npy"}
        (self.folder / names["checkpoint"]).write_bytes(self.checkpoint.to_bytes())
        np.save(self.folder / names["best"], self.best)
        kept = {
            **names,
            "best_epoch": self.best_epoch,
            "cpu_seconds": self.cpu_seconds,
            "epochs": [epoch.to_dict() for epoch in self.epochs],
        }
        new = self.folder / "progress.new"
        new.write_text(json.dumps(kept))
        os.replace(new, self.folder / "progress.json")
        for file in self.folder.iterdir():
            if file.name not in (*names.values(), "progress.json"):
                file.unlink()


def _write(folder: Path, name: str, config: NetworkConfig, progress: _Progress, data: Digits, device: str) -> None:
    assert progress.checkpoint is not None
    assert progress.best is not None
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame([epoch.figures() for epoch in progress.epochs])
    frame.to_csv(folder / "epochs.csv", index=False, float_format="%.7g")
    weights = {"last": progress.checkpoint.arrays["parameters"], "best": progress.best}
    judged = {
        which: _save_weights(folder / f"{which}.safetensors", array, config, data) for which, array in weights.items()
    }
    summary = {
        "name": name,
        "config": config.model_dump(mode="json"),
        "command": COMMAND.format(name=name) + ("" if device == "cpu" else f" --device {device}"),
        "parameters": config.parameters,
        "epochs": len(progress.epochs),
        "complete": len(progress.epochs) == config.epochs,
        "halted": progress.checkpoint.halted,
        "seconds": round(sum(epoch.seconds for epoch in progress.epochs), 1),
        "cpu_seconds": round(progress.cpu_seconds, 1),
        "best_epoch": progress.best_epoch,
        "confusion": judged["last"]["validation_confusion"],
        "test_confusion": judged["last"]["test_confusion"],
        "best_confusion": judged["best"]["validation_confusion"],
        "best_test_confusion": judged["best"]["test_confusion"],
        "weights": {which: found["precision"] for which, found in judged.items()},
        "device": device,
        "machine": machine(device),
        "versions": versions(),
        "data_hash": data.data_hash,
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")


def _save_weights(path: Path, parameters: NDArray[np.float32], config: NetworkConfig, data: Digits) -> dict[str, Any]:
    """Save in half precision where that changes no more than one validation image in ten thousand, else in single."""
    import torch

    from mlcore.classification import confusion_matrix
    from mlcore.networks.evaluation import evaluate

    split = split_network(data, config.seed)

    def judge(values: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.int64]:
        predicted = evaluate(torch.from_numpy(values), config.sizes, data, rows).predicted
        return confusion_matrix(data.labels[rows], predicted)

    half = parameters.astype(np.float16)
    whole_counts, half_counts = judge(parameters, split.validation), judge(half.astype(np.float32), split.validation)
    moved = abs(int(np.trace(whole_counts)) - int(np.trace(half_counts)))
    keep = half if moved <= len(split.validation) / 10_000 else parameters
    save_file(named_weights(keep, config.sizes), path)
    return {
        "precision": str(keep.dtype),
        "validation_confusion": whole_counts.tolist(),
        "test_confusion": judge(parameters, split.test).tolist(),
    }


def named_weights(parameters: NDArray[Any], sizes: Sequence[int]) -> dict[str, NDArray[Any]]:
    """A flat vector in the order of `mlcore.networks.model` as `weight1` (inputs, units), `bias1` (units,), …"""
    named: dict[str, NDArray[Any]] = {}
    start = 0
    for layer, (inputs, units) in enumerate(pairwise(sizes), 1):
        middle, end = start + inputs * units, start + inputs * units + units
        named[f"weight{layer}"] = np.ascontiguousarray(parameters[start:middle].reshape(units, inputs).T)
        named[f"bias{layer}"] = parameters[middle:end].copy()
        start = end
    return named


def machine(device: str = "cpu") -> str:
    """The machine in words: processor, cores, system, and the GPU where one is trained on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    words = f"{model}, {os.cpu_count()} cores, {platform.system()}"
    if device == "cpu":
        return words
    import torch

    return f"{words}, {torch.cuda.get_device_name(device)}"


def versions() -> Mapping[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def record_networks(
    names: Sequence[str], data_dir: Path | None, out: Path, work: Path, device: str, workers: int
) -> Iterator[str]:
    """Record several runs, `workers` at a time in a process each; yields one line for each that is done.

    Raises:
        mlcore.data.mnist.DataUnavailable: full MNIST is not there.
        ValueError: there is no such device here.
    """
    import torch
    from loky import get_reusable_executor

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch finds no CUDA device here: leave --device out to train on the processor.")

    open_source("mnist", data_dir)
    with get_reusable_executor(max_workers=workers) as pool:
        waiting = {pool.submit(record_network, name, data_dir, out, work, device): name for name in names}
        for future in as_completed(waiting):
            folder = future.result()
            yield f"{waiting[future]} is recorded in {folder}"
