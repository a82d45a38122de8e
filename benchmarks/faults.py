"""Workers are killed at random under thirty runs; every run must end, and end on the numbers of an undisturbed one.

    python -m benchmarks.faults                      two minutes of killing, thirty runs
    python -m benchmarks.faults --seconds 30 --runs 10

Both kinds of run take part, with dropout, a learning-rate schedule and Adam's moments. SIGKILL comes at random moments,
in the middle of slices and while workers start; every fifth time it is the worker for tasks. When the killing ends the
runs train to their ends, and each is compared, figure by figure and bit by bit, with the same config trained in one go.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from mlcore.data import open_source
from mlcore.experiments.configs import Config, NetworkConfig, ScratchConfig
from mlcore.records import Checkpoint, EpochResult
from mlcore.runtime import Runtime, Settings, new_token


def configs(count: int) -> list[Config]:
    """Runs of both kinds; two thirds scratch, all different."""
    found: list[Config] = []
    for number in range(count):
        if number % 3:
            activation = ("relu", "tanh", "sigmoid")[number % 2]
            found.append(ScratchConfig(seed=number, initializer="he", activation=activation, epochs=90))
        else:
            found.append(
                NetworkConfig(
                    seed=number, dropout=0.3, step_size=3, learning_rate=0.01, initializer="xavier", epochs=10
                )
            )
    return found


def undisturbed(config: Config) -> tuple[list[dict[str, object]], str]:
    """The figures and the hash of the last weights when the run is trained in one go, in this process."""
    if isinstance(config, ScratchConfig):
        from mlcore.scratch.trainer import advance as advance
    else:
        from mlcore.networks.trainer import advance as advance  # type: ignore[assignment]
    checkpoint, results = advance(config, None, open_source("sample"), 1e9)  # type: ignore[arg-type]
    return figures(results), digest(checkpoint)


def figures(results: list[EpochResult]) -> list[dict[str, object]]:
    """All that was measured but how long it took, as the store keeps it."""
    return [{**json.loads(json.dumps(item.to_dict())), "seconds": 0} for item in results]


def digest(checkpoint: Checkpoint) -> str:
    """One hash of all arrays."""
    found = hashlib.sha256()
    for name, array in sorted(checkpoint.arrays.items()):
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()


def main() -> int:
    """Kill, wait, compare; exit status 1 if a run failed or differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--every", type=float, default=3.0, help="mean seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    owner = new_token()
    with tempfile.TemporaryDirectory(prefix="backprop-lab-faults-") as place:
        runtime = Runtime.start(Settings(directory=Path(place), idle_seconds=86_400))
        runs = {runtime.submit(owner, config): config for config in configs(options.runs)}
        _say(f"killing workers for {options.seconds:g} s under {len(runs)} runs …")
        kills = _kill(runtime, rng, options.seconds, options.every)
        finished_while_killing = sum(view.status == "finished" for view in runtime.runs(owner))
        _say(f"{kills} workers were killed; {finished_while_killing} runs have ended, waiting for the others …")
        while any(view.live for view in runtime.runs(owner)):
            time.sleep(0.5)
        _say("comparing each run with the same one trained in one go …")
        views = {view.id: view for view in runtime.runs(owner)}
        different = []
        for run_id, config in runs.items():
            newest = runtime.checkpoint(owner, run_id)
            got = figures(runtime.epochs(owner, run_id)), digest(newest) if newest else ""
            if got != undisturbed(config):
                different.append(run_id)
        runtime.close()
    report = {
        "runs": len(runs),
        "seconds of killing": options.seconds,
        "workers killed": kills,
        "finished while workers were killed": finished_while_killing,
        "finished in the end": sum(view.status == "finished" for view in views.values()),
        "failed": [view.error for view in views.values() if view.status != "finished"],
        "different from an undisturbed run": len(different),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(report, indent=1))
    return int(bool(different) or report["finished in the end"] != len(runs))


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _kill(runtime: Runtime, rng: random.Random, seconds: float, every: float) -> int:
    """SIGKILL a worker every now and then; how many were."""
    end = time.monotonic() + seconds
    kills = 0
    while time.monotonic() < end:
        time.sleep(rng.expovariate(1 / every))
        if kills % 5 == 4:
            runtime.warm("mlcore.records")
        for pid in runtime.task_pids() if kills % 5 == 4 else runtime.worker_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
    return kills


if __name__ == "__main__":
    sys.exit(main())
