"""What taking turns costs, without any page: `python -m benchmarks.turns`.

Thirty runs of thirty visitors on an otherwise idle runtime, against one undisturbed worker; then how much memory a
worker with PyTorch takes, and how soon a task is answered while runs train.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.classroom import BASELINE_SECONDS, undisturbed
from benchmarks.measure import data_directory
from benchmarks.watch import memory_of
from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from mlcore.runtime import Runtime, Settings, new_token

RUNS = 30
SECONDS = 20.0


def throughput(place: Path) -> float:
    """Images a second that thirty runs train together."""
    runtime = Runtime.start(Settings(directory=place, data_dir=data_directory()))
    config = ScratchConfig(source="mnist", epochs=1000, initializer="he")
    owners = [new_token() for _ in range(RUNS)]
    runs = [(owner, runtime.submit(owner, config)) for owner in owners]

    def batches() -> int:
        views = [runtime.run(owner, run_id) for owner, run_id in runs]
        return sum(view.epoch * view.batches + view.batch for view in views if view)

    time.sleep(5)
    begin, before = time.monotonic(), batches()
    time.sleep(SECONDS)
    found = (batches() - before) * config.batch_size / (time.monotonic() - begin)
    runtime.close()
    return found


def with_pytorch(place: Path) -> dict[str, float]:
    """Memory of a worker that trains A, B and a scratch run, and how long tasks take meanwhile."""
    runtime = Runtime.start(Settings(directory=place, data_dir=data_directory()))
    owner = new_token()
    begin = time.monotonic()
    runtime.warm("torch").result(120)
    first = time.monotonic() - begin
    for architecture in ("A", "B"):
        runtime.submit(owner, NetworkConfig(source="mnist", architecture=architecture, epochs=50, dropout=0.3))
    runtime.submit(owner, ScratchConfig(source="mnist", epochs=50))
    most, answers = 0.0, []
    for _ in range(40):
        time.sleep(0.5)
        most = max(most, *(memory_of(pid).resident for pid in runtime.worker_pids()))
        begin = time.monotonic()
        runtime.warm("torch").result(120)
        answers.append(time.monotonic() - begin)
    task = max(memory_of(pid).resident for pid in runtime.task_pids())
    runtime.close()
    return {
        "worker with PyTorch MB at most": round(most),
        "worker for tasks with PyTorch MB": round(task),
        "first task s": round(first, 1),
        "task ms, median": round(1000 * median(answers), 1),
        "task ms, slowest": round(1000 * max(answers), 1),
    }


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    _say(f"one undisturbed worker for {BASELINE_SECONDS:g} s …")
    base, _ = undisturbed(BASELINE_SECONDS, "")
    with tempfile.TemporaryDirectory(prefix="backprop-lab-turns-") as place:
        _say(f"{RUNS} runs take turns for {SECONDS:g} s …")
        together = throughput(Path(place) / "1")
        _say("a worker with PyTorch, and tasks while it trains …")
        more = with_pytorch(Path(place) / "2")
    figures = {
        "one undisturbed worker, images/s": round(base),
        f"{RUNS} runs together, images/s": round(together),
        "share": round(together / base, 3),
        **more,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
