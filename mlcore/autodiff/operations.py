"""What a node of the graph can do: every operation with its forward value and its local derivatives side by side.

One row of `OPERATIONS` is all the program knows about an operation: how to compute it, how its value answers a small
change of each operand, and how a textbook writes both. To add one, add a row; the expression reader, the command line
and the page take it from here.

In the formulas a and b are the operands and y is the value: for y = a / b the local derivatives are ∂y/∂a = 1 / b and
∂y/∂b = −y / b.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of node.

    Attributes:
        symbol: as an expression writes it: "+", "sin"; "neg" for the unary minus.
        name: in words: "plus", "sine".
        forward: operands -> value y. May raise ArithmeticError or ValueError where y has no value.
        derivatives: operands and y -> the local derivatives, one for each operand, in the same order.
        latex: y as a textbook writes it. @a and @b stand for operands that take brackets where they bind less
            tightly, #a and #b for operands that something already encloses.
        local_latex: the local derivatives likewise, with @y for the value.
        binding: how tightly the written form holds together: 1 sums, 2 products, 3 the unary minus, 4 powers,
            5 what never takes brackets.
        corner: the convention where the slope is not defined; empty for smooth operations.
    """

    symbol: str
    name: str
    forward: Callable[..., float]
    derivatives: Callable[..., tuple[float, ...]]
    latex: str
    local_latex: tuple[str, ...]
    binding: int = 5
    corner: str = ""

    @property
    def arity(self) -> int:
        """How many operands it takes: 1 or 2."""
        return len(self.local_latex)

    @property
    def is_function(self) -> bool:
        """Whether an expression writes it with brackets, as in sin(x)."""
        return self.symbol.isalpha() and self.symbol != "neg"


def _power(a: float, b: float) -> float:
    if a != a or b != b:  # a missing value stays missing, also to the power 0
        return math.nan
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf


def _power_derivatives(a: float, b: float, y: float) -> tuple[float, float]:
    steep = math.inf if a == 0 and b < 1 else _power(a, b - 1)
    by_exponent = y * math.log(a) if a > 0 else 0.0 if a == 0 and b >= 0 else math.nan
    return (b * steep if b else 0.0), by_exponent


def _exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def _sigmoid(a: float) -> float:
    if a < 0:  # exp(−a) would overflow for a far below 0; exp(a) does not
        return math.exp(a) / (1 + math.exp(a))
    return 1 / (1 + math.exp(-a))


def _sign(a: float) -> float:
    return 1.0 if a > 0 else -1.0 if a < 0 else a


def _larger(a: float, b: float) -> float:
    return max(a, b) if a == a and b == b else math.nan


def _smaller(a: float, b: float) -> float:
    return min(a, b) if a == a and b == b else math.nan


def _shares(a: float, b: float) -> tuple[float, float]:
    """What the larger of a and b takes, and what the other: all and nothing, or half each in a tie."""
    return (1.0, 0.0) if a > b else (0.0, 1.0) if b > a else (0.5, 0.5)


_TIE = "Where both are equal there is no slope; each side is given half, as PyTorch does."

# fmt: off
_ROWS = (
    # symbol, name
    #     forward y, local derivatives (∂y/∂a, ∂y/∂b)
    #     both as a textbook writes them
    Operation(
        "+", "plus",
        lambda a, b: a + b, lambda a, b, y: (1.0, 1.0),
        "@a + @b", ("1", "1"), 1,
    ),
    Operation(
        "-", "minus",
        lambda a, b: a - b, lambda a, b, y: (1.0, -1.0),
        "@a - @b", ("1", "-1"), 1,
    ),
    Operation(
        "*", "times",
        lambda a, b: a * b, lambda a, b, y: (b, a),
        r"@a \cdot @b", ("@b", "@a"), 2,
    ),
    Operation(
        "/", "divided by",
        lambda a, b: a / b, lambda a, b, y: (1 / b, -y / b),
        r"\frac{#a}{#b}", (r"\frac{1}{#b}", r"-\frac{#y}{#b}"),
    ),
    Operation(
        "**", "to the power",
        _power, _power_derivatives,
        "{@a}^{#b}", (r"@b \cdot {@a}^{#b - 1}", r"@y \cdot \ln\left(#a\right)"), 4,
    ),
    Operation(
        "neg", "minus sign",
        lambda a: -a, lambda a, y: (-1.0,),
        "-@a", ("-1",), 3,
    ),
    Operation(
        "exp", "exponential",
        _exp, lambda a, y: (y,),
        "e^{#a}", ("@y",), 4,
    ),
    Operation(
        "log", "natural logarithm",
        math.log, lambda a, y: (1 / a,),
        r"\ln\left(#a\right)", (r"\frac{1}{#a}",),
    ),
    Operation(
        "sqrt", "square root",
        math.sqrt, lambda a, y: (1 / (2 * y) if y else math.inf,),
        r"\sqrt{#a}", (r"\frac{1}{2 \cdot @y}",),
    ),
    Operation(
        "sin", "sine",
        math.sin, lambda a, y: (math.cos(a),),
        r"\sin\left(#a\right)", (r"\cos\left(#a\right)",),
    ),
    Operation(
        "cos", "cosine",
        math.cos, lambda a, y: (-math.sin(a),),
        r"\cos\left(#a\right)", (r"-\sin\left(#a\right)",),
    ),
    Operation(
        "tanh", "hyperbolic tangent",
        math.tanh, lambda a, y: (1 - y * y,),
        r"\tanh\left(#a\right)", ("1 - {@y}^2",),
    ),
    Operation(
        "sigmoid", "sigmoid",
        _sigmoid, lambda a, y: (y * (1 - y),),
        r"\sigma\left(#a\right)", (r"@y \cdot \left(1 - @y\right)",),
    ),
    Operation(
        "relu", "rectified linear unit",
        lambda a: 0.0 if a <= 0 else a, lambda a, y: (0.0 if a <= 0 else 1.0,),
        r"\mathrm{relu}\left(#a\right)", (r"\left[#a > 0\right]",),
        corner="At 0 there is a corner and no slope; 0 is taken, as PyTorch does.",
    ),
    Operation(
        "abs", "absolute value",
        abs, lambda a, y: (_sign(a),),
        r"\left|#a\right|", (r"\mathrm{sign}\left(#a\right)",),
        corner="At 0 there is a corner and no slope; 0 is taken, as PyTorch does.",
    ),
    Operation(
        "max", "larger of two",
        _larger, lambda a, b, y: _shares(a, b),
        r"\max\left(#a, #b\right)", (r"\left[#a > #b\right]", r"\left[#b > #a\right]"),
        corner=_TIE,
    ),
    Operation(
        "min", "smaller of two",
        _smaller, lambda a, b, y: _shares(b, a),
        r"\min\left(#a, #b\right)", (r"\left[#a < #b\right]", r"\left[#b < #a\right]"),
        corner=_TIE,
    ),
)
# fmt: on

OPERATIONS: dict[str, Operation] = {row.symbol: row for row in _ROWS}

# What may stand before a bracket in an expression, with the number of operands.
FUNCTIONS: dict[str, int] = {row.symbol: row.arity for row in _ROWS if row.is_function}


def why_no_value(operation: Operation, *operands: float) -> str:
    """What went wrong where finite operands gave no finite value, in one sentence."""
    symbol, a, b = operation.symbol, operands[0], operands[-1]
    if symbol == "/" and b == 0:
        return f"Division by zero: {short(a)} / 0 has no value."
    if symbol == "log":
        return f"The logarithm needs a number above 0, and it was given {short(a)}."
    if symbol == "sqrt":
        return f"The square root needs a number that is not below 0, and it was given {short(a)}."
    if symbol == "**" and a == 0:
        return f"Division by zero: 0 to the power {short(b)} is 1 divided by 0."
    if symbol == "**" and a < 0 and b != int(b):
        return f"A number below 0 to a power that is not whole has no real value: ({short(a)})**{short(b)}."
    return "Overflow: the result is beyond 1.8e308, the largest number a computer's float can hold."


def short(number: float, digits: int = 4) -> str:
    """A number rounded for reading, as an expression would write it: 0.26887 -> "0.2689", 1e-12 -> "1e-12"."""
    if number != number:
        return "no value"
    text = f"{number:.{digits}g}"
    return "0" if text == "-0" else text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
