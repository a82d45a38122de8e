"""A whole class at once: visitors who each train a run and watch it, on the real app, everything on this machine.

    python -m benchmarks.classroom                         30 visitors for one minute, MNIST
    python -m benchmarks.classroom --visitors 100
    python -m benchmarks.classroom --visitors 100 --limit 60    more than the app may take: who is told what?
    python -m benchmarks.classroom --seconds 900           the soak: is memory flat?

It starts the app on its own port and directory, measures what one undisturbed worker trains in a second, sends the
visitors in all at once, and compares. `classroom.md` keeps the figures and says on what machine they were taken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, data_directory
from benchmarks.visitors import Visitor
from benchmarks.watch import Watch
from mlcore.experiments.configs import ScratchConfig
from mlcore.runtime.executors import ONE_THREAD
from mlcore.runtime.tokens import new_token

# What each visitor trains: the report's network and settings, long enough not to end while we measure.
CONFIG = {"source": "mnist", "epochs": "1000", "initializer": "he"}
BASELINE_SECONDS = 12.0
# Growth is counted from here on: before, caches fill.
SETTLED = 180.0
# What a class of thirty is to get on two quiet cores.
WANTED: dict[str, tuple[str, float]] = {
    "first page p50 ms": ("<=", 2500),
    "fragment p50 ms": ("<=", 60),
    "fragment p95 ms": ("<=", 300),
    "longest time a run stood still s": ("<=", 20),
    "share of the undisturbed worker": (">=", 0.85),
    "server resident MB at most": ("<=", 300),
    "worker resident MB at most": ("<=", 120),
    "server growth after 3 minutes": ("<=", 0.05),
    "worker growth after 3 minutes": ("<=", 0.05),
    "runs that failed": ("<=", 0),
}


@contextmanager
def app(port: int, directory: Path, cores: str, variables: dict[str, str]) -> Iterator[int]:
    """The app as a visitor would meet it; its process id."""
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += [f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
    # Files that somebody edits beside the measurement must not run all pages again.
    command += ["--server.fileWatcherType=none"]
    if cores:
        command = ["taskset", "-c", cores, *command]
    environment = {**os.environ, "LAB_DIRECTORY": str(directory), "MLCORE_DATA": str(data_directory()), **variables}
    with (directory / "app.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("the app ended before it answered; see app.log in its directory")
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the app did not answer within a minute")


def undisturbed(seconds: float, cores: str) -> tuple[float, float]:
    """What one worker trains when nothing else of ours runs: images a second, and a second of processor time."""
    config = ScratchConfig(**CONFIG).model_dump_json()  # type: ignore[arg-type]
    script = f"""
import time
from mlcore.runtime.executors import prepare_worker
from mlcore.runtime.slices import SliceJob, run_slice
import os, tempfile
prepare_worker(10, os.getppid())
with tempfile.TemporaryDirectory() as place:
    file, images, number, begin = "", 0, 0, 0.0
    while not begin or time.monotonic() - begin < {seconds}:
        result = run_slice(SliceJob(trainer="mlcore.scratch.trainer", config={config!r}, checkpoint_file=file,
                                    save_to=f"{{place}}/{{number}}", seconds=0.5))
        assert not result.error, result.error
        file, number = result.checkpoints[-1], number + 1
        if begin:
            images += result.trained * 22
        else:
            begin, used = time.monotonic(), time.process_time()  # the first slice opens the digits
    print(images / (time.monotonic() - begin), images / (time.process_time() - used))
"""
    command = [sys.executable, "-c", script]
    if cores:
        command = ["taskset", "-c", cores, *command]
    environment = {**os.environ, "MLCORE_DATA": str(data_directory()), **ONE_THREAD}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    by_clock, by_processor = map(float, done.stdout.split())
    return by_clock, by_processor


def share(values: list[float], part: float) -> float:
    """The value that this part of all does not exceed; 0 of nothing."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


async def _class(visitors: list[Visitor], seconds: float, spread: float) -> None:
    train = asyncio.Event()
    until = time.monotonic() + 3600
    # People do not press a button in the same tenth of a second; a fixed seed, so that all measurements are alike.
    rng = random.Random(1)
    delays = [spread * rng.random() for _ in visitors]
    tasks = [
        asyncio.create_task(visitor.visit(until, train, delay)) for visitor, delay in zip(visitors, delays, strict=True)
    ]
    # All pages first (a burst), then everybody presses Train, then the polls that are measured.
    while any(not visitor.first_page and not visitor.failures for visitor in visitors):
        await asyncio.sleep(0.1)
    train.set()
    while any(not visitor.pressed and not visitor.failures for visitor in visitors):
        await asyncio.sleep(0.1)
    for visitor in visitors:
        visitor.answers.clear()
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One class; all its figures."""
    directory = Path(tempfile.mkdtemp(prefix="backprop-lab-class-"))
    _say(f"one undisturbed worker for {BASELINE_SECONDS:g} s …")
    base = undisturbed(BASELINE_SECONDS, options.cores)
    visitors = [Visitor(options.port, new_token(), CONFIG) for _ in range(options.visitors)]
    load_before = os.getloadavg()[0]
    try:
        variables = {"LAB_MAX_ACTIVE_RUNS": str(options.limit)} if options.limit else {}
        with app(options.port, directory, options.cores, variables) as server:
            watch = Watch(directory, server)
            # One visitor first: the app's modules are loaded and the worker is up, as they are in a lesson.
            asyncio.run(_class([Visitor(options.port, new_token(), {**CONFIG, "epochs": "1"})], 3, 0))
            thread = threading.Thread(target=watch.run, daemon=True)
            thread.start()
            _say(f"{options.visitors} visitors open the page, press Train and watch for {options.seconds:g} s …")
            begin, own = time.monotonic(), time.process_time()
            asyncio.run(_class(visitors, options.seconds, options.spread))
            end, own = time.monotonic(), time.process_time() - own
            watch.stopping = True
            thread.join()
            watch.look()
            figures = _figures(visitors, watch, base, begin - watch.began, end - watch.began, options)
        log = (directory / "app.log").read_text(errors="replace")
        figures["tracebacks in the log"] = log.count("Traceback")
        figures["the visitors' own processor time per second"] = round(own / (end - begin), 2)
        figures["load before"], figures["load after"] = round(load_before, 1), round(os.getloadavg()[0], 1)
        return figures
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _figures(
    visitors: list[Visitor],
    watch: Watch,
    base: tuple[float, float],
    begin: float,
    end: float,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """All that was measured; polls, training and memory count from the moment when everybody had pressed Train."""
    settled = end - options.seconds
    figures = {
        "visitors": options.visitors,
        "seconds": options.seconds,
        "presses of Train spread over s": options.spread,
        **_pages(visitors),
        **_training(visitors, watch, base, settled, end),
        **_memory(watch, settled, end),
        **_words(visitors),
        "runs": len(watch.statuses),
        "statuses in the end": dict(Counter(watch.statuses.values())),
        "runs that failed": sum(status in ("failed", "interrupted") for status in watch.statuses.values()),
        "failures": [failure for visitor in visitors for failure in visitor.failures][:10],
    }
    if options.visitors == 30 and not options.limit:
        figures["not as wanted"] = [
            f"{name}: {figures[name]}, wanted {sign} {bound}"
            for name, (sign, bound) in WANTED.items()
            if name in figures and not (figures[name] <= bound if sign == "<=" else figures[name] >= bound)
        ]
    return figures


def _pages(visitors: list[Visitor]) -> dict[str, Any]:
    answers = [seconds for visitor in visitors for seconds in visitor.answers]
    return {
        "first page p50 ms": round(1000 * statistics.median(visitor.first_page for visitor in visitors)),
        "first page max ms": round(1000 * max(visitor.first_page for visitor in visitors)),
        "press Train p50 ms": round(1000 * statistics.median(visitor.pressed for visitor in visitors)),
        "polls": len(answers),
        "polls skipped": sum(visitor.skipped for visitor in visitors),
        "fragment p50 ms": round(1000 * share(answers, 0.5)),
        "fragment p95 ms": round(1000 * share(answers, 0.95)),
        "fragment max ms": round(1000 * max(answers, default=0.0)),
    }


def _training(
    visitors: list[Visitor], watch: Watch, base: tuple[float, float], since: float, until: float
) -> dict[str, Any]:
    polls = sum(len(visitor.answers) for visitor in visitors)
    trained = watch.batches(since, until) * 22 / (until - since)
    watched, server_used, workers_used = watch.processor(since, until)
    return {
        "longest time a run stood still s": round(watch.longest_wait(since, until), 1),
        "one undisturbed worker, images/s": round(base[0]),
        "all runs together, images/s": round(trained),
        "share of the undisturbed worker": round(trained / base[0], 3),
        "the same by processor time": round(trained * watched / max(workers_used, 1e-9) / base[1], 3),
        "server's processor time per poll ms": round(1000 * server_used / max(1, polls) * (until - since) / watched, 1),
        "server's processor time per second": round(server_used / watched, 2),
        "workers' processor time per second": round(workers_used / watched, 2),
    }


def _memory(watch: Watch, since: float, until: float) -> dict[str, Any]:
    """Memory at most; where there is time, the mean of the last half minute against that of the fourth minute."""
    servers = [(moment, memory) for moment, memory, _ in watch.memory if memory.resident]
    workers = [(moment, memory) for moment, _, found in watch.memory for memory in found.values()]
    found = {
        "server resident MB at most": round(max(memory.resident for _, memory in servers)),
        "server proportional MB at most": round(max(memory.proportional for _, memory in servers)),
        "worker resident MB at most": round(max((memory.resident for _, memory in workers), default=0)),
        "MNIST pages mapped by a worker MB": round(max((memory.mnist for _, memory in workers), default=0)),
    }
    if until - since > SETTLED + 60:
        for name, series in (("server", servers), ("worker", workers)):
            early = [memory.resident for moment, memory in series if SETTLED <= moment - since < SETTLED + 30]
            late = [memory.resident for moment, memory in series if moment > until - 30]
            if early and late:
                found[f"{name} growth after 3 minutes"] = round(statistics.mean(late) / statistics.mean(early) - 1, 4)
    return found


def _words(visitors: list[Visitor]) -> dict[str, Any]:
    """What visitors were told of those who share the machine, and those who were refused, of the limit."""
    told = [visitor for visitor in visitors if not visitor.refused]
    return {
        "visitors told that the app is busy": sum(visitor.told_busy for visitor in told),
        "visitors told how many share": sum(visitor.told_shared > 0 for visitor in told),
        "most runs that anybody was told share": max((visitor.told_shared for visitor in told), default=0),
        "visitors told how long it takes so": sum(visitor.told_left for visitor in told),
        "visitors told how long it would take alone": sum(visitor.told_alone for visitor in told),
        "visitors refused": len(visitors) - len(told),
        "what they were told": sorted({visitor.refused for visitor in visitors if visitor.refused}),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the panels poll")
    parser.add_argument("--spread", type=float, default=20.0, help="seconds within which everybody presses Train")
    parser.add_argument("--limit", type=int, default=0, help="LAB_MAX_ACTIVE_RUNS of the app; 0 for its default")
    parser.add_argument("--port", type=int, default=8621)
    parser.add_argument("--cores", default="", help="cores to keep the app to, such as 0,1")
    options = parser.parse_args()
    print(json.dumps(measure(options), indent=1))


if __name__ == "__main__":
    main()
