"""What the graph component shows: texts, places and steps, made from the nodes of an expression.

The steps are those the library takes: `forward_steps()`, then `backward_steps()`, each with the numbers it sets.
Numbers are rounded for reading and kept exact for hovering and for screen readers.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from mlcore.autodiff.value import BackwardStep, Value
from mlcore.autodiff.view import number_text, remark
from ui.graph.layout import Edge, layered

# How an operation is drawn in a node's left part.
GLYPHS = {
    "+": "+",
    "-": "−",
    "*": "×",
    "/": "÷",
    "**": "^",
    "neg": "−",
    "sigmoid": "σ",
    "log": "ln",
    "sqrt": "√",
    "abs": "|·|",
}
INFIX = {"+": "+", "-": "−", "*": "·", "/": "/", "**": "^"}

LEGEND = (
    ("above a node", "its value", ""),
    ("∂ below", "gradient of the result by it", ""),
    ("on a line", "local derivative", ""),
    ("+", "positive", "plus"),
    ("−", "negative", "minus"),
    ("∂ –", "not computed yet (a gradient of 0 reads ∂ 0)", ""),
)
CONSTANT_LEGEND = ("2", "constant, gets no gradient", "dashed")


def readable(number: float) -> str:
    """A number as the graph prints it: five digits, a real minus sign, ∞ for an overflow.

    >>> readable(-0.2923456)
    '−0.29235'
    """
    return number_text(number).replace("-", "−")


def exact(number: float) -> str:
    """A number with every digit it has."""
    return "no value" if math.isnan(number) else repr(float(number)).removesuffix(".0").replace("-", "−")


def signed(number: float) -> str:
    """As `readable`, with the sign always written; zero has none."""
    return f"+{readable(number)}" if number > 0 else readable(number)


def sign_of(number: float) -> str:
    """The sign as the style sheet names it: plus, minus, zero, or none where there is no value."""
    return "none" if math.isnan(number) else "plus" if number > 0 else "minus" if number < 0 else "zero"


def label_of(node: Value, number: int) -> str:
    """What stands in a node: the name of an input or operation, a constant's number."""
    if not node.operands and not node.name:
        return readable(node.data)
    return node.name or f"v{number}"


def picture(
    result: Value, first_pass: Sequence[BackwardStep], *, passes: int = 1, learning: Collection[str] = ()
) -> dict[str, Any]:
    """Everything the component needs to draw the graph of `result` at any step.

    Args:
        result: a graph with its values, after one backward pass; further passes are run here.
        first_pass: what `backward_steps()` told of that pass.
        passes: how often backward is run in all, without zeroing in between; each after the first is one more step.
        learning: names of inputs to draw as learning.
    """
    nodes = result.nodes()
    ids = {node: number for number, node in enumerate(nodes)}
    names = [label_of(node, number) for number, node in enumerate(nodes)]
    ends: list[Edge] = [(ids[operand], number) for number, node in enumerate(nodes) for operand in node.operands]
    places = layered(len(nodes), tuple(ends))
    steps = _forward(result, names, ends) + _backward(first_pass, names, ends)
    for again in range(2, passes + 1):
        result.backward()
        steps.append(_once_more(result, again))
    drawn = {
        "title": f"Computation graph of {names[-1]}: {len(nodes)} nodes",
        "nodes": [
            _node(node, names, ids, places.points[number], number == len(nodes) - 1, learning)
            for number, node in enumerate(nodes)
        ],
        "edges": _edges(nodes, ends, places.bends),
        "steps": steps,
        "before": "Nothing is computed yet: the inputs are given.",
        "layers": places.layers,
        "rows": places.rows,
        "structure": _mark_of((names, ends)),
        "legend": [*LEGEND, *([CONSTANT_LEGEND] if any(node.constant and not node.operands for node in nodes) else [])],
    }
    return {**drawn, "id": _mark_of(drawn)}


def _mark_of(content: object) -> str:
    """A short text that differs where the content does: the browser compares it instead of everything."""
    return f"{zlib.crc32(repr(content).encode()):x}"


def _symbol(node: Value) -> str:
    return node.operation.symbol if node.operation else ""


def forward_count(result: Value) -> int:
    """How many steps the forward pass takes."""
    return sum(bool(node.operands) for node in result.nodes())


def formula_text(node: Value, names: list[str], ids: dict[Value, int]) -> str:
    """A node's operation on one line: `x1 · w1`, `sin(a)`."""
    parts = [names[ids[operand]] for operand in node.operands]
    if _symbol(node) in INFIX:
        return f" {INFIX[_symbol(node)]} ".join(parts)
    return f"−{parts[0]}" if _symbol(node) == "neg" else f"{_symbol(node)}({', '.join(parts)})"


def _node(
    node: Value,
    names: list[str],
    ids: dict[Value, int],
    point: tuple[float, float],
    last: bool,
    learning: Collection[str],
) -> dict[str, Any]:
    name = names[ids[node]]
    kind = "op" if node.operands else "constant" if node.constant else "input"
    tied = f" ≡ {' ≡ '.join(node.aliases)}" if node.aliases else ""
    said = f"{name} = {formula_text(node, names, ids)}" if node.operands else f"{kind} {name}{tied}"
    return {
        "name": name,
        "label": _clipped(name + tied),
        "op": GLYPHS.get(_symbol(node), _symbol(node)) if node.operands else "",
        "kind": f"{kind} result" if last else kind,
        "x": point[0],
        "y": point[1],
        "value": readable(node.data) if kind != "constant" else "",
        "exact": exact(node.data),
        "said": said,
        "error": node.problem,
        "remark": remark(node),
        "learns": name in learning,
    }


def _edges(nodes: tuple[Value, ...], ends: list[Edge], bends: dict[Edge, Any]) -> list[dict[str, Any]]:
    twins = Counter(ends)
    drawn: Counter[Edge] = Counter()
    edges = []
    locals_ = [local for node in nodes for local in node.locals]
    constant = [operand.constant for node in nodes for operand in node.operands]
    for end, local, plain in zip(ends, locals_, constant, strict=True):
        edges.append(
            {
                "from": end[0],
                "to": end[1],
                "bends": bends[end],
                "twin": drawn[end],
                "twins": twins[end],
                "local": "" if plain else signed(local),
                "sign": sign_of(local),
            }
        )
        drawn[end] += 1
    return edges


def _into(ends: list[Edge]) -> dict[int, list[int]]:
    into: dict[int, list[int]] = {}
    for number, (_, target) in enumerate(ends):
        into.setdefault(target, []).append(number)
    return into


def _forward(result: Value, names: list[str], ends: list[Edge]) -> list[dict[str, Any]]:
    into = _into(ends)
    ids = {node: number for number, node in enumerate(result.nodes())}
    return [
        {
            "phase": "forward",
            "node": step.id,
            "edges": into[step.id],
            "sets": [],
            "say": f"Forward: {names[step.id]} = {formula_text(step.node, names, ids)} = {readable(step.value)}",
        }
        for step in result.forward_steps()
    ]


def _backward(passed: Sequence[BackwardStep], names: list[str], ends: list[Edge]) -> list[dict[str, Any]]:
    into = _into(ends)
    last_use = {part.id: number for number, step in enumerate(passed) for part in step.contributions}
    steps = []
    for number, step in enumerate(passed):
        sets = [_set(step.id, step.gradient, False)] if number == 0 else []
        sets += [_set(part.id, part.total, number < last_use[part.id]) for part in step.contributions]
        name, grad = names[step.id], readable(step.gradient)
        if step.contributions:
            receivers = " and ".join(dict.fromkeys(names[part.id] for part in step.contributions))
            say = f"Backward: {name} has gradient {grad} and hands it to {receivers}, times the local derivative"
        else:
            say = f"Backward: the gradient of {name} is complete, {grad}"
        active = into.get(step.id, []) if step.contributions else []
        steps.append({"phase": "backward", "node": step.id, "edges": active, "sets": sets, "say": say})
    return steps


def _once_more(result: Value, again: int) -> dict[str, Any]:
    nodes = result.nodes()
    return {
        "phase": "backward",
        "node": len(nodes) - 1,
        "edges": [],
        "sets": [
            _set(number, node.grad if node.grad is not None else math.nan, False)
            for number, node in enumerate(nodes)
            if not node.constant
        ],
        "say": f"Backward pass {again} without zeroing: it adds, so every gradient is {again} times too large",
    }


def _set(node: int, gradient: float, partial: bool) -> list[Any]:
    """One line of a step: this node's gradient now reads so; `partial` while more uses are still to be added."""
    return [node, f"∂ {signed(gradient)}{' + …' if partial else ''}", exact(gradient), sign_of(gradient), partial]


def _clipped(name: str, longest: int = 16) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
