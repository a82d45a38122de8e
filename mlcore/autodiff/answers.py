"""Is it right, and if not, what was it the answer to?

A wrong number is seldom random. For every blank the numbers that the usual mistakes lead to are computed beside the
right one, so that feedback can name the mistake and the next step; a number that fits none of them gets the rule again
and no guess. A right number gets its reason.

    >>> from mlcore.autodiff.exercises import make_problem
    >>> problem = make_problem(seed=0, level=1)
    >>> check(problem, problem.blanks[0], str(problem.answer)).correct
    True
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from mlcore.autodiff.exercises import Blank, Line, Problem
from mlcore.autodiff.expressions import evaluate, parse
from mlcore.autodiff.grammar import ExpressionError
from mlcore.autodiff.operations import short

# Every diagnosis by its key, in the words of a list of one's own mistakes.
MISTAKES: dict[str, str] = {
    "own value": "took the node's own value instead of the other factor",
    "upstream forgotten": "gave the local derivative alone, without what arrives from above",
    "upstream included": "gave the product where the local derivative alone was asked for",
    "local forgotten": "handed on what arrives without multiplying by the local derivative",
    "sign": "the right size with the wrong sign",
    "forward value": "gave a value of the forward pass instead of a gradient",
    "sum as product": "treated a sum as if it were a product",
    "exponent forgotten": "left the exponent out of the power rule",
    "one use only": "counted one use of a node that is used more than once",
    "rounded": "rounded the right number",
    "unknown": "something else",
}

LONGEST_ANSWER = 60  # characters


class Verdict(NamedTuple):
    """What is said about an answer: `mistake` is a key of `MISTAKES`, empty if right or unreadable."""

    correct: bool
    message: str
    mistake: str = ""
    value: float | None = None


def read_answer(text: str) -> float:
    """A typed answer as a number: a decimal, a fraction, or any expression of numbers such as -0.23*1.5.

    Raises:
        ExpressionError: it is empty, too long, no expression, or has names in it.
    """
    if not text.strip():
        raise ExpressionError("Write a number, such as -0.25, -1/4 or -0.5*0.5.")
    if len(text) > LONGEST_ANSWER:
        raise ExpressionError(f"An answer has at most {LONGEST_ANSWER} characters.")
    read = parse(text)
    if read.names:
        raise ExpressionError(f"Put the number in for {read.names[0]}: an answer is made of numbers only.")
    return evaluate(text, {}).data


def check(problem: Problem, blank: Blank, text: str) -> Verdict:
    """Judge what was written into a blank. Never raises for what a learner may type."""
    try:
        given = read_answer(text)
    except ExpressionError as error:
        return Verdict(False, str(error))
    line = problem.lines[blank.line]
    if _same(given, blank.answer):
        return Verdict(True, f"Right. {reason(line, blank)}", value=given)
    for key, number, message in _suspects(line, blank):
        if _same(given, number):
            return Verdict(False, message, key, given)
    if _is_rounding(given, blank.answer):
        return Verdict(False, "That is the right number, rounded; all its decimals are asked for.", "rounded", given)
    return Verdict(
        False, f"Not yet, and it fits no mistake that is known here. {hints(problem, blank)[0]}", "unknown", given
    )


def _same(given: float, wanted: float) -> bool:
    return math.isclose(given, wanted, rel_tol=1e-6, abs_tol=1e-9)


def _is_rounding(given: float, answer: float) -> bool:
    return given != 0 and any(_same(given, round(answer, digits)) for digits in range(1, 5))


def _suspects(line: Line, blank: Blank) -> Iterator[tuple[str, float, str]]:
    """The mistakes worth looking for in one blank: key, the number it leads to, and what to say."""
    if blank.kind == "sum":
        yield from _sum_suspects(line)
        return
    own, local = line.node_value, line.local
    upstream = 1.0 if blank.kind == "local" else line.upstream
    if line.symbol == "*":
        yield (
            "own value",
            upstream * own,
            (
                f"You used {line.node}'s own value, {figure(own)}. In a product it is the other factor that counts: "
                f"take {_other(line)} = {figure(line.operand_values[1 - line.slot])}."
            ),
        )
    if line.symbol in "+-":
        yield (
            "sum as product",
            upstream * line.operand_values[1 - line.slot],
            (f"You used {_other(line)}'s value, as if this were a product. {_rule(line)}"),
        )
    if line.symbol == "**":
        yield "exponent forgotten", upstream * own, f"The exponent comes down as a factor. {_rule(line)}"
    if blank.kind == "local":
        yield (
            "upstream included",
            line.answer,
            (
                f"That is already multiplied by the {figure(line.upstream)} that arrives at {line.user}. "
                f"Here the local derivative alone is asked for: how {line.user} changes with {line.node}."
            ),
        )
    else:
        yield (
            "upstream forgotten",
            local,
            (f"That is the local derivative alone. {figure(line.upstream)} arrives at {line.user}: multiply by it."),
        )
        yield (
            "local forgotten",
            line.upstream,
            (f"That is what arrives at {line.user}. Multiply it by the local derivative, {figure(local)}."),
        )
    yield (
        "sign",
        -blank.answer,
        f"The size is right, the sign is not. {_signs(line, blank)}",
    )
    yield "forward value", line.user_value, _forward(line.user, line.user_value)
    yield "forward value", line.node_value, _forward(line.node, line.node_value)


def _sum_suspects(line: Line) -> Iterator[tuple[str, float, str]]:
    for term in line.terms:
        yield (
            "one use only",
            term,
            (
                f"That is the share of one use. {line.node} is used {_times(len(line.terms))}, and the shares add up: "
                f"{_added(line)}."
            ),
        )
    yield "sign", -line.answer, f"The size is right, the sign is not. Count the minus signs again: {_added(line)}."
    yield "sum as product", math.prod(line.terms), f"The shares are added, not multiplied: {_added(line)}."
    yield "forward value", line.node_value, _forward(line.node, line.node_value)


def _forward(name: str, value: float) -> str:
    return f"{figure(value)} is {name}'s value from the forward pass. Asked for is a derivative: how f answers a nudge."


def reason(line: Line, blank: Blank) -> str:
    """Why the right answer is right, in a sentence or two."""
    if blank.kind == "sum":
        return f"{line.node} is used {_times(len(line.terms))}, and its gradient is the sum: {_added(line)}."
    if blank.kind == "local":
        return _rule(line)
    arrives = f"{figure(line.upstream)} arrives at {line.user}"
    return f"{arrives}, times the local derivative {figure(line.local)}. {_rule(line)}"


def hints(problem: Problem, blank: Blank) -> tuple[str, ...]:
    """Hints for a blank, each saying more: first the rule that is the next step, then the rule with its numbers."""
    line = problem.lines[blank.line]
    if blank.kind == "sum":
        return (
            f"{line.node} is used {_times(len(line.terms))}: add what every use hands back.",
            f"Add {_added(line)}.",
        )
    if blank.kind == "local":
        return f"Look at {_made(line)}: how does {line.user} change when only {line.node} does?", _rule(line)
    return (
        f"Multiply what arrives at {line.user} by the local derivative of {line.user} by {line.node}.",
        f"{figure(line.upstream)} arrives at {line.user}. {_rule(line)} So it is {_multiplied(line)}.",
    )


def _rule(line: Line) -> str:
    """The local derivative of a line's operation, in words and with its number."""
    other, value = (_other(line), figure(line.operand_values[1 - line.slot])) if len(line.operands) > 1 else ("", "")
    size, made = figure(line.local), _made(line)
    rules = {
        "+": f"{made} is a sum, and a sum hands on what arrives unchanged: the local derivative is 1.",
        "-": f"{made} is a difference: the local derivative is 1 by what stands first and -1 by what is subtracted.",
        "*": f"{made} is a product: the local derivative by one factor is the other factor, {other} = {value}.",
        "/": (
            f"{made} is a fraction: the local derivative by the numerator is 1/{other} = {size}."
            if line.slot == 0
            else f"{made} is a fraction: the local derivative by the denominator is -{line.user}/{line.node} = {size}."
        ),
        "**": f"{made} is a power: the exponent comes down and is lowered by one, {value}·{line.node} = {size}.",
        "neg": f"{made} turns the sign around: the local derivative is -1.",
        "relu": f"relu lets through only what is above 0; at {figure(line.node_value)} its slope is {size}.",
        "max": f"max passes the gradient to the larger side only; {line.node} is the larger one, so it is {size}.",
    }
    return rules.get(line.symbol, f"The local derivative of {made} by {line.node} is {size}.")


def _other(line: Line) -> str:
    return line.operands[1 - line.slot]


def _made(line: Line) -> str:
    names = line.operands
    if len(names) == 2 and not line.symbol.isalpha():
        return f"{line.user} = {names[0]} {line.symbol} {names[1]}"
    return f"{line.user} = -{names[0]}" if line.symbol == "neg" else f"{line.user} = {line.symbol}({', '.join(names)})"


def _signs(line: Line, blank: Blank) -> str:
    if blank.kind == "local":
        return f"What does {line.user} do in {_made(line)} when {line.node} grows?"
    return f"Count the minus signs in {_multiplied(line)}."


def _multiplied(line: Line) -> str:
    return f"{figure(line.upstream)} · {_bracketed(line.local)}"


def _added(line: Line) -> str:
    first, *rest = line.terms
    return " + ".join([figure(first), *map(_bracketed, rest)])


def _bracketed(number: float) -> str:
    return f"({figure(number)})" if number < 0 else figure(number)


def _times(count: int) -> str:
    return {2: "twice", 3: "three times"}.get(count, f"{count} times")


def figure(number: float) -> str:
    """A number of a problem, all its decimals shown and no rounding error of a float."""
    return short(round(number, 6), 9)
