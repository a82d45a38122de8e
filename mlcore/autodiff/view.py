"""The graph as plain data: what a page, a file or another program needs to draw it.

`describe(result)` gives nodes and edges as dictionaries that JSON can hold; where to put them on the screen is the
drawer's business. A node's id is its place in `Value.nodes()`, so steps, descriptions and formulas speak of the same.
"""

from __future__ import annotations

import math
from typing import Literal, TypedDict

from mlcore.autodiff.operations import short
from mlcore.autodiff.value import Value

DIGITS = 5  # of numbers shown for reading


class NodeView(TypedDict):
    """One node. Numbers that are not finite are `None` here; their text says what they are."""

    id: int
    kind: Literal["input", "constant", "operation"]
    label: str  # "x1"; tied names together: "x1 = x3"; a constant's number
    symbol: str  # of `OPERATIONS`, empty for inputs and constants
    formula: str  # "x1 * w1"; the label for inputs and constants
    value: float | None
    value_text: str
    gradient: float | None
    gradient_text: str  # "–" while there is none
    problem: str
    remark: str  # a convention that took effect here: a corner, a tie, an infinite slope
    column: int
    level: int


class EdgeView(TypedDict):
    """One use of a node by another; x*x has two."""

    source: int  # the operand
    target: int  # the node made from it
    slot: int  # which operand: 0 or 1
    local: float | None  # ∂target/∂source; `None` for a constant's, which has none, and where it is not finite
    local_text: str
    flows: bool  # whether a gradient flows back over it


class GraphView(TypedDict):
    """The whole graph; `result` is the id of the last node, `variables` the node of every name, ties included."""

    nodes: list[NodeView]
    edges: list[EdgeView]
    result: int
    variables: dict[str, int]
    problems: list[int]


def describe(result: Value) -> GraphView:
    """The graph below a result, with the values and gradients it has at this moment."""
    nodes = result.nodes()
    ids = {node: number for number, node in enumerate(nodes)}
    edges: list[EdgeView] = [
        {
            "source": ids[operand],
            "target": ids[node],
            "slot": slot,
            "local": None if operand.constant else _finite(local),
            "local_text": "" if operand.constant else number_text(local),
            "flows": not operand.constant,
        }
        for node in nodes
        for slot, (operand, local) in enumerate(zip(node.operands, node.locals, strict=True))
    ]
    return {
        "nodes": [_node(node, ids[node]) for node in nodes],
        "edges": edges,
        "result": ids[result],
        "variables": {name: ids[node] for name, node in result.variables().items()},
        "problems": [ids[node] for node in result.problems()],
    }


def _node(node: Value, number: int) -> NodeView:
    return {
        "id": number,
        "kind": "operation" if node.operands else "constant" if node.constant else "input",
        "label": label(node),
        "symbol": node.operation.symbol if node.operation else "",
        "formula": formula(node),
        "value": _finite(node.data),
        "value_text": number_text(node.data),
        "gradient": None if node.grad is None else _finite(node.grad),
        "gradient_text": "–" if node.grad is None else number_text(node.grad),
        "problem": node.problem,
        "remark": remark(node),
        "column": node.column,
        "level": node.level,
    }


def label(node: Value) -> str:
    """What a node is called: its variable names, its label, or a constant's number."""
    if node.name:
        return " = ".join((node.name, *node.aliases))
    return number_text(node.data)


def formula(node: Value) -> str:
    """How a node is made from its operands, by their labels: "x1 * w1", "exp(v1)"."""
    if node.operation is None:
        return label(node)
    symbol, parts = node.operation.symbol, [operand.name or number_text(operand.data) for operand in node.operands]
    if node.operation.is_function:
        return f"{symbol}({', '.join(parts)})"
    return f"-{parts[0]}" if symbol == "neg" else f"{parts[0]} {symbol} {parts[1]}"


def remark(node: Value) -> str:
    """The convention that took effect at this node, in a sentence; empty where the slope is an ordinary one."""
    if node.operation is None or node.problem:
        return ""
    first, last = node.operands[0].data, node.operands[-1].data
    if node.operation.corner and (first == last if len(node.operands) == 2 else first == 0):
        return node.operation.corner
    if math.isfinite(node.data) and any(math.isinf(local) for local in node.locals):
        return "The slope here is infinite: the smallest step away changes the value without bound."
    return ""


def number_text(number: float) -> str:
    """A number rounded for reading."""
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    return short(number, DIGITS)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
