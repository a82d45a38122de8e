"""The report's table of Networks A and B, with our recorded runs beside it: per cell report, ours, difference.

`result_rows(recorded_networks())` gives one row for each recorded run, also for variants that the report does not have;
`in_words` says where ours differs by more than chance. Everything is computed from the recorded epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlcore.experiments.comparison import Verdict, compare_shares
from mlcore.experiments.recorded import RecordedRun
from mlcore.experiments.reports import R2_EXPERIMENTS, R2_IMAGES, R2Experiment

# The report's experiment 2 is two things: what it says it ran, and what its code ran. Both are held against it.
EXPERIMENT_OF: Mapping[str, int] = {"baseline": 1, "dropout-as-run": 2, "dropout-step": 2}
SPREAD_EPOCHS = 50
"""A loss has no interval in the report; ours wobbles, and this many last epochs show by how much."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the table.

    Attributes:
        measure: what it is, e.g. "validation accuracy".
        kind: "accuracy" (a fraction), "loss" (nats) or "seconds".
        ours: from the recorded epochs.
        report: the report's figure; None where it has none.
        verdict: difference of two accuracies in points, with its interval; None for other kinds or without a report.
        spread: lowest and highest of ours over the last epochs; None where it says nothing.
        ours_epoch, report_epoch: for the best epoch's figures, which epoch that was; 0 otherwise.
    """

    measure: str
    kind: str
    ours: float
    report: float | None = None
    verdict: Verdict | None = None
    spread: tuple[float, float] | None = None
    ours_epoch: int = 0
    report_epoch: int = 0

    @property
    def difference(self) -> float | None:
        """Ours minus the report's, in the figure's own unit."""
        return None if self.report is None else self.ours - self.report


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One recorded run in the table."""

    name: str
    title: str
    network: str
    experiment: int
    epochs: int
    planned: int
    cells: tuple[Cell, ...]

    def cell(self, measure: str) -> Cell:
        """The cell of a measure.

        Raises:
            KeyError: there is no such measure.
        """
        for cell in self.cells:
            if cell.measure == measure:
                return cell
        raise KeyError(f"no measure is called {measure!r}")


def result_rows(recorded: Mapping[str, RecordedRun]) -> list[ResultRow]:
    """One row per recorded run that has an epoch, in the order they are given."""
    return [_row(run) for run in recorded.values() if len(run.epochs)]


def _row(run: RecordedRun) -> ResultRow:
    experiment = EXPERIMENT_OF.get(run.name.partition("-")[2], 0)
    report = R2_EXPERIMENTS[f"{run.network}{experiment}"] if experiment else None
    return ResultRow(
        name=run.name,
        title=run.title,
        network=run.network,
        experiment=experiment,
        epochs=int(run.epochs["epoch"].iloc[-1]),
        planned=run.config.epochs,
        cells=tuple(_cells(run, report)),
    )


def _cells(run: RecordedRun, report: R2Experiment | None) -> list[Cell]:
    """The figures of one run: at its last epoch, at its best, and per epoch."""
    table = run.epochs
    last, tail = table.iloc[-1], table.tail(SPREAD_EPOCHS)
    best = table.loc[table["validation_accuracy"].idxmax()]
    validation, test = R2_IMAGES["validation"], R2_IMAGES["test"]

    def share(
        measure: str, ours: float, theirs: float | None, images: int, epoch: int = 0, report_epoch: int = 0
    ) -> Cell:
        verdict = None if theirs is None else compare_shares(theirs, images, ours, images)
        return Cell(measure, "accuracy", float(ours), theirs, verdict, None, epoch, report_epoch)

    def loss(measure: str, column: str, theirs: float | None) -> Cell:
        return Cell(
            measure, "loss", float(last[column]), theirs, None, (float(tail[column].min()), float(tail[column].max()))
        )

    at_end = report.validation_accuracy if report else None
    return [
        share("validation accuracy", last["validation_accuracy"], at_end, validation),
        # The report prints one number for all four; ours are computed apart.
        share("precision", last["precision"], at_end, validation),
        share("recall", last["recall"], at_end, validation),
        share("F1", last["f1"], at_end, validation),
        share("test accuracy", last["test_accuracy"], report.test_accuracy if report else None, test),
        share(
            "best validation accuracy",
            best["validation_accuracy"],
            report.best_accuracy if report else None,
            validation,
            epoch=int(best["epoch"]),
            report_epoch=(report.best_epoch or 0) if report else 0,
        ),
        share("test accuracy at the best epoch", best["test_accuracy"], None, test, epoch=int(best["epoch"])),
        loss("validation loss", "validation_loss", report.validation_loss if report else None),
        loss("training loss, as measured", "train_loss", report.train_loss if report else None),
        loss("training loss, evaluation mode", "train_loss_eval", None),
        Cell(
            "seconds per epoch",
            "seconds",
            _seconds_per_epoch(run),
            report.seconds_per_epoch if report else None,
        ),
    ]


def _seconds_per_epoch(run: RecordedRun) -> float:
    """Processor time of an epoch, evaluation included: recordings share their machine, so the clock on the wall would
    tell how much else was going on. Without it, the time below which a tenth of the epochs stayed."""
    processor = float(run.summary.get("cpu_seconds", 0.0))
    return processor / len(run.epochs) if processor else float(run.epochs["seconds"].quantile(0.1))


def in_words(rows: list[ResultRow]) -> list[str]:
    """Which of the report's accuracies ours agree with, and which not: one sentence per run that the report has."""
    lines = []
    for row in rows:
        judged = [
            cell for cell in row.cells if cell.verdict is not None and cell.measure not in ("precision", "recall", "F1")
        ]
        if not judged:
            continue
        apart = [cell for cell in judged if cell.verdict is not None and not cell.verdict.noise]
        length = "" if row.epochs == row.planned else f" (recorded up to epoch {row.epochs} so far)"
        if not apart:
            lines.append(f"**{row.title}**{length}: every accuracy agrees with the report's within chance.")
            continue
        told = "; ".join(f"{cell.measure} {cell.verdict.words}" for cell in apart if cell.verdict)
        lines.append(f"**{row.title}**{length}: {told}.")
    return lines


def second_experiment(rows: list[ResultRow]) -> list[str]:
    """Which reading of the report's experiment 2 fits its figures, its text or its code; one line a network."""
    lines = []
    by_name = {row.name: row for row in rows}
    for network in ("A", "B"):
        told, ran = by_name.get(f"{network}-dropout-step"), by_name.get(f"{network}-dropout-as-run")
        if told is None or ran is None:
            continue
        distance = {}
        for row, reading in ((told, "as described"), (ran, "as its code ran")):
            cells = (row.cell("validation accuracy"), row.cell("test accuracy"))
            distance[reading] = sum(abs(cell.verdict.difference) for cell in cells if cell.verdict) / len(cells)
        near = min(distance, key=lambda reading: distance[reading])
        far = max(distance, key=lambda reading: distance[reading])
        lines.append(
            f"**Experiment 2 on network {network}**: the report's accuracies are {distance[near]:.1f} points from "
            "our run "
            f"{near} and {distance[far]:.1f} points from our run {far}, on average over validation and test."
        )
    return lines
