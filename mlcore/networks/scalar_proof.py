"""The same expression through PyTorch's autograd: the second opinion on every gradient of lesson 1.

PyTorch is loaded with this module, so it is for a worker process or a test; nothing of our own autodiff takes part but
the reading of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

import torch

from mlcore.autodiff import OPERATIONS, parse
from mlcore.autodiff.expressions import leader_of

_TORCH: dict[str, Callable[..., torch.Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "**": torch.pow,
    "neg": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "abs": torch.abs,
    "max": torch.maximum,
    "min": torch.minimum,
}


class Proof(TypedDict):
    """PyTorch's value and gradients, in float64; `gradients` has every name of the expression."""

    value: float
    gradients: dict[str, float]


def torch_gradients(
    expression: str, values: Mapping[str, float], ties: Mapping[str, str] | None = None, passes: int = 1
) -> Proof:
    """Evaluate an expression with PyTorch and differentiate it.

    Args:
        expression: text of the grammar of `mlcore.autodiff.parse`.
        values: a number for every name that is not tied.
        ties: names that share another name's input.
        passes: how many times backward runs without the gradients being zeroed in between.

    Raises:
        ExpressionError: the text is not in the grammar, or ties go in a circle.
        KeyError: a value is missing.
    """
    read = parse(expression)
    leaves: dict[str, torch.Tensor] = {}
    for name in read.names:
        leader = leader_of(name, ties or {})
        if leader not in leaves:
            leaves[leader] = torch.tensor(float(values[leader]), dtype=torch.float64, requires_grad=True)
        leaves[name] = leaves[leader]
    stack: list[torch.Tensor] = []
    for kind, text, _ in read.postfix:
        if kind == "name":
            stack.append(leaves[text])
        elif kind == "number":
            stack.append(torch.tensor(float(text), dtype=torch.float64))
        else:
            count = OPERATIONS[text].arity
            operands = stack[-count:]
            del stack[-count:]
            stack.append(_TORCH[text](*operands))
    (result,) = stack
    if result.requires_grad:
        for _ in range(passes):
            result.backward(retain_graph=True)
    gradients = {name: leaves[name].grad for name in read.names}
    return {
        "value": result.item(),
        "gradients": {name: 0.0 if gradient is None else gradient.item() for name, gradient in gradients.items()},
    }
