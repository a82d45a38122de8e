"""Expressions worth looking at, each with values and one sentence on what to look for.

`EXAMPLES["report"]` is the worked example of report R2 with the report's own node names and printed figures; the
others each show one thing that a first look at gradients should not miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Example:
    """A named expression.

    Attributes:
        name: its key in `EXAMPLES`, and in links.
        title: for a menu.
        expression: as text.
        values: a number for each variable.
        look: one sentence on what to look at.
        labels: names for the operations in the order of `Value.nodes()`; empty for v1, v2, …
        printed: the report's own figures by node or variable name, as it prints them; "f" is the value, every other
            name the derivative of f by it. Empty for examples of our own.
    """

    name: str
    title: str
    expression: str
    values: Mapping[str, float]
    look: str
    labels: tuple[str, ...] = ()
    printed: Mapping[str, float] = field(default_factory=dict)


def _sigmoid_chain(depth: int) -> str:
    return "sigmoid(" * depth + "w*x" + ")" * depth


_ALL = (
    Example(
        name="report",
        title="The report's f",
        expression="(x1*w1 + x2*w2) * (x3*w3 + x4*w4)",
        values={"x1": 0.7, "w1": -1.5, "x2": 0.34, "w2": -0.35, "x3": 0.2, "w3": -0.25, "x4": -0.9, "w4": 0.2},
        look="Each factor of the last product hands the other factor's value back as its gradient.",
        labels=("q", "t", "s", "g", "p", "r", "f"),
        # R2, part I.
        printed={
            "f": 0.26887,
            **{"p": -0.23, "r": -1.169, "q": -0.23, "t": -0.23, "s": -1.169, "g": -1.169},
            **{"x1": 0.345, "x2": 0.0805, "x3": 0.29225, "x4": -0.2338},
            **{"w1": -0.161, "w2": -0.0782, "w3": -0.2338, "w4": 1.0521},
        },
    ),
    Example(
        name="neuron",
        title="A sigmoid neuron",
        expression="sigmoid(x1*w1 + x2*w2 + b)",
        values={"x1": 1.0, "w1": 2.0, "x2": -2.0, "w2": 0.5, "b": 0.5},
        look="Every gradient passes through the sigmoid's slope y(1 − y), which is never more than a quarter.",
    ),
    Example(
        name="squared-error",
        title="A neuron with squared error",
        expression="(x*w + b - target)**2",
        values={"x": 1.5, "w": 0.8, "b": -0.2, "target": 2.0},
        look="The gradient of w carries the sign of the error: the output is too low, so w should grow.",
    ),
    Example(
        name="cross-entropy",
        title="Softmax and cross-entropy of two logits",
        expression="-log(exp(z1) / (exp(z1) + exp(z2)))",
        values={"z1": 1.0, "z2": 2.5},
        look="The two gradients come out as probability minus truth, p1 − 1 and p2, and add up to 0.",
    ),
    Example(
        name="square",
        title="x times x",
        expression="x*x",
        values={"x": 3.0},
        look="The input is used twice, so two contributions of 3 add up to 2x = 6.",
    ),
    Example(
        name="shared",
        title="A shared variable",
        expression="(a + b) * (b + 1)",
        values={"a": 2.0, "b": 1.0},
        look="b reaches the result over two paths, and its gradient is the sum of both.",
    ),
    Example(
        name="max-gate",
        title="A max gate",
        expression="max(x*w, y*v) * 3",
        values={"x": 2.0, "w": 1.5, "y": -1.0, "v": 4.0},
        look="Only the larger side gets the gradient; the other gets exactly 0, which is not the same as none.",
    ),
    Example(
        name="vanishing",
        title="Ten sigmoids in a row",
        expression=_sigmoid_chain(10),
        values={"w": 1.2, "x": 0.8},
        look="Each sigmoid multiplies the gradient by less than a quarter; after ten of them almost nothing is left.",
    ),
    Example(
        name="overflow",
        title="One that overflows",
        expression="log(exp(a*x) + 1)",
        values={"a": 30.0, "x": 25.0},
        look="exp(750) is beyond the largest float, so the value is lost there and in everything made from it.",
    ),
)

EXAMPLES: dict[str, Example] = {example.name: example for example in _ALL}


def example_of(expression: str) -> Example | None:
    """The example with this expression, spaces apart; `None` if it is not one of ours."""
    plain = "".join(expression.split())
    return next((example for example in _ALL if "".join(example.expression.split()) == plain), None)
