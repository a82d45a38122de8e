"""A number that remembers how it was made, so that it can tell how it would change.

Every `Value` knows its operands and how it answers a small change of each of them (its local derivatives). Walking
from the result back to the inputs and multiplying these along the way gives the derivative of the result by
everything it was made from: the chain rule, applied one node at a time.

    >>> x, w = Value(0.7, "x"), Value(-1.5, "w")
    >>> f = (x * w + 1) ** 2
    >>> f.backward()
    >>> round(x.grad, 12), round(w.grad, 12)
    (0.15, -0.07)

`backward_steps()` does the same and tells what it does; it is what the lesson's page animates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from mlcore.autodiff.operations import OPERATIONS, Operation, why_no_value


class Value:
    """One node of the graph: an input, a constant, or an operation on other nodes.

    Attributes:
        data: its number. Not-a-number where it has no value, infinite where it overflowed; the node where that began
            says in `problem` what happened.
        grad: the derivative of the result by this node, summed over all backward passes since `zero_grad()`; `None`
            until the first one. Constants have none.
        name: the variable's name of an input, the label of an operation; empty where none was given.
        aliases: further variable names tied to this input.
        operands: the nodes it was made from, in order; `x * x` has two. Empty for inputs and constants.
        locals: the local derivative ∂self/∂operand for each operand; 0 for a constant, which never changes.
        constant: whether it is a plain number, or made from plain numbers only.
        level: 0 for inputs and constants, else one more than the highest level among its operands.
        problem: one sentence if this is the node where a value was lost, else empty.
        column: where it stands in the text it was read from, counted from 1; 0 if it was not read from a text.
    """

    __slots__ = (
        "_arrived",
        "_operation",
        "_plan",
        "aliases",
        "column",
        "constant",
        "data",
        "grad",
        "level",
        "locals",
        "name",
        "operands",
        "problem",
    )

    def __init__(self, data: float, name: str = "", *, constant: bool = False) -> None:
        self.data = float(data)
        self.grad: float | None = None
        self.name = name
        self.aliases: tuple[str, ...] = ()
        self.operands: tuple[Value, ...] = ()
        self.locals: tuple[float, ...] = ()
        self.constant = constant
        self.level = 0
        self.problem = ""
        self.column = 0
        self._arrived = 0.0  # a backward pass adds up here what the users hand back
        self._operation: Operation | None = None
        self._plan: _Plan | None = None

    # Forward: what each operation computes, and its local derivatives beside it, is the table in operations.py.

    def __add__(self, other: Value | float) -> Value:
        return apply("+", self, other)

    def __radd__(self, other: float) -> Value:
        return apply("+", other, self)

    def __sub__(self, other: Value | float) -> Value:
        return apply("-", self, other)

    def __rsub__(self, other: float) -> Value:
        return apply("-", other, self)

    def __mul__(self, other: Value | float) -> Value:
        return apply("*", self, other)

    def __rmul__(self, other: float) -> Value:
        return apply("*", other, self)

    def __truediv__(self, other: Value | float) -> Value:
        return apply("/", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return apply("/", other, self)

    def __pow__(self, other: Value | float) -> Value:
        return apply("**", self, other)

    def __rpow__(self, other: float) -> Value:
        return apply("**", other, self)

    def __neg__(self) -> Value:
        return apply("neg", self)

    def __abs__(self) -> Value:
        return apply("abs", self)

    def exp(self) -> Value:
        return apply("exp", self)

    def log(self) -> Value:
        return apply("log", self)

    def sqrt(self) -> Value:
        return apply("sqrt", self)

    def sin(self) -> Value:
        return apply("sin", self)

    def cos(self) -> Value:
        return apply("cos", self)

    def tanh(self) -> Value:
        return apply("tanh", self)

    def sigmoid(self) -> Value:
        return apply("sigmoid", self)

    def relu(self) -> Value:
        return apply("relu", self)

    # Backward.

    def backward(self) -> None:
        """Find ∂self/∂node for every node below and add it to that node's `grad`.

        A second call adds the same once more, as PyTorch does: gradients are summed until `zero_grad()`.
        """
        for _ in self._backward_pass():
            pass

    def backward_steps(self) -> Iterator[BackwardStep]:
        """Run `backward()` and tell, node by node, what it did.

        The result comes first, every other node after all of its users, the inputs (which hand nothing on) last.
        Running it to the end leaves the gradients that `backward()` leaves. One walk over a graph at a time.
        """
        ids = {node: number for number, node in enumerate(self.nodes())}
        sums: dict[Value, float] = {}
        for node in self._backward_pass():
            gradient, contributions = node._arrived, []
            for operand, local in zip(node.operands, node.locals, strict=True):
                if not operand.constant:
                    product = gradient * local
                    sums[operand] = sums[operand] + product if operand in sums else product
                    contributions.append(Contribution(operand, ids[operand], local, product, sums[operand]))
            yield BackwardStep(node, ids[node], gradient, tuple(contributions))

    def _backward_pass(self) -> Iterator[Value]:
        """The algorithm: yields each node once its gradient is complete and handed on to its operands."""
        plan = self._planned()
        for node in plan.nodes:
            node._arrived = 0.0
        self._arrived = 1.0  # ∂self/∂self
        for node in plan.users_first:
            gradient = node._arrived
            node.grad = gradient if node.grad is None else node.grad + gradient
            # The chain rule: ∂self/∂operand is what arrived here, times the local derivative. Several uses add up.
            if len(node.operands) == 2:
                (a, b), (by_a, by_b) = node.operands, node.locals
                a._arrived += gradient * by_a
                b._arrived += gradient * by_b
            else:
                (a,), (by_a,) = node.operands, node.locals
                a._arrived += gradient * by_a
            yield node
        for node in plan.inputs:
            node.grad = node._arrived if node.grad is None else node.grad + node._arrived
            yield node

    @property
    def operation(self) -> Operation | None:
        """Its row of `OPERATIONS`; `None` for inputs and constants."""
        return self._operation

    def zero_grad(self) -> None:
        """Forget the gradients of this node and of all below: `grad` is `None` again."""
        for node in self.nodes():
            node.grad = None

    # The graph.

    def nodes(self) -> tuple[Value, ...]:
        """Every node of the graph, level by level: inputs and constants first, this one last.

        A node's place in this tuple is its id in steps and descriptions. It depends on the expression alone.
        """
        return self._planned().nodes

    def variables(self) -> dict[str, Value]:
        """The named inputs, in the order in which the expression names them; tied names share one node."""
        inputs = [node for node in self.nodes() if node.name and not node.operands]
        return {name: node for node in inputs for name in (node.name, *node.aliases)}

    def forward_steps(self) -> Iterator[ForwardStep]:
        """The operations in the order of `nodes()`: every one after its operands."""
        for number, node in enumerate(self.nodes()):
            if node.operands:
                yield ForwardStep(node, number, node.operands, node.data)

    def problems(self) -> tuple[Value, ...]:
        """The nodes where a value was lost, first one first; empty when all is well."""
        return tuple(node for node in self.nodes() if node.problem)

    def _planned(self) -> _Plan:
        if self._plan is None:  # a graph never changes once it is built, so its order is found once
            self._plan = _plan(self)
        return self._plan

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"Value(data={self.data}, grad={self.grad}{name})"


class ForwardStep(NamedTuple):
    """One node's value is computed from its operands'."""

    node: Value
    id: int
    operands: tuple[Value, ...]
    value: float


class Contribution(NamedTuple):
    """What one step hands to one operand: `product` = the step's gradient · `local`; `total` is the sum so far."""

    operand: Value
    id: int
    local: float
    product: float
    total: float


class BackwardStep(NamedTuple):
    """One node's gradient is complete and is handed on: a contribution for each operand that is not constant.

    `gradient` is what arrived in this pass alone, also when earlier passes left something in `node.grad`.
    """

    node: Value
    id: int
    gradient: float
    contributions: tuple[Contribution, ...]


class _Plan(NamedTuple):
    nodes: tuple[Value, ...]  # by level, upwards
    users_first: tuple[Value, ...]  # the operations that depend on an input, by level, downwards
    inputs: tuple[Value, ...]


def _plan(result: Value) -> _Plan:
    """Put the nodes in order without recursion, so that a chain of any length works.

    A node's level is above the levels of all its operands, so going down the levels meets every node after all of its
    users: its gradient is complete by then.
    """
    found: dict[Value, None] = {}
    waiting = [result]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting.extend(node.operands[::-1])
    level = attrgetter("level")
    moving = [node for node in found if not node.constant]
    operations = sorted([node for node in moving if node.operands], key=level, reverse=True)
    inputs = [node for node in moving if not node.operands]
    return _Plan(tuple(sorted(found, key=level)), tuple(operations), tuple(inputs))


def apply(symbol: str, *operands: Value | float) -> Value:
    """A new node: the operation `symbol` of `OPERATIONS` on operands, of which plain numbers become constants.

    Never raises for a value: 1 / 0 makes a node whose `data` is not-a-number and whose `problem` says why.
    """
    operation = OPERATIONS[symbol]
    nodes = tuple([x if isinstance(x, Value) else Value(x, constant=True) for x in operands])
    numbers = [operand.data for operand in nodes]
    node = Value.__new__(Value)
    node.operands, node._operation = nodes, operation
    node.name, node.aliases, node.problem, node.column = "", (), "", 0
    node.grad = node._plan = None
    try:
        node.data = y = operation.forward(*numbers)
        node.locals = operation.derivatives(*numbers, y)
    except (ArithmeticError, ValueError):
        _mend(node, operation, numbers)
    if not math.isfinite(node.data) and all(map(math.isfinite, numbers)):
        node.problem = why_no_value(operation, *numbers)
    node.level = 1 + max([operand.level for operand in nodes])
    still = [operand.constant for operand in nodes]
    node.constant = False not in still
    if True in still:
        node.locals = tuple([0.0 if fixed else local for fixed, local in zip(still, node.locals, strict=True)])
    return node


def _mend(node: Value, operation: Operation, numbers: list[float]) -> None:
    """Where a value or its slope does not exist, not-a-number stands in, and the rest of the graph still works."""
    try:
        node.data = operation.forward(*numbers)
    except (ArithmeticError, ValueError):
        node.data = math.nan
    node.locals = (math.nan,) * operation.arity
