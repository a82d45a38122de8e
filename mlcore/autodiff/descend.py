"""Walk downhill: move chosen inputs a little against their gradients, again and again.

That is all training is. `descend` takes the steps and keeps every point of the path; where the walk runs away instead
of settling, it stops and says so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from mlcore.autodiff.expressions import Expression, parse
from mlcore.autodiff.grammar import ExpressionError
from mlcore.autodiff.operations import short

TOO_FAR = 1e9  # a loss or a value beyond this is not on its way anywhere
GROWING = 5  # so many steps uphill in a row are not a detour


class Point(NamedTuple):
    """One point of the path: the inputs, the result f, the loss that is made smaller, and the loss's gradients.

    The loss is f itself, or (f − target)² where a target is to be reached.
    """

    values: dict[str, float]
    result: float
    loss: float
    gradients: dict[str, float]


@dataclass(frozen=True, slots=True)
class Descent:
    """A path, start included. `halted` is one sentence if the walk ran away, else empty."""

    path: tuple[Point, ...]
    halted: str = ""


def descend(
    expression: Expression | str,
    values: Mapping[str, float],
    learn: Collection[str],
    rate: float,
    steps: int = 1,
    target: float | None = None,
    ties: Mapping[str, str] | None = None,
) -> Descent:
    """Take gradient descent steps: each input of `learn` becomes input − rate · ∂loss/∂input.

    Args:
        expression: read already, or as text.
        values: the start; what does not learn stays as it is.
        learn: which inputs move. A tied name moves the input that it shares.
        rate: the learning rate, above 0.
        steps: how many, at least 0.
        target: reach this value; without it, f is made as small as it gets.
        ties: names that share another name's input.

    Raises:
        ExpressionError: the start has no value, or rate, learn or target are not something to work with.
    """
    read = parse(expression) if isinstance(expression, str) else expression
    if not (math.isfinite(rate) and rate > 0):
        raise ExpressionError("The rate must be a number above 0, such as 0.1.")
    if target is not None and not math.isfinite(target):
        raise ExpressionError("The target must be a finite number.")
    strangers = [name for name in learn if name not in read.names and name not in values]
    if strangers or not learn:
        raise ExpressionError(
            f"There is no input {strangers[0]}." if strangers else "Choose at least one input to learn."
        )
    point, lost = _look(read, dict(values), learn, target, ties)
    if lost:
        raise ExpressionError(lost)
    path, halted = [point], ""
    for _ in range(steps):
        moved = {name: point.values[name] - rate * slope for name, slope in point.gradients.items()}
        if not all(map(math.isfinite, moved.values())):
            halted = f"Step {len(path)} leads nowhere: a gradient there is not a finite number."
            break
        point, lost = _look(read, {**point.values, **moved}, learn, target, ties)
        if lost:
            halted = f"Step {len(path)} leads where f has no value. {lost} A smaller rate takes shorter steps."
            break
        path.append(point)
        halted = _runs_away(path, rate, target)
        if halted:
            break
    return Descent(tuple(path), halted)


def _look(
    read: Expression,
    values: dict[str, float],
    learn: Collection[str],
    target: float | None,
    ties: Mapping[str, str] | None,
) -> tuple[Point, str]:
    """One point, and a sentence if f has no value there."""
    result = read.evaluate(values, ties=ties, strict=False)
    result.backward()
    variables = result.variables()
    error = 0.0 if target is None else result.data - target
    # The chain rule once more: ∂(f − target)²/∂x = 2 (f − target) · ∂f/∂x.
    outer, loss = (1.0, result.data) if target is None else (2 * error, error * error)
    gradients = {node.name: outer * (node.grad or 0.0) for name in learn if (node := variables.get(name))}
    problems = [node.problem for node in result.problems()]
    lost = problems[0] if problems else "" if math.isfinite(loss) else "The loss is too large for a float."
    return Point(values, result.data, loss, gradients), lost


def _runs_away(path: list[Point], rate: float, target: float | None) -> str:
    """A sentence if the newest points say that this walk will not settle."""
    losses = [point.loss for point in path]
    last = path[-1]
    if target is None and last.result < -TOO_FAR:
        return f"f is {short(last.result)} and still falling: along these inputs it has no lowest value to settle at."
    far = losses[-1] > max(losses[0], TOO_FAR)
    recent = losses[-GROWING - 1 :]
    uphill = len(recent) > GROWING and all(after > before for before, after in pairwise(recent))
    if not (far or uphill):
        return ""
    return (
        f"This walk diverges: the loss went from {short(losses[0])} to {short(losses[-1])} in {len(path) - 1} steps. "
        f"Each step at rate {short(rate)} overshoots the valley and lands higher on its other side; "
        f"try a rate of {short(rate / 10)}."
    )
