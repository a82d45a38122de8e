"""Nudge an input and see how the result moves: the derivative without any calculus, to check the one with it.

The forward difference (f(x + h) − f(x)) / h errs by about h; the central difference (f(x + h) − f(x − h)) / 2h by
about h². Both lose digits to rounding when h is tiny, since then they subtract two numbers that are nearly equal.

`sweep` and `nudge` look at one input closely; `check_gradients` checks a whole expression, as one does after adding an
operation to the table: it raises, with both numbers, where the backward pass and the nudge disagree.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlcore.autodiff.expressions import Expression, parse
from mlcore.autodiff.operations import short

# h = 1, 0.316, 0.1, … 1e-12: two for each power of ten.
STEPS: tuple[float, ...] = tuple(10 ** (-k / 2) if k % 2 else float(f"1e-{k // 2}") for k in range(25))


class Nudge(NamedTuple):
    """What one step h says about one derivative; not-a-number where a nudged value does not exist."""

    h: float
    forward: float
    central: float
    analytic: float

    @property
    def forward_error(self) -> float:
        """|forward − analytic|."""
        return abs(self.forward - self.analytic)

    @property
    def central_error(self) -> float:
        """|central − analytic|."""
        return abs(self.central - self.analytic)


class GradientMismatch(AssertionError):
    """The analytic and the numerical derivative disagree; the message has both numbers."""


def sweep(
    expression: Expression | str,
    values: Mapping[str, float],
    name: str,
    steps: Sequence[float] = STEPS,
    ties: Mapping[str, str] | None = None,
) -> list[Nudge]:
    """Nudge one input by every h and compare with its gradient.

    Args:
        expression: read already, or as text.
        values: a number for every name that is not tied.
        name: the input to nudge; all names tied to it move along.
        steps: the sizes h, above 0.
        ties: names that share another name's input.

    Raises:
        ExpressionError: the expression or its values are not something to compute with.
    """
    read = parse(expression) if isinstance(expression, str) else expression
    result = read.evaluate(values, ties=ties, strict=False)
    result.backward()
    node = result.variables()[name]
    leader, start = node.name, node.data

    def moved(by: float) -> tuple[float, float]:
        """The nudged value, and the nudge as floats can hold it: start + by − start."""
        at = start + by
        return read.evaluate({**values, leader: at}, ties=ties, strict=False).data, at - start

    nudges = []
    for h in steps:
        (above, up), (below, down) = moved(h), moved(-h)
        forward = (above - result.data) / up if up else math.nan
        central = (above - below) / (up - down) if up != down else math.nan
        nudges.append(Nudge(h, forward, central, math.nan if node.grad is None else node.grad))
    return nudges


def nudge(
    expression: Expression | str,
    values: Mapping[str, float],
    name: str,
    h: float,
    ties: Mapping[str, str] | None = None,
) -> Nudge:
    """One step of `sweep`."""
    return sweep(expression, values, name, (h,), ties)[0]


def check_gradients(
    expression: Expression | str,
    values: Mapping[str, float],
    ties: Mapping[str, str] | None = None,
    h: float = 1e-5,
    tolerance: float = 1e-6,
) -> dict[str, Nudge]:
    """Compare every gradient of an expression with its central difference.

    >>> found = check_gradients("(x1*w1 + x2*w2) * r", {"x1": 0.7, "w1": -1.5, "x2": 0.34, "w2": -0.35, "r": -0.23})
    >>> round(found["x1"].analytic, 6), round(found["x1"].central, 6)
    (0.345, 0.345)

    Args:
        tolerance: the largest difference allowed, relative to the larger of 1 and the gradient.

    Raises:
        GradientMismatch: one is further away; the message has both numbers.
        ExpressionError: the expression or its values are not something to compute with.
    """
    read = parse(expression) if isinstance(expression, str) else expression
    checked = {}
    for name in read.names:
        found = nudge(read, values, name, h, ties)
        if not found.central_error <= tolerance * max(1.0, abs(found.analytic)):
            raise GradientMismatch(
                f"d/d{name} of {read.text[:80]}: the backward pass says {found.analytic!r}, "
                f"the central difference at h = {h:g} says {found.central!r}"
            )
        checked[name] = found
    return checked


def remark_on(nudges: Sequence[Nudge]) -> str:
    """What a sweep shows, in words, with its numbers."""
    known = [found for found in nudges if math.isfinite(found.central_error) and math.isfinite(found.forward_error)]
    if not known:
        return "No nudge of this input gives a value on both sides, so there is nothing to compare."
    largest, smallest = max(known), min(known)
    scale = max(abs(largest.analytic), sys.float_info.epsilon)
    rounding = (
        f"At h = {short(smallest.h)} the error is {short(smallest.central_error, 2)}: two nearly equal numbers are "
        "subtracted, their leading digits cancel, and what rounding left behind is divided by a tiny h."
    )
    if largest.forward_error <= 1e-12 * max(1.0, scale):
        return (
            "Over these nudges the result is linear in this input, so every size of nudge gives the exact "
            f"slope, and only rounding is left. {rounding}"
        )
    best = min(known, key=lambda found: found.central_error)
    return (
        "A large nudge leaves the straight line that the slope describes: the forward difference errs in proportion to "
        f"h, the central difference to h squared. The central difference is best near h = {short(best.h, 2)}, "
        f"with an error of {short(best.central_error, 2)}. {rounding}"
    )
