"""Opening MNIST, warm: the mapped array beside torchvision's data set, and what it costs in memory.

`python -m benchmarks.opening_mnist` prints a Markdown table; `rows()` gives the same to `python -m benchmarks`. Both
parts are opened, files in the page cache, libraries loaded; medians of interleaved repetitions.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, data_directory, interleaved, markdown
from mlcore.data.download import import_torchvision
from mlcore.data.mnist import open_source

TARGET = 20.0
MOST_MEGABYTES = 60.0
PROCESSES = (1, 4)
# Opens MNIST and touches every pixel, then says so and waits: what it holds in memory is measured meanwhile.
_READER = """
import sys
from mlcore.data.mnist import open_source
digits = open_source("mnist", sys.argv[1]); int(digits.images.sum())
print("ready", flush=True); sys.stdin.read()
"""


def rows(data_dir: Path | None = None, repetitions: int = 15) -> list[dict[str, Any]]:
    """Time to open, beside torchvision; and the memory all readers together hold of MNIST, where Linux tells."""
    directory = data_directory(data_dir)
    torchvision = import_torchvision()
    open_source("mnist", directory)  # prepares it, if it was not

    def ours() -> float:
        began = time.perf_counter()
        open_source("mnist", directory)
        return time.perf_counter() - began

    def theirs() -> float:
        began = time.perf_counter()
        torchvision.datasets.MNIST(str(directory), train=True)
        torchvision.datasets.MNIST(str(directory), train=False)
        return time.perf_counter() - began

    seconds = interleaved({"ours": ours, "theirs": theirs}, repetitions)
    ratio = seconds["theirs"] / seconds["ours"]
    return [
        {
            "work": "opening MNIST, warm, both parts",
            "ours_seconds": seconds["ours"],
            "peer": "torchvision.datasets.MNIST",
            "peer_seconds": seconds["theirs"],
            "ratio": ratio,
            "target": f"≥ {TARGET:.0f}×",
            "met": ratio >= TARGET,
        }
    ]


def resident_megabytes(directory: Path, processes: int) -> float:
    """Memory that so many readers, each having read every pixel, hold of the mapped files together (Linux).

    Each reader's proportional share of a page is one n-th where n of them map it, so the shares add up to what is
    there once.
    """
    command = [sys.executable, "-c", _READER, str(directory)]
    readers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(processes)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            if reader.stdout.readline().strip() != "ready":
                raise RuntimeError("a reader could not open MNIST")
        return sum(_share_of_mapped_images(reader.pid) for reader in readers) / 1024
    finally:
        for reader in readers:
            reader.communicate()


def _share_of_mapped_images(pid: int) -> float:
    """Kilobytes of the mapped images that count for this process, from /proc."""
    inside, kilobytes = False, 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            inside = line.endswith("-images.npy")
        elif inside and line.startswith("Pss:"):
            kilobytes += int(line.split()[1])
    return kilobytes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--repetitions", type=int, default=15)
    options = parser.parse_args()
    print(markdown(rows(options.data_dir, options.repetitions)))
    if Path("/proc/self/smaps").exists():
        print()
        for count in PROCESSES:
            held = resident_megabytes(data_directory(options.data_dir), count)
            verdict = "within" if held <= MOST_MEGABYTES else "over"
            print(f"{count} reading: {held:.1f} MB of MNIST in memory, {verdict} the {MOST_MEGABYTES:.0f} MB allowed.")
