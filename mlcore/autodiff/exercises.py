"""Practice by hand: a small problem, solved line by line, with more and more of the lines left to the learner.

A seed makes a problem: an expression, its values and one input whose gradient is asked for. Its solution is the
backward pass itself, written down as lines; the level says which of their numbers are blank. Worked examples that
fade step by step (Renkl 2004): 0 shows all, 1 hides the last number, 2 the local derivatives too, 3 everything.

    >>> problem = make_problem(seed=0, level=1)
    >>> [blank.answer for blank in problem.blanks] == [problem.lines[-1].answer]
    True

`answers.py` checks what the learner writes into a blank, and says what a wrong number was the answer to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlcore.autodiff.examples import EXAMPLES
from mlcore.autodiff.expressions import evaluate, parse
from mlcore.autodiff.operations import short
from mlcore.autodiff.value import Value

if TYPE_CHECKING:
    import numpy as np

LEVELS: dict[int, str] = {
    0: "Worked: read every line.",
    1: "The last number is blank.",
    2: "The local derivatives are blank as well.",
    3: "Every number is blank.",
}

Kind = Literal["local", "product", "sum"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a solution.

    A contribution: gradient of `user` times local derivative ∂user/∂node. A sum: all contributions to a node that is
    used more than once.

    Attributes:
        node: the label of the node whose gradient grows.
        user: the label of the node that hands it on; empty for a sum.
        symbol: the user's operation; empty for a sum.
        operands: the labels of the user's operands, in order.
        operand_values: their values.
        slot: which of them `node` is.
        user_value: the user's own value.
        node_value: the node's own value.
        upstream: ∂f/∂user; 0 for a sum.
        local: ∂user/∂node; 0 for a sum.
        terms: what a sum adds; empty for a contribution.
        answer: the product, or the sum.
    """

    node: str
    user: str
    symbol: str
    operands: tuple[str, ...]
    operand_values: tuple[float, ...]
    slot: int
    user_value: float
    node_value: float
    upstream: float
    local: float
    terms: tuple[float, ...]
    answer: float

    @property
    def is_sum(self) -> bool:
        """Whether this line adds up contributions."""
        return bool(self.terms)


@dataclass(frozen=True, slots=True)
class Blank:
    """A number the learner is asked for: line `line`, its local derivative, its product or its sum."""

    line: int
    kind: Kind
    answer: float

    @property
    def key(self) -> str:
        """Its name in forms and links: "2-local"."""
        return f"{self.line}-{self.kind}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with its whole solution.

    Attributes:
        seed, level: what it was made from; the same two make the same problem again.
        expression, values: as for `evaluate`; all values are short decimals.
        variable: the input whose gradient is asked for.
        labels: names for the operations.
        lines: the solution, from the result to the variable.
        blanks: the numbers of it that are asked for, in reading order; empty at level 0.
    """

    seed: int
    level: int
    expression: str
    values: Mapping[str, float]
    variable: str
    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    blanks: tuple[Blank, ...]

    @property
    def answer(self) -> float:
        """The gradient asked for."""
        return self.lines[-1].answer

    def graph(self) -> Value:
        """The problem's graph, no gradients computed yet."""
        return evaluate(self.expression, self.values, labels=self.labels)


# Each with the labels of its operations; one in four problems is the report's f.
_SHAPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("(a + b) * c", ("s", "f")),
    ("a*b + c", ("p", "f")),
    ("(a*b + c) * d", ("p", "s", "f")),
    ("(a + b) * (c - d)", ("s", "t", "f")),
    ("(x*w + b)**2", ("p", "s", "f")),
    ("(x*w - t)**2", ("p", "e", "f")),
    ("a*b*c", ("p", "f")),
    ("x*x + y", ("q", "f")),
    ("(a + b) * (b + c)", ("s", "t", "f")),
    ("a*b - b*c", ("p", "q", "f")),
    ("(x*w + b) * x", ("p", "s", "f")),
    ("relu(x*w + b) * v", ("p", "s", "h", "f")),
    ("max(a*b, c) * d", ("p", "m", "f")),
    ("(a - b) / c", ("d", "f")),
    ("-(a*b) * c", ("p", "n", "f")),
    ("(x1*w1 + x2*w2) * (x3*w3 + x4*w4)", ("q", "t", "s", "g", "p", "r", "f")),
)
_REPORT = EXAMPLES["report"]


def make_problem(seed: int, level: int) -> Problem:
    """The problem of a seed; the level chooses the blanks only, so going up a level keeps the problem.

    Args:
        seed: any whole number from 0.
        level: 0 to 3, see `LEVELS`.

    Raises:
        ValueError: seed or level is out of range.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(map(str, LEVELS))}, not {level}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, not {seed}")
    import numpy as np  # only here: everything else of this package starts without it

    rng = np.random.default_rng(seed)
    while True:
        expression, values, labels = _draw(rng)
        result = evaluate(expression, values, labels=labels, strict=False)
        variable = str(rng.choice(list(result.variables())))
        if result.problems():
            continue
        lines = tuple(_solve(result, variable))
        if lines and all(_telling(line) for line in lines):
            blanks = tuple(_blanks(lines, level))
            return Problem(seed, level, expression, values, variable, labels, lines, blanks)


def _draw(rng: np.random.Generator) -> tuple[str, dict[str, float], tuple[str, ...]]:
    if rng.random() < 0.25:
        return _REPORT.expression, dict(_REPORT.values), _REPORT.labels
    expression, labels = _SHAPES[int(rng.integers(len(_SHAPES)))]
    names = parse(expression).names
    numbers = rng.choice([-5, -4, -3, -2, 2, 3, 4, 5], size=len(names))
    return expression, dict(zip(names, map(float, numbers), strict=True)), labels


def _solve(result: Value, variable: str) -> Iterator[Line]:
    """The backward pass, as far as it concerns one input."""
    target = result.variables()[variable]
    ahead = {target}  # every node that leads on to the variable
    for node in result.nodes():
        if any(operand in ahead for operand in node.operands):
            ahead.add(node)
    terms: dict[Value, list[float]] = {}
    for step in result.backward_steps():
        node, numbers = step.node, terms.get(step.node, [])
        if node in ahead and len(numbers) > 1:
            yield Line(node.name, "", "", (), (), 0, 0.0, node.data, 0.0, 0.0, tuple(numbers), step.gradient)
        if node not in ahead or node is target:
            continue
        for slot, (operand, local) in enumerate(zip(node.operands, node.locals, strict=True)):
            if operand in ahead:
                product = step.gradient * local
                terms.setdefault(operand, []).append(product)
                yield Line(
                    node=operand.name,
                    user=node.name,
                    symbol=node.operation.symbol if node.operation else "",
                    operands=tuple(x.name or short(x.data) for x in node.operands),
                    operand_values=tuple(x.data for x in node.operands),
                    slot=slot,
                    user_value=node.data,
                    node_value=operand.data,
                    upstream=step.gradient,
                    local=local,
                    terms=(),
                    answer=product,
                )


def _telling(line: Line) -> bool:
    """Whether the numbers are short decimals, no corner is met, and the usual mistakes do not give the right answer."""
    numbers = (line.upstream, line.local, line.answer, line.user_value, line.node_value, *line.terms)
    if any(abs(number - round(number, 5)) > 1e-12 or abs(number) > 999 for number in numbers) or not line.answer:
        return False
    if line.symbol in ("*", "max") and abs(line.operand_values[0]) == abs(line.operand_values[-1]):
        return line.operands[0] == line.operands[-1]  # x·x: both factors are the same by right
    return True


def _blanks(lines: tuple[Line, ...], level: int) -> Iterator[Blank]:
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        if level >= 2 and not line.is_sum:
            yield Blank(number, "local", line.local)
        if level == 3 or (level >= 1 and last):
            yield Blank(number, "sum" if line.is_sum else "product", line.answer)
