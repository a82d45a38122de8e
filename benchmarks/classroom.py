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
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, data_directory
from benchmarks.visitors import Visitor
from mlcore.experiments.configs import ScratchConfig
from mlcore.runtime.tokens import new_token

# What each visitor trains: the report's network and settings, long enough not to end while we measure.
CONFIG = {"source": "mnist", "epochs": "1000", "initializer": "he"}
BASELINE_SECONDS = 12.0
# Growth is counted from here on: before, caches fill.
SETTLED = 180.0


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
    environment = {**os.environ, "MLCORE_DATA": str(data_directory()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    by_clock, by_processor = map(float, done.stdout.split())
    return by_clock, by_processor


@dataclass
class Watch:
    """Reads, every second, how far each run is and how much memory each process has."""

    directory: Path
    server: int
    began: float = field(default_factory=time.monotonic)
    progress: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    memory: list[tuple[float, Memory, dict[int, Memory]]] = field(default_factory=list)
    used: list[tuple[float, float, float]] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    stopping: bool = False

    def run(self) -> None:
        while not self.stopping:
            self.look()
            time.sleep(1.0)

    def look(self) -> None:
        """One reading."""
        now = time.monotonic() - self.began
        path = self.directory / "lab.db"
        if path.exists():
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                for run_id, status, done in database.execute("SELECT id, status, epoch * batches + batch FROM runs"):
                    history = self.progress.setdefault(run_id, [(now, 0)])
                    self.statuses[run_id] = status
                    if history[-1][1] != done:
                        history.append((now, done))
        workers = {pid: memory_of(pid) for pid in children(self.server) if "popen_loky" in command_line(pid)}
        self.memory.append((now, memory_of(self.server), workers))
        self.used.append((now, processor_seconds(self.server), sum(processor_seconds(pid) for pid in workers)))

    def longest_wait(self, since: float, until: float) -> float:
        """The longest time in which some run did not move, between these two moments."""
        longest = 0.0
        for run_id, history in self.progress.items():
            if self.statuses[run_id] == "finished":
                continue
            times = [since, *(moment for moment, _ in history if since < moment < until), until]
            longest = max(longest, *(after - before for before, after in itertools.pairwise(times)))
        return longest

    def processor(self, since: float, until: float) -> tuple[float, float, float]:
        """(seconds, of the server's processor time, of the workers') between the readings within these moments."""
        within = [reading for reading in self.used if since <= reading[0] <= until]
        first, last = within[0], within[-1]
        return last[0] - first[0], last[1] - first[1], last[2] - first[2]

    def batches(self, since: float, until: float) -> int:
        """Batches trained by all runs between these two moments."""
        total = 0
        for history in self.progress.values():
            at = [next((done for moment, done in reversed(history) if moment <= when), 0) for when in (since, until)]
            total += at[1] - at[0]
        return total


@dataclass(frozen=True)
class Memory:
    """What a process holds in memory, in MB (10^6 bytes).

    Attributes:
        resident: all of it (RSS) but the pages of MNIST.
        proportional: the same with every page that several processes map divided by their number (PSS).
        mnist: the pages of MNIST that it has mapped; all processes share them, and the system may drop them.
    """

    resident: float = 0.0
    proportional: float = 0.0
    mnist: float = 0.0


def memory_of(pid: int) -> Memory:
    """The memory of a process now; nothing if it is gone."""
    found: Counter[str] = Counter()
    name = ""
    with suppress(OSError, IndexError, ValueError):
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            if not line[:1].isupper():
                name = "mnist" if "mnist" in line else ""
            elif line.startswith(("Rss:", "Pss:")):
                found[name + line[:3]] += int(line.split()[1])
    return Memory(*(found[name] * 1024 / 1e6 for name in ("Rss", "Pss", "mnistRss")))


def processor_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    with suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task")
        return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
    return []


def command_line(pid: int) -> str:
    """What a process was started as."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def share(values: list[float], part: float) -> float:
    """The value that this part of all does not exceed; 0 of nothing."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


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
            begin, own = time.monotonic(), time.process_time()
            asyncio.run(_class(visitors, options.seconds, options.spread))
            end, own = time.monotonic(), time.process_time() - own
            watch.stopping = True
            thread.join()
            watch.look()
            figures = _figures(visitors, watch, base, begin - watch.began, end - watch.began, options)
        log = (directory / "app.log").read_text(errors="replace")
        figures["tracebacks in the log"] = log.count("Traceback (most recent call last)")
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
    answers = [seconds for visitor in visitors for seconds in visitor.answers]
    settle = end - options.seconds
    trained = watch.batches(settle, end) * 22 / (end - settle)
    servers = [(moment, memory) for moment, memory, _ in watch.memory if memory.resident]
    workers = [(moment, memory) for moment, _, found in watch.memory for memory in found.values()]
    told = [visitor for visitor in visitors if not visitor.refused]
    watched, server_used, workers_used = watch.processor(settle, end)
    figures = {
        "visitors": options.visitors,
        "seconds": options.seconds,
        "presses of Train spread over s": options.spread,
        "first page p50 ms": round(1000 * statistics.median(visitor.first_page for visitor in visitors)),
        "first page max ms": round(1000 * max(visitor.first_page for visitor in visitors)),
        "press Train p50 ms": round(1000 * statistics.median(visitor.pressed for visitor in visitors)),
        "polls": len(answers),
        "polls skipped": sum(visitor.skipped for visitor in visitors),
        "fragment p50 ms": round(1000 * share(answers, 0.5)),
        "fragment p95 ms": round(1000 * share(answers, 0.95)),
        "fragment max ms": round(1000 * max(answers, default=0.0)),
        "longest time a run stood still s": round(watch.longest_wait(settle, end), 1),
        "one undisturbed worker, images/s": round(base[0]),
        "all runs together, images/s": round(trained),
        "share of the undisturbed worker": round(trained / base[0], 3),
        "the same by processor time": round(trained * watched / max(workers_used, 1e-9) / base[1], 3),
        "server's processor time per poll ms": round(
            1000 * server_used / max(1, len(answers)) * (end - settle) / watched, 1
        ),
        "server's processor time per second": round(server_used / watched, 2),
        "workers' processor time per second": round(workers_used / watched, 2),
        "server resident MB at most": round(max(memory.resident for _, memory in servers)),
        "server proportional MB at most": round(max(memory.proportional for _, memory in servers)),
        "worker resident MB at most": round(max((memory.resident for _, memory in workers), default=0)),
        "MNIST pages mapped by a worker MB": round(max((memory.mnist for _, memory in workers), default=0)),
        "visitors told that the app is busy": sum(visitor.told_busy for visitor in told),
        "visitors told how many share": sum(visitor.told_shared > 0 for visitor in told),
        "most runs that anybody was told share": max((visitor.told_shared for visitor in told), default=0),
        "visitors told how long it takes so": sum(visitor.told_left for visitor in told),
        "visitors told how long it would take alone": sum(visitor.told_alone for visitor in told),
        "visitors refused": len(visitors) - len(told),
        "what they were told": sorted({visitor.refused for visitor in visitors if visitor.refused}),
        "runs": len(watch.statuses),
        "statuses in the end": dict(Counter(watch.statuses.values())),
        "runs that failed": sum(status in ("failed", "interrupted") for status in watch.statuses.values()),
        "failures": [failure for visitor in visitors for failure in visitor.failures][:10],
    }
    if options.seconds > SETTLED + 60:
        for name, series in (("server", servers), ("worker", workers)):
            early = [memory.resident for moment, memory in series if SETTLED <= moment - settle < SETTLED + 30]
            late = [memory.resident for moment, memory in series if moment > end - 30]
            if early and late:
                growth = statistics.mean(late) / statistics.mean(early) - 1
                figures[f"{name} growth after 3 minutes"] = round(growth, 4)
    return figures


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
