"""`python -m benchmarks` (or `make bench`): every comparison in one table, written beside this file.

    python -m benchmarks                 all of them, about ten minutes on two quiet cores
    python -m benchmarks networks graph  only these

`results.json` keeps the rows with machine, versions and date; `results.md` the same for reading. micrograd is measured
where $MICROGRAD names a checkout of the public repository karpathy/micrograd.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import markdown
from mlcore.experiments.recording import machine

WORKS = ("scratch", "networks", "opening_mnist", "startup", "graph")
PACKAGES = ("numpy", "torch", "torchvision", "scikit-learn", "streamlit")
HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Measure what is named, or everything; the exit status says whether a name was wrong."""
    unknown = [name for name in names if name not in WORKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r:.40}: choose from {', '.join(WORKS)}.", file=sys.stderr)
        return 2
    rows = []
    for name in names or WORKS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").rows()
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "versions": {package: version(package) for package in PACKAGES},
        "command": " ".join(["python -m benchmarks", *names]),
    }
    table = markdown(rows)
    print(table)
    if not names:
        (HERE / "results.json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
        words = ", ".join(f"{package} {number}" for package, number in about["versions"].items())
        (HERE / "results.md").write_text(
            f"# Measured on {about['date']}\n\n{about['machine']}; {words}; load before the last work {about['load']}. "
            f"Command: `{about['command']}`.\n\n{table}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
