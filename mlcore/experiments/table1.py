"""R1's table 1 trained again: three splits × {tanh, ReLU} × {normal, He} weights × five seeds, as the report trained.

`record_table1(data_dir, out)` trains what is still missing and keeps every epoch of every run in `out/epochs.csv` and
what came of it in `out/summary.json`; `read_table1(out)` reads them back, and `Table1.cell("relu", 0.8, "he")` is the
figure to set beside the report's. Nothing but the weights differs between "normal" and "he": biases stay at one.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.reports import R1_ACTIVATIONS, R1_FRACTIONS, r1_config

RECORDED = Path(__file__).resolve().parents[2] / "assets" / "table1"
"""Where the recording that comes with the project lies."""
INITIALIZERS: tuple[str, ...] = ("normal", "he")
SEEDS: tuple[int, ...] = (52, 53, 54, 55, 56)
"""The report's own seed first."""
FIGURES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
COMMAND = "python -m mlcore record table1 --data-dir DIR --out assets/table1 --workers {workers}"


class RunKey(NamedTuple):
    """Which run of the table: its column, its weights, its seed."""

    activation: str
    train_fraction: float
    initializer: str
    seed: int

    def config(self, **changes: Any) -> ScratchConfig:
        """The report's settings with this run's activation, split, weights and seed."""
        settings = {"initializer": self.initializer, "seed": self.seed, **changes}
        return r1_config(self.activation, self.train_fraction, **settings)


class RecordingProblem(ValueError):
    """A recording that cannot be read, or cannot be continued; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One finished run.

    Attributes:
        epochs: figure name -> (epochs,) array; see `FIGURES`.
        confusion: (10, 10) counts on the test part after the last epoch; rows are true digits.
        seconds: training alone, all epochs.
        halted: one sentence where the run could not be trained to its end; empty otherwise.
    """

    key: RunKey
    epochs: Mapping[str, np.ndarray]
    confusion: np.ndarray
    seconds: float
    halted: str = ""

    @property
    def loss(self) -> float:
        """Test loss after the last epoch."""
        return float(self.epochs["test_loss"][-1])

    @property
    def accuracy(self) -> float:
        """Test accuracy after the last epoch, a fraction."""
        return float(self.epochs["test_accuracy"][-1])


@dataclass(frozen=True, slots=True)
class CellSummary:
    """One cell over its seeds: mean and spread (sample standard deviation) of loss and accuracy at the end.

    Attributes:
        accuracies, losses: one entry per seed, in the order of `seeds`.
        images: test images of this split.
    """

    activation: str
    train_fraction: float
    initializer: str
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    images: int

    @property
    def accuracy(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.accuracies))

    @property
    def loss(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.losses))

    @property
    def accuracy_spread(self) -> float:
        """Sample standard deviation over the seeds; 0 for a single one."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else 0.0

    @property
    def loss_spread(self) -> float:
        """Sample standard deviation over the seeds; 0 for a single one."""
        return float(np.std(self.losses, ddof=1)) if len(self.losses) > 1 else 0.0


@dataclass(frozen=True)
class Table1:
    """A whole recording: `about` says how it was made (command, versions, data hash, machine), `runs` what came out."""

    about: Mapping[str, Any]
    runs: Mapping[RunKey, RecordedRun]

    def cell(self, activation: str, train_fraction: float, initializer: str) -> CellSummary:
        """One cell over all its recorded seeds.

        Raises:
            KeyError: no run of this cell was recorded.
        """
        runs = [
            run
            for key, run in self.runs.items()
            if (key.activation, key.initializer) == (activation, initializer)
            and abs(key.train_fraction - train_fraction) < 1e-9
        ]
        if not runs:
            raise KeyError(f"nothing recorded for {activation}, {train_fraction:.0%}, {initializer}")
        return CellSummary(
            activation=activation,
            train_fraction=train_fraction,
            initializer=initializer,
            seeds=tuple(run.key.seed for run in runs),
            accuracies=tuple(run.accuracy for run in runs),
            losses=tuple(run.loss for run in runs),
            images=int(runs[0].confusion.sum()),
        )

    def cells(self, initializer: str) -> list[CellSummary]:
        """All six cells with these weights, in the order of the report's table."""
        return [self.cell(a, f, initializer) for a in R1_ACTIVATIONS for f in R1_FRACTIONS]


def table1_runs(seeds: tuple[int, ...] = SEEDS) -> list[RunKey]:
    """Every run of the table, one seed after the other, so that an unfinished recording holds whole tables first."""
    return [
        RunKey(activation, fraction, initializer, seed)
        for seed in seeds
        for activation in R1_ACTIVATIONS
        for fraction in R1_FRACTIONS
        for initializer in INITIALIZERS
    ]


def train_run(key: RunKey, data_dir: str | None = None, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Train one run to its end, on one BLAS thread; what came of it as plain values (a worker process sends them home).

    Args:
        changes: fields of the config to set otherwise, e.g. `{"source": "sample", "epochs": 2}`.

    Raises:
        mlcore.data.mnist.DataUnavailable: full MNIST is not in `data_dir`.
    """
    from threadpoolctl import threadpool_limits

    from mlcore.data.mnist import open_source
    from mlcore.scratch.trainer import train

    config = key.config(**(changes or {}))
    digits = open_source(config.source, Path(data_dir) if data_dir else None)
    with threadpool_limits(1):
        results = list(train(config, digits))
    halted = "" if len(results) == config.epochs else f"training stopped after epoch {len(results)} of {config.epochs}"
    return {
        "key": list(key),
        "config": config.model_dump(mode="json"),
        "parameters": config.parameters,
        "epochs": {name: [getattr(result, name) for result in results] for name in FIGURES},
        "confusion": [list(row) for row in results[-1].confusion] if results else [],
        "seconds": sum(result.seconds for result in results),
        "halted": halted,
        "data_hash": digits.data_hash,
    }


def record_table1(
    data_dir: Path | str | None = None,
    out: Path | str = RECORDED,
    *,
    workers: int = 1,
    seeds: tuple[int, ...] = SEEDS,
    changes: Mapping[str, Any] | None = None,
) -> Iterator[tuple[int, int, RunKey]]:
    """Train every run that `out` does not hold yet; after each, write both files and yield (done, total, its key).

    Interrupted at any moment, it goes on where it was when called again.

    Args:
        data_dir: where full MNIST lies (a torchvision root); the usual place if None.
        workers: processes to train in, one run and one thread each.
        changes: fields of every config to set otherwise (a test trains two epochs on the sample).

    Raises:
        RecordingProblem: `out` holds runs with other settings or of other data.
        mlcore.data.mnist.DataUnavailable: full MNIST is not there.
    """
    out = Path(out)
    done = _read_finished(out, changes or {})
    keys = table1_runs(seeds)
    missing = [key for key in keys if key not in done]
    directory = str(data_dir) if data_dir else None
    arguments = [(key, directory, dict(changes or {})) for key in missing]
    for result in _results(arguments, workers):
        key = _key(result["key"])
        if any(other["data_hash"] != result["data_hash"] for other in done.values()):
            raise RecordingProblem(f"{out} was recorded from other data: record into an empty folder")
        done[key] = result
        _write(out, {key: done[key] for key in keys if key in done}, workers)
        yield len(done), len(keys), key


def read_table1(out: Path | str = RECORDED) -> Table1:
    """The recording in a folder; read once per change of its files.

    Raises:
        RecordingProblem: there is none, or it is damaged.
    """
    out = Path(out)
    try:
        stamp = (out / "summary.json").stat().st_mtime_ns
    except OSError:
        raise RecordingProblem(f"no recording of table 1 in {out}: make one with {COMMAND.format(workers=2)}") from None
    return _read(out, stamp)


@lru_cache(maxsize=4)
def _read(out: Path, _stamp: int) -> Table1:
    finished, about = _load(out)
    runs = {
        key: RecordedRun(
            key=key,
            epochs={name: np.asarray(values) for name, values in run["epochs"].items()},
            confusion=np.asarray(run["confusion"], dtype=np.int64),
            seconds=run["seconds"],
            halted=run["halted"],
        )
        for key, run in finished.items()
    }
    return Table1(about, runs)


def _key(values: Any) -> RunKey:
    activation, fraction, initializer, seed = values
    return RunKey(str(activation), float(fraction), str(initializer), int(seed))


def _results(arguments: list[tuple[Any, ...]], workers: int) -> Iterator[dict[str, Any]]:
    """What each training came to, as it ends."""
    if workers <= 1:
        yield from (train_run(*item) for item in arguments)
        return
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=workers)
    try:
        for future in as_completed([pool.submit(train_run, *item) for item in arguments]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _load(out: Path) -> tuple[dict[RunKey, dict[str, Any]], dict[str, Any]]:
    """Both files put together again: run key -> what `train_run` returned, and how the recording was made."""
    try:
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        runs = {_key(run["key"]): {**run, "epochs": {name: [] for name in FIGURES}} for run in summary.pop("runs")}
        with (out / "epochs.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = _key((row["activation"], row["train_fraction"], row["initializer"], row["seed"]))
                # A run whose row reached the table before its summary did is trained again.
                if key in runs:
                    for name in FIGURES:
                        runs[key]["epochs"][name].append(float(row[name]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingProblem(f"the recording in {out} is damaged ({type(error).__name__}): record it again") from None
    return runs, summary


def _read_finished(out: Path, changes: Mapping[str, Any]) -> dict[RunKey, dict[str, Any]]:
    """The runs that are there already, after making sure that they are of the kind that is asked for."""
    if not (out / "summary.json").exists():
        return {}
    runs, _ = _load(out)
    for key, run in runs.items():
        if run["config"] != key.config(**changes).model_dump(mode="json"):
            raise RecordingProblem(f"{out} holds runs with other settings: record into an empty folder")
    return runs


def _write(out: Path, runs: Mapping[RunKey, Mapping[str, Any]], workers: int) -> None:
    """Both files, each replaced whole, the table first: what the summary names is always in the table."""
    from mlcore.experiments.recording import machine

    out.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*RunKey._fields, "epoch", *FIGURES])
    for key, run in runs.items():
        columns = [run["epochs"][name] for name in FIGURES]
        for epoch, figures in enumerate(zip(*columns, strict=True), start=1):
            # Nine digits hold a float32 result exactly enough to find it again; seconds need four.
            shown = [f"{value:.9g}" for value in figures[:-1]] + [f"{figures[-1]:.4g}"]
            writer.writerow([*key, epoch, *shown])
    _replace(out / "epochs.csv", text.getvalue())
    kept = [{name: value for name, value in run.items() if name != "epochs"} for run in runs.values()]
    summary = {
        "what": "report R1's table 1: 3 splits x {tanh, ReLU} x {normal, He} weights, 25 epochs, seed by seed",
        "command": COMMAND.format(workers=workers),
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "machine": machine(),
        "data_hash": next(iter(runs.values()))["data_hash"],
        "seconds": round(sum(run["seconds"] for run in runs.values()), 1),
    }
    head = json.dumps(summary, indent=1)[:-2]
    lines = ",\n".join("  " + json.dumps(run) for run in kept)
    _replace(out / "summary.json", f'{head},\n "runs": [\n{lines}\n ]\n}}\n')


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(path.suffix + ".new")
    beside.write_text(text, encoding="utf-8", newline="\n")
    os.replace(beside, path)
