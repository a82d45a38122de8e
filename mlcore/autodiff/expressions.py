"""Text becomes a graph: "(x1*w1 + x2*w2) * 3" is read by a small fixed grammar, and by nothing else.

`grammar.py` says what an expression is; here it gets its values. Nothing is ever executed, and what is not an
expression is refused with a sentence that names the column:

    >>> evaluate("x*w + b", {"x": 2, "w": 3, "b": 1}).data
    7.0
    >>> evaluate("x^2", {"x": 2})
    Traceback (most recent call last):
    mlcore.autodiff.grammar.ExpressionError: Column 2: Write ** for a power.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlcore.autodiff.grammar import MOST_NODES, ExpressionError, Token, postfix
from mlcore.autodiff.operations import OPERATIONS
from mlcore.autodiff.value import Value, apply


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read and found right; values come later, and may come often.

    Attributes:
        text: as it was written.
        names: its variables, in the order in which they first appear.
        postfix: operands before operators, e.g. x, w, * for x*w. Operators carry their symbol in `OPERATIONS`.
    """

    text: str
    names: tuple[str, ...]
    postfix: tuple[Token, ...]

    def evaluate(
        self,
        values: Mapping[str, float],
        *,
        ties: Mapping[str, str] | None = None,
        labels: Sequence[str] = (),
        strict: bool = True,
    ) -> Value:
        """Compute the expression; see `evaluate`."""
        leaves = _leaves(self.names, values, ties or {})
        stack: list[Value] = []
        for kind, text, column in self.postfix:
            if kind == "name":
                node = leaves[text]
                node.column = node.column or column
            elif kind == "number":
                node = Value(float(text), constant=True)
                node.column = column
            elif text == "neg" and stack[-1].constant and not stack[-1].operands:
                node = Value(-stack.pop().data, constant=True)  # −2 is a number, not an operation on one
                node.column = column
            else:
                count = OPERATIONS[text].arity
                node = apply(text, *stack[-count:])
                node.column = column
                del stack[-count:]
            stack.append(node)
        (result,) = stack
        label_operations(result, labels)
        if strict:
            for node in result.problems():
                raise ExpressionError(node.problem, node.column)
        return result


def evaluate(
    text: str,
    values: Mapping[str, float],
    *,
    ties: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    strict: bool = True,
) -> Value:
    """Read an expression and compute it: the result node, with the whole graph below it.

    Args:
        text: the expression, e.g. "(x1*w1 + x2*w2)*(x3*w3 + x4*w4)".
        values: a finite number for every name in it. Names that are not in it do no harm.
        ties: names that share another name's input, e.g. {"x3": "x1"}: one node, whose gradient is the sum over all
            uses of both names. A tied name needs no value of its own.
        labels: names for the operations in the order of `Value.nodes()`; without them, v1, v2, … and f for the result.
        strict: refuse a value that does not exist. With `False`, the node where that happened has its sentence in
            `problem`, and the rest of the graph is there.

    Raises:
        ExpressionError: the text is not in the grammar, a value is missing or not a finite number, or (strict) a
            division by zero, a logarithm of a negative number or an overflow happened.
    """
    return parse(text).evaluate(values, ties=ties, labels=labels, strict=strict)


def parse(text: str, limit: int = MOST_NODES) -> Expression:
    """Read an expression without computing it.

    Args:
        limit: the most numbers, names and operations it may have.

    Raises:
        ExpressionError: the text is not in the grammar, or longer than this program takes.
    """
    words = postfix(text, limit)
    return Expression(text, tuple(dict.fromkeys(word.text for word in words if word.kind == "name")), words)


def _leaves(names: Sequence[str], values: Mapping[str, float], ties: Mapping[str, str]) -> dict[str, Value]:
    """One input for every name; tied names share one."""
    leaders = {name: leader_of(name, ties) for name in names}
    missing = [name for name in dict.fromkeys(leaders.values()) if name not in values]
    if missing:
        raise ExpressionError(f"There is no value for {listed(missing)}.")
    leaves = {leader: Value(checked_number(leader, values[leader]), leader) for leader in leaders.values()}
    for name, leader in leaders.items():
        if name != leader:
            leaves[leader].aliases += (name,)
    return {name: leaves[leader] for name, leader in leaders.items()}


def leader_of(name: str, ties: Mapping[str, str]) -> str:
    """The name at the end of a chain of ties: the one whose input a name shares, or the name itself.

    Raises:
        ExpressionError: the ties go in a circle.
    """
    seen = {name}
    while name in ties:
        name = ties[name]
        if name in seen:
            raise ExpressionError(
                f"The ties of {listed(sorted(seen))} go in a circle; one of them must keep its own value."
            )
        seen.add(name)
    return name


def checked_number(name: str, value: object) -> float:
    """A value as a float. Raises ExpressionError if it is not a finite real number."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise ExpressionError(f"The value of {name} must be a finite number such as -1.5, not {str(value)[:20]}.")


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them, the long list cut short: "x1, x2 and w1"."""
    shown = [*words[:5], f"{len(words) - 5} more"] if len(words) > 6 else list(words)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def label_operations(result: Value, labels: Sequence[str] = ()) -> None:
    """Name the operations for reading: by `labels` where they fit, else v1, v2, … and f for the result.

    Labels fit when there is one for each operation and none is a variable's name. Constants keep their number.
    """
    variables = result.variables()
    operations = [node for node in result.nodes() if node.operands]
    if len(labels) != len(operations) or len({*labels, *variables}) != len(labels) + len(variables):
        free = (f"v{number}" for number in range(1, len(operations) + len(variables) + 2))
        labels = [name for name in free if name not in variables][: max(len(operations) - 1, 0)]
        last = next(name for name in ("f", "y", "z", "out", "result", "v0", "f0") if name not in variables)
        labels = [*labels, last] if operations else []
    for node, name in zip(operations, labels, strict=True):
        node.name = name
