"""How long the server takes to answer an edit of one input on the page "Forward and backward".

    .venv/bin/python benchmarks/lesson1_edit.py [--edits 40] [--json]

A new session opens the page through Streamlit's own test runner, then one input is changed again and again; measured is
one whole run of the page's script (fields, graph, gradients, formulas, layout), for the report's f and for an
expression of 200 nodes. Apart from that, the layout of a graph nobody has seen before is timed. The goals: 50 ms at
the median for the report's f, 150 ms for 200 nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("LAB_DIRECTORY", "/tmp/lesson1-edit")

from streamlit.testing.v1 import AppTest

from mlcore.autodiff import EXAMPLES, parse
from ui.graph.layout import layered

PAGE = ROOT / "pages" / "1_Forward_and_backward.py"
GOALS = {"report": 50.0, "200 nodes": 150.0}


def wide_expression() -> str:
    """A sum of 33 sigmoid neurons that share three biases: 200 nodes."""
    return " + ".join(f"sigmoid(x{k}*w{k} + b{k % 3})" for k in range(1, 34))


def nodes_of(expression: str) -> int:
    read = parse(expression)
    return len(read.evaluate(dict.fromkeys(read.names, 0.5)).nodes())


def edits(expression: str, values: dict[str, float], name: str, count: int) -> list[float]:
    """Milliseconds of each of `count` edits of the input `name`, after two that warm up."""
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params["f"] = expression
    app.query_params["v"] = ",".join(f"{key}:{value}" for key, value in values.items())
    app.query_params["step"] = "all"
    app.run()
    assert not app.exception, app.exception
    taken = []
    for number in range(count + 2):
        field = next(item for item in app.text_input if item.label == name)
        field.set_value(f"{0.1 + number / 100:.2f}")
        begin = time.perf_counter()
        app.run()
        taken.append(1000 * (time.perf_counter() - begin))
        assert not app.exception, app.exception
    return taken[2:]


def layouts(count: int) -> list[float]:
    """Milliseconds to lay out graphs of about 200 nodes, each one different."""
    taken = []
    for number in range(count):
        read = parse(wide_expression().replace("b1)", f"x{number % 33 + 1})"))
        nodes = read.evaluate(dict.fromkeys(read.names, 0.5)).nodes()
        ids = {node: place for place, node in enumerate(nodes)}
        ends = tuple((ids[operand], ids[node]) for node in nodes for operand in node.operands)
        layered.cache_clear()
        begin = time.perf_counter()
        layered(len(nodes), ends)
        taken.append(1000 * (time.perf_counter() - begin))
    return taken


def main() -> int:
    """Measure, print, and say by the exit status whether the goals are met."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--edits", type=int, default=40)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    report, wide = EXAMPLES["report"], wide_expression()
    wide_values = dict.fromkeys(parse(wide).names, 0.5)
    measured = {
        "report": edits(report.expression, dict(report.values), "x1", given.edits),
        "200 nodes": edits(wide, wide_values, "x1", given.edits),
        "layout of 200 nodes": layouts(given.edits),
    }
    rows = {
        label: {
            "median_ms": round(statistics.median(times), 2),
            "worst_ms": round(max(times), 2),
            "goal_ms": GOALS.get(label),
        }
        for label, times in measured.items()
    }
    rows["200 nodes"]["nodes"] = nodes_of(wide)
    if given.json:
        print(json.dumps(rows))
    else:
        for label, row in rows.items():
            print(label, row)
    return int(any(row["goal_ms"] is not None and row["median_ms"] > row["goal_ms"] for row in rows.values()))


if __name__ == "__main__":
    raise SystemExit(main())
