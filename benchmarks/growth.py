"""How time and memory grow: with the runs that train at once, with a network's width, with the number of images.

`python -m benchmarks.growth` prints three Markdown tables. Each line runs in a process of its own, which reports its
peak memory; the expected curve stands beside what was measured. Runs at once take turns in one process by slices of
half a second, each handed on as bytes, the way the app's worker trains them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measure import data_directory
from mlcore.data.mnist import Digits, open_source
from mlcore.experiments.configs import ScratchConfig
from mlcore.records import Checkpoint
from mlcore.scratch.trainer import advance

RUNS = (1, 2, 4, 8, 16, 32)
WIDTHS = (32, 64, 128, 256, 512, 1024)
IMAGES = (5_000, 10_000, 20_000, 40_000, 70_000)
SLICE_SECONDS = 0.5


def runs_at_once(count: int, digits: Digits) -> dict[str, float]:
    """`count` runs of the report's network on the sample take turns until each has trained five epochs."""
    config = ScratchConfig(epochs=5)
    waiting: list[bytes | None] = [None] * count
    training, began = 0.0, time.perf_counter()
    while waiting:
        state = waiting.pop(0)
        checkpoint, results = advance(config, Checkpoint.from_bytes(state) if state else None, digits, SLICE_SECONDS)
        training += sum(result.seconds for result in results)
        if checkpoint.epoch < config.epochs:
            waiting.append(checkpoint.to_bytes())
    wall = time.perf_counter() - began
    return {"seconds": wall / 5, "share training": training / wall}


def one_epoch(config: ScratchConfig, digits: Digits) -> dict[str, float]:
    """Seconds of training in the second epoch of a run: the first warms the caches."""
    _, results = advance(config, None, digits, 1e9)
    return {"seconds": results[-1].seconds, "parameters": config.parameters}


def measure(kind: str, size: int, directory: Path) -> dict[str, float]:
    """One line of a table, measured in this process."""
    if kind == "runs":
        found = runs_at_once(size, open_source("sample"))
    else:
        digits = open_source("mnist", directory)
        config = ScratchConfig(source="mnist", initializer="he", epochs=2)
        if kind == "width":
            found = one_epoch(config.model_copy(update={"hidden": (size, size)}), digits)
        else:
            found = one_epoch(config, replace(digits, images=digits.images[:size], labels=digits.labels[:size]))
    # Kilobytes on Linux, the one system this is run on.
    return {**found, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def products(width: int) -> int:
    """Multiplications per image of one step of 784-width-width-10: forward, both gradients, no input gradient."""
    return 3 * (784 * width + width * width + width * 10) - 784 * width


EXPECTED = {
    "runs": lambda size: size / RUNS[0],
    "width": lambda size: products(size) / products(WIDTHS[0]),
    "images": lambda size: size / IMAGES[0],
}
TITLES = {
    "runs": "runs at once (sample, 128-64, batch 22)",
    "width": "units in each of two hidden layers (56,000 images)",
    "images": "images, of which 80 % are trained on (128-64)",
}


def tables(directory: Path) -> str:
    """All three tables as Markdown."""
    parts = []
    for kind, sizes in (("runs", RUNS), ("width", WIDTHS), ("images", IMAGES)):
        lines = [
            f"| {TITLES[kind]} | seconds an epoch | times the first | expected | peak memory |",
            "| ---: | ---: | ---: | ---: | ---: |",
        ]
        first = 0.0
        for size in sizes:
            found = _in_a_process(kind, size, directory)
            first = first or found["seconds"]
            lines.append(
                f"| {size:,} | {found['seconds']:.3f} | {found['seconds'] / first:.2f} | {EXPECTED[kind](size):.2f} "
                f"| {found['megabytes']:.0f} MB |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _in_a_process(kind: str, size: int, directory: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth", kind, str(size), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
    else:
        print(tables(data_directory()))
