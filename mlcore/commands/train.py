"""`python -m mlcore train scratch` and `python -m mlcore train network`: a run from its config to its last epoch.

The options are the fields of the config models, so the command line cannot fall behind them. With `--json` every epoch
is one line of JSON and the summary the last; without, a terminal gets a progress bar and a table.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlcore.data.mnist import Digits
    from mlcore.experiments.configs import Config
    from mlcore.records import Checkpoint, EpochResult

SCRATCH_FIGURES = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
NETWORK_FIGURES = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "train_loss_eval",
    "validation_loss",
    "validation_accuracy",
    "precision",
    "recall",
    "f1",
    "learning_rate",
    "seconds",
)
FIGURES = {"scratch": SCRATCH_FIGURES, "network": NETWORK_FIGURES}
TRAINERS = {"scratch": "mlcore.scratch.trainer", "network": "mlcore.networks.trainer"}
HEADINGS = {
    "train_loss": "train loss",
    "train_accuracy": "train acc.",
    "test_loss": "test loss",
    "test_accuracy": "test acc.",
    "train_loss_eval": "train loss, eval",
    "validation_loss": "val. loss",
    "validation_accuracy": "val. acc.",
    "learning_rate": "rate",
}
# How long the run is advanced between two looks at the progress bar.
SLICE_SECONDS = 0.25


def add_train_commands(train: typer.Typer) -> None:
    """Give `train` one command for each kind of network, made from the fields of its config."""
    train.command("scratch", help="Train the NumPy network of report R1.")(_command("scratch"))
    train.command("network", help="Train network A or B of report R2 in PyTorch.")(_command("network"))


def _command(kind: str) -> Callable[..., None]:
    """A function with one parameter for each config field; Typer makes one option of each."""

    def command(**options: Any) -> None:
        _train(kind, options)

    command.__signature__ = inspect.Signature(_parameters(kind))  # type: ignore[attr-defined]
    return command


def _parameters(kind: str) -> list[inspect.Parameter]:
    # This runs when the command line starts, so it reads the models only for the command that was asked for.
    fields: dict[str, tuple[Any, Any]] = {}
    if kind in sys.argv[2:3]:
        for name, field in _model(kind).model_fields.items():
            if name in ("kind", "source"):
                continue
            help_text = f"{field.description} (default: {_shown(field.default)})"
            if field.annotation is bool:
                fields[name] = (Annotated[bool, typer.Option(f"--{name.replace('_', '-')}", help=help_text)], False)
            else:
                # Text, whatever the field's type: the config says in one sentence what is wrong with it.
                fields[name] = (Annotated[str | None, typer.Option(metavar="VALUE", help=help_text)], None)
    fields["source"] = (
        Annotated[str | None, typer.Option(help="mnist or sample; mnist where it is in the data directory.")],
        None,
    )
    fields["data_dir"] = (
        Annotated[Path | None, typer.Option(help="A torchvision root (default: $MLCORE_DATA, then data/).")],
        None,
    )
    fields["json"] = (Annotated[bool, typer.Option("--json", help="One JSON object a line.")], False)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, keyword, default=d, annotation=a) for name, (a, d) in fields.items()]


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "none"
    return "none" if default is None else str(default)


def _model(kind: str) -> Any:
    from mlcore.experiments.configs import NetworkConfig, ScratchConfig

    return {"scratch": ScratchConfig, "network": NetworkConfig}[kind]


def _train(kind: str, options: dict[str, Any]) -> None:
    from mlcore.data.mnist import DataUnavailable

    as_json, data_dir, source = options.pop("json"), options.pop("data_dir"), options.pop("source")
    try:
        config = _config(kind, {**options, "source": source or _default_source(data_dir)})
        data = _open(config, data_dir)
    except (DataUnavailable, _Refused) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    show = _show_json if as_json else _show_table
    results, checkpoint = show(config, data)
    summary = _summary(config, data, results, checkpoint)
    if as_json:
        print(json.dumps({"summary": _finite(summary)}), flush=True)
    elif results:
        print(_closing_words(summary))
    if checkpoint.halted:
        print(checkpoint.halted, file=sys.stderr)


class _Refused(ValueError):
    """The options describe no run; the message is one sentence for each that is wrong."""


def _config(kind: str, options: Mapping[str, Any]) -> Config:
    from pydantic import ValidationError

    from mlcore.experiments.configs import config_problems

    given = {name: value for name, value in options.items() if value is not None}
    try:
        config: Config = _model(kind)(**given)
    except ValidationError as error:
        raise _Refused(" ".join(config_problems(error).values())) from None
    return config


def _default_source(data_dir: Path | None) -> str:
    # A directory that was named is meant: where MNIST is not in it, that is worth a sentence, not a silent sample.
    from mlcore.data.mnist import available_sources

    return "mnist" if data_dir is not None or "mnist" in available_sources(None) else "sample"


def _open(config: Config, data_dir: Path | None) -> Digits:
    from mlcore.data.mnist import open_source

    return open_source(config.source, data_dir)


def _advance(config: Config, data: Digits) -> Iterator[tuple[Checkpoint, list[EpochResult]]]:
    """The run, a slice at a time, to its last epoch or to where it halts."""
    from threadpoolctl import threadpool_limits

    trainer = importlib.import_module(TRAINERS[config.kind])
    checkpoint: Checkpoint | None = None
    with threadpool_limits(1):
        while checkpoint is None or (checkpoint.epoch < config.epochs and not checkpoint.halted):
            checkpoint, results = trainer.advance(config, checkpoint, data, SLICE_SECONDS)
            yield checkpoint, list(results)


def _show_json(config: Config, data: Digits) -> tuple[list[EpochResult], Checkpoint]:
    everything: list[EpochResult] = []
    for checkpoint, results in _advance(config, data):  # noqa: B007 (the last one is returned)
        for result in results:
            figures = result.figures()
            print(json.dumps(_finite({name: figures[name] for name in FIGURES[config.kind]})), flush=True)
        everything += results
    return everything, checkpoint


def _show_table(config: Config, data: Digits) -> tuple[list[EpochResult], Checkpoint]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(highlight=False)
    everything: list[EpochResult] = []
    names = FIGURES[config.kind]
    widths = [max(len(HEADINGS.get(name, name)), 8) for name in names]
    line = "  ".join(HEADINGS.get(name, name).rjust(width) for name, width in zip(names, widths, strict=True))
    # A line wider than the window would wrap; the window's own width is the reader's choice.
    console.print(line, style="bold", soft_wrap=True)
    columns = (TextColumn("epoch {task.fields[at]}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("train", total=config.epochs, at=f"1 of {config.epochs}")
        for checkpoint, results in _advance(config, data):
            for result in results:
                figures = result.figures()
                cells = [_cell(name, figures[name]).rjust(w) for name, w in zip(names, widths, strict=True)]
                bar.console.print("  ".join(cells), soft_wrap=True)
            everything += results
            done = checkpoint.epoch + (checkpoint.batch / checkpoint.batches if checkpoint.batches else 0)
            bar.update(task, completed=done, at=f"{min(checkpoint.epoch + 1, config.epochs)} of {config.epochs}")
    return everything, checkpoint


def _cell(name: str, value: float) -> str:
    if name == "epoch":
        return f"{value:d}"
    if name == "seconds":
        return f"{value:.2f}"
    return f"{value:.3g}" if name == "learning_rate" else f"{value:.4f}"


def _summary(config: Config, data: Digits, results: list[EpochResult], checkpoint: Checkpoint) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "parameters": config.parameters,
        "seconds": sum(result.seconds for result in results),
        "confusion": results[-1].confusion if results else [],
        "data_hash": data.data_hash,
    }
    if config.kind == "network" and results:
        figures = [result.figures() for result in results]
        best = max(figures, key=lambda row: row["validation_accuracy"])
        summary |= {
            "test_accuracy": figures[-1]["test_accuracy"],
            "best_epoch": best["epoch"],
            "best_validation_accuracy": best["validation_accuracy"],
            "best_test_accuracy": best["test_accuracy"],
        }
    if checkpoint.halted:
        summary["halted"] = checkpoint.halted
    return summary


def _closing_words(summary: Mapping[str, Any]) -> str:
    words = f"{summary['parameters']:,} parameters, {summary['seconds']:.1f} s of training."
    if "best_epoch" in summary:
        words += (
            f" Best epoch by validation: {summary['best_epoch']} ({summary['best_validation_accuracy']:.2%});"
            f" its accuracy on the test images {summary['best_test_accuracy']:.2%},"
            f" the last epoch's {summary['test_accuracy']:.2%}."
        )
    return words


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return value
