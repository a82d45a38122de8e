"""Looks at the app from outside while it is measured: how far each run is, what each process holds and uses.

Everything is read from the run database and from Linux's `/proc`, so that looking costs the app hardly anything.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path


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
        """Read until `stopping`."""
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
