"""How every benchmark measures: interleaved repetitions, medians, one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def data_directory(option: Path | None = None) -> Path:
    """Where full MNIST lies: the option, else $MLCORE_DATA, else mnist/ in the shared folder beside the project."""
    named = option or os.environ.get("MLCORE_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "mnist"


def interleaved(candidates: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, float]:
    """Call all candidates in turn, `repetitions` times after one to warm up; the median of each one's seconds."""
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repetitions):
        for name, run in candidates.items():
            seconds[name].append(run())
    return {name: median(values) for name, values in seconds.items()}


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table; a ratio is the peer's seconds over ours, above 1 where we are faster."""
    lines = [
        "| work | ours | peer | peer's | ratio | must reach | reached |",
        "| --- | ---: | --- | ---: | ---: | --- | --- |",
    ]
    for row in rows:
        met = {True: "yes", False: "no", None: ""}[row.get("met")]
        lines.append(
            f"| {row['work']} | {_seconds(row['ours_seconds'])} | {row['peer']} | {_seconds(row['peer_seconds'])} "
            f"| {row['ratio']:.2f} | {row.get('target') or ''} | {met} |"
        )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"
