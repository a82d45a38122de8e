"""The report's table of Networks A and B, with our recorded runs beside it: per cell report, ours, difference.

`result_rows(recorded_networks())` gives one row for each recorded run, also for variants that the report does not have;
`in_words` says where ours differs by more than chance, `reasons` why a figure lies far from the report's. Everything is
computed from the recorded epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlcore.experiments.comparison import Verdict, compare_shares
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.recorded import RecordedRun
from mlcore.experiments.reports import R2_EXPERIMENTS, R2_IMAGES, R2Experiment

# The report's experiment 2 is two things: what it says it ran, and what its code ran. Both are held against it.
EXPERIMENT_OF: Mapping[str, int] = {"baseline": 1, "dropout-as-run": 2, "dropout-step": 2}
SPREAD_EPOCHS = 50
"""Every figure wobbles from epoch to epoch, and this many last epochs show by how much."""
EXPECTED: Mapping[str, float] = {"A": 0.4, "B": 0.3}
"""Points by which an accuracy of each network may differ from the report's before a reason is looked for."""
STOPPED = 1e-3
"""Share of its first learning rate below which a schedule has ended the training."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the table.

    Attributes:
        measure: what it is, e.g. "validation accuracy".
        kind: "accuracy" (a fraction), "loss" (nats) or "seconds".
        ours: from the recorded epochs.
        report: the report's figure; None where it has none.
        verdict: difference of two accuracies in points, with its interval; None for other kinds or without a report.
        images: how many images an accuracy stands on; 0 for other kinds.
        spread: lowest and highest of ours over the last epochs; None where it says nothing.
        mean: of ours over the last epochs; 0 where it says nothing.
        ours_epoch, report_epoch: for the best epoch's figures, which epoch that was; 0 otherwise.
    """

    measure: str
    kind: str
    ours: float
    report: float | None = None
    verdict: Verdict | None = None
    images: int = 0
    spread: tuple[float, float] | None = None
    mean: float = 0.0
    ours_epoch: int = 0
    report_epoch: int = 0

    @property
    def difference(self) -> float | None:
        """Ours minus the report's, in the figure's own unit."""
        return None if self.report is None else self.ours - self.report


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One recorded run in the table.

    Attributes:
        experiment: of the report, that the run is held against; 0 for none.
        stopped: first epoch with a learning rate below `STOPPED` of the first one; 0 where there is none.
        learned: share of the training images right at the end, dropout off.
        before_cut: last epoch at the first learning rate, and the validation accuracy after it.
    """

    name: str
    title: str
    network: str
    experiment: int
    epochs: int
    planned: int
    stopped: int
    learned: float
    before_cut: tuple[int, float]
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
    rate = run.epochs["learning_rate"]
    full = run.epochs[rate == rate.iloc[0]].iloc[-1]
    slow = run.epochs["epoch"][rate <= STOPPED * rate.iloc[0] * (1 + 1e-9)]
    return ResultRow(
        name=run.name,
        title=run.title,
        network=run.network,
        experiment=experiment,
        epochs=int(run.epochs["epoch"].iloc[-1]),
        planned=run.config.epochs,
        stopped=int(slow.iloc[0]) if len(slow) else 0,
        learned=float(run.epochs["train_accuracy_eval"].iloc[-1]),
        before_cut=(int(full["epoch"]), float(full["validation_accuracy"])),
        cells=tuple(_cells(run, report)),
    )


def _cells(run: RecordedRun, report: R2Experiment | None) -> list[Cell]:
    """The figures of one run: at its last epoch, at its best, and per epoch."""
    best = run.epochs.loc[run.epochs["validation_accuracy"].idxmax()]
    validation, test = R2_IMAGES["validation"], R2_IMAGES["test"]
    at_end = report.validation_accuracy if report else None
    return [
        _share_at_end(run, "validation accuracy", "validation_accuracy", at_end, validation),
        # The report prints one number for all four; ours are computed apart.
        _share_at_end(run, "precision", "precision", at_end, validation),
        _share_at_end(run, "recall", "recall", at_end, validation),
        _share_at_end(run, "F1", "f1", at_end, validation),
        _share_at_end(run, "test accuracy", "test_accuracy", report.test_accuracy if report else None, test),
        replace(
            _share(
                "best validation accuracy",
                best["validation_accuracy"],
                report.best_accuracy if report else None,
                validation,
            ),
            ours_epoch=int(best["epoch"]),
            report_epoch=(report.best_epoch or 0) if report else 0,
        ),
        replace(
            _share("test accuracy at the best epoch", best["test_accuracy"], None, test), ours_epoch=int(best["epoch"])
        ),
        _loss(run, "validation loss", "validation_loss", report.validation_loss if report else None),
        _loss(run, "training loss, as measured", "train_loss", report.train_loss if report else None),
        _loss(run, "training loss, evaluation mode", "train_loss_eval", None),
        Cell("seconds per epoch", "seconds", _seconds_per_epoch(run), report.seconds_per_epoch if report else None),
    ]


def _share(measure: str, ours: float, theirs: float | None, images: int) -> Cell:
    verdict = None if theirs is None else compare_shares(theirs, images, ours, images)
    return Cell(measure, "accuracy", float(ours), theirs, verdict, images)


def _share_at_end(run: RecordedRun, measure: str, column: str, theirs: float | None, images: int) -> Cell:
    cell = _share(measure, run.epochs[column].iloc[-1], theirs, images)
    return replace(cell, **_wobble(run, column))


def _loss(run: RecordedRun, measure: str, column: str, theirs: float | None) -> Cell:
    return replace(Cell(measure, "loss", float(run.epochs[column].iloc[-1]), theirs), **_wobble(run, column))


def _wobble(run: RecordedRun, column: str) -> dict[str, Any]:
    """How far a figure moves over the last epochs."""
    tail = run.epochs[column].tail(SPREAD_EPOCHS)
    return {"spread": (float(tail.min()), float(tail.max())), "mean": float(tail.mean())}


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


def points_text(points: float) -> str:
    """A difference in points with its sign: "−0.36"."""
    return f"{points:+.2f}".replace("-", "−")


def reasons(rows: Sequence[ResultRow]) -> list[str]:
    """Why accuracies lie further from the report's than `EXPECTED`: one line for each, from the recorded epochs."""
    lines = []
    for row in rows:
        far = [
            cell
            for cell in (row.cell("validation accuracy"), row.cell("test accuracy"))
            if cell.verdict and abs(cell.verdict.difference) > EXPECTED[row.network] + 1e-9
        ]
        if far and row.stopped:
            lines.append(f"**{row.title}**, {' and '.join(map(_distance, far))}. {_stopped(row, rows)}")
        else:
            lines += [f"**{row.title}**, {_distance(cell)}. {_reason(row, cell, rows)}" for cell in far]
    return lines


def _stopped(row: ResultRow, rows: Sequence[ResultRow]) -> str:
    """What the schedule has to do with it: beside the run with the same schedule alone, where that is recorded."""
    text = (
        f"From epoch {row.stopped} on its rate is a thousandth of the first or less, and at the end only "
        f"{percent_text(row.learned)} of its training images are right."
    )
    by_name = {other.name: other for other in rows if other is not row}
    schedule, dropout = by_name.get(f"{row.network}-step"), by_name.get(f"{row.network}-dropout-as-run")
    ours = row.cell("validation accuracy").ours
    if schedule is None or dropout is None:
        return text
    ends = [other.cell("validation accuracy").ours for other in (schedule, dropout)]
    if min(ends) <= ours or schedule.before_cut[1] <= row.before_cut[1]:
        return text
    return (
        f"{text} The schedule alone does not do that: without dropout the same rate and the same cuts end at "
        f"{percent_text(ends[0])} on the validation images. Nor does dropout alone, at a rate of 0.001: "
        f"{percent_text(ends[1])}. Both together do: at a rate of 0.01 the run with dropout was behind before the "
        f"first cut, with {percent_text(row.before_cut[1])} against {percent_text(schedule.before_cut[1])} after epoch "
        f"{row.before_cut[0]}, and the cuts left it no time to catch up."
    )


def _distance(cell: Cell) -> str:
    assert cell.verdict is not None
    side = "below" if cell.verdict.difference < 0 else "above"
    return f"{cell.measure} {abs(cell.verdict.difference):.2f} points {side} the report's"


def _reason(row: ResultRow, cell: Cell, rows: Sequence[ResultRow]) -> str:
    """The first of these that the numbers bear out: the epochs' wobble, the test images, chance."""
    assert cell.report is not None
    assert cell.verdict is not None
    assert cell.spread is not None
    low, high = (percent_text(value) for value in cell.spread)
    moved = f"Over its last {min(SPREAD_EPOCHS, row.epochs)} epochs ours moved between {low} and {high}"
    # The report rounds to a tenth or a hundredth of a per cent.
    if cell.spread[0] - 5e-5 <= cell.report <= cell.spread[1] + 5e-5:
        return (
            f"{moved}, {percent_text(cell.mean)} on average, and the report's {percent_text(cell.report)} lies in "
            "that range: which of these epochs is the last one is luck."
        )
    harder = [other.cell("test accuracy").mean - other.cell("validation accuracy").mean for other in rows]
    if cell.measure == "test accuracy" and cell.verdict.difference < 0 and max(harder) < 0:
        return (
            f"{moved}, so it is not the last epoch's luck. All {len(rows)} recordings do worse on these "
            f"{cell.images:,} images than on the validation images, by {-100 * sum(harder) / len(harder):.2f} points "
            f"on average over their last {SPREAD_EPOCHS} epochs: they are harder ones. The report drew another random "
            f"5 % to test on. {'Chance in the images can do the rest.' if cell.verdict.noise else ''}".rstrip()
        )
    interval = f"{points_text(cell.verdict.low)} to {points_text(cell.verdict.high)}"
    chance = f"the 95 % interval for {cell.images:,} images is {interval}"
    if cell.verdict.noise:
        return f"{moved}, which leaves the report's out, but {chance} points: chance in the images can do that."
    return f"{moved}, and {chance} points: neither explains it. What is left is another seed, and another split."
