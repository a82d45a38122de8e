"""How fast is a backward pass? 10,000 nodes by our `Value`, by micrograd and by PyTorch's autograd on scalars.

    python -m benchmarks.graph --micrograd DIR       DIR: a checkout of the public repository karpathy/micrograd
    python -m benchmarks.graph                       without it (and without $MICROGRAD) that peer is left out

The same expressions for all: ours read from text by `evaluate`, the peers' computed by Python with their operators, as
their users would. Repetitions take turns on one thread, every one on a graph just built; medians are compared, in
seconds of processor time, since a pass of ours may fit between two turns of a busy machine and a longer one not. Three
more rows keep the comparison honest: ours built by operators too (its order is then found in the first backward pass,
where `evaluate` finds it beforehand), a second pass over the same graph, and building and backward together (our local
derivatives are computed while building, the peers' in the backward pass). Gradients are compared before timing.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import interleaved, markdown
from mlcore.autodiff import Value, evaluate, parse

Leaf = Callable[[float], Any]
Build = Callable[[], Any]

TARGETS = {"micrograd": 2.0, "PyTorch, scalars": 3.0}
REPETITIONS = 21


def expression(units: int = 1100) -> str:
    """A sum of relu units, relu(x·w + b)·v each, all on inputs of their own: 9,899 nodes, 1,103 levels."""
    return " + ".join(f"relu(x{k}*w{k} + b{k})*v{k}" for k in range(units))


def libraries(micrograd: Path | None) -> dict[str, Leaf]:
    """Each library's way of making a leaf; ours first."""
    import torch

    torch.set_num_threads(1)
    found: dict[str, Leaf] = {"ours": Value}
    if micrograd is not None:
        spec = importlib.util.spec_from_file_location("micrograd_engine", micrograd / "micrograd" / "engine.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError(f"there is no micrograd/engine.py below {micrograd}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found["micrograd"] = module.Value
    found["PyTorch, scalars"] = lambda number: torch.tensor(number, dtype=torch.float64, requires_grad=True)
    return found


def rows(micrograd: Path | None = None, repetitions: int = REPETITIONS) -> list[dict[str, Any]]:
    """The table: ours and one peer a row, median seconds."""
    if micrograd is None and os.environ.get("MICROGRAD"):
        micrograd = Path(os.environ["MICROGRAD"])
    leaves = libraries(micrograd)
    found: list[dict[str, Any]] = []
    # Python's parser and micrograd's recursion need more room than the usual 1,000 frames for an expression this long.
    _with_deep_stack(lambda: found.extend(_compare(expression(), leaves, repetitions)))
    return found


def _compare(text: str, leaves: dict[str, Leaf], repetitions: int) -> list[dict[str, Any]]:
    values = _values(text)
    code = compile(re.sub(r"relu(\([^()]*\))", r"\1.relu()", text), "expression", "eval")

    def by_operators(leaf: Leaf) -> tuple[Any, list[Any]]:
        inputs = {variable: leaf(value) for variable, value in values.items()}
        return eval(code, {"__builtins__": {}}, inputs), list(inputs.values())

    def from_text() -> tuple[Any, list[Any]]:
        result = evaluate(text, values)
        return result, list(result.variables().values())

    builds = {library: (lambda leaf=leaf: by_operators(leaf)) for library, leaf in leaves.items()}
    ours_by_operators, builds["ours"] = builds["ours"], from_text
    _check_gradients(builds)
    nodes = len(from_text()[0].nodes())
    works = {
        "backward": ({library: _backward(build) for library, build in builds.items()}, True),
        "first backward, built by operators": (
            {library: _backward(build) for library, build in {**builds, "ours": ours_by_operators}.items()},
            False,
        ),
        "backward again": ({library: _backward_again(build) for library, build in builds.items()}, False),
        "build by operators and backward": (
            {library: _build_and_backward(build) for library, build in {**builds, "ours": ours_by_operators}.items()},
            False,
        ),
    }
    table = []
    for work, (candidates, has_target) in works.items():
        seconds = interleaved(candidates, repetitions)
        ours = seconds.pop("ours")
        for peer, theirs in seconds.items():
            target = TARGETS[peer] if has_target else None
            table.append(
                {
                    "work": f"{work}, {nodes:,} nodes",
                    "ours_seconds": ours,
                    "peer": peer,
                    "peer_seconds": theirs,
                    "ratio": theirs / ours,
                    "target": f"≥ {target:g}×" if target else "",
                    "met": theirs / ours >= target if target else None,
                }
            )
    return table


def _values(text: str) -> dict[str, float]:
    rng = random.Random(0)
    return {name: rng.uniform(-1, 1) for name in parse(text).names}


def _backward(build: Build) -> Callable[[], float]:
    def run() -> float:
        gc.collect()
        result, _ = build()
        began = time.process_time()
        result.backward()
        return time.process_time() - began

    return run


def _build_and_backward(build: Build) -> Callable[[], float]:
    def run() -> float:
        gc.collect()
        began = time.process_time()
        result, _ = build()
        result.backward()
        return time.process_time() - began

    return run


def _backward_again(build: Build) -> Callable[[], float]:
    result, leaves = build()
    keep = {"retain_graph": True} if hasattr(result, "retain_grad") else {}
    zero = 0 if leaves[0].grad == 0 else None  # micrograd's gradients start at 0, the others' at None
    result.backward(**keep)

    def run() -> float:
        for node in leaves:
            node.grad = zero
        began = time.process_time()
        result.backward(**keep)
        return time.process_time() - began

    return run


def _check_gradients(builds: dict[str, Build]) -> None:
    found = {}
    for library, build in builds.items():
        result, inputs = build()
        result.backward()
        found[library] = [float(node.grad) for node in inputs]
    for library, gradients in found.items():
        worst = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(gradients, found["ours"], strict=True))
        if worst > 1e-9:
            raise AssertionError(f"{library} and ours disagree by {worst:g}")


def _with_deep_stack(work: Callable[[], Any]) -> None:
    """Run with room for deep recursion, and hand on what goes wrong."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(512 * 1024 * 1024)
    sys.setrecursionlimit(100_000)
    try:
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if failures:
        raise failures[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrograd", type=Path, help="a checkout of the public repository karpathy/micrograd")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    options = parser.parse_args()
    print(markdown(rows(options.micrograd, options.repetitions)))


if __name__ == "__main__":
    main()
