"""Text becomes a graph: "(x1*w1 + x2*w2) * 3" is read by a small fixed grammar, and by nothing else.

The grammar is all there is: numbers, names, + - * / **, brackets and the functions of `OPERATIONS`, with Python's
precedence. Nothing is ever executed. Whatever is not in it is refused with a sentence that names the column:

    >>> evaluate("x*w + b", {"x": 2, "w": 3, "b": 1}).data
    7.0
    >>> evaluate("x^2", {"x": 2})
    Traceback (most recent call last):
    mlcore.autodiff.expressions.ExpressionError: Column 2: Write ** for a power.

The reader keeps its own stack (Dijkstra's shunting yard) rather than going through Python's parser, which gives up on
a sum of 3,000 terms, at a depth that differs between versions, and whose messages speak of Python, not of formulas.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mlcore.autodiff.operations import FUNCTIONS, OPERATIONS
from mlcore.autodiff.value import Value, apply

LONGEST_TEXT = 40_000  # characters
MOST_NODES = 12_000
DEEPEST = 1_000  # brackets inside brackets
LONGEST_NAME = 40


class ExpressionError(ValueError):
    """The text or its values are not something to compute with.

    Attributes:
        column: where in the text, counted from 1; `None` where no place is to blame.
        sentence: what is wrong and what would be right, without the column.
    """

    def __init__(self, sentence: str, column: int | None = None) -> None:
        self.sentence = sentence
        self.column = column
        super().__init__(sentence if column is None else f"Column {column}: {sentence}")


class Token(NamedTuple):
    """One word of an expression: kind is "number", "name", "operator" or "end"."""

    kind: str
    text: str
    column: int


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


def parse(text: str) -> Expression:
    """Read an expression without computing it.

    Raises:
        ExpressionError: the text is not in the grammar, or longer than this program takes.
    """
    if not isinstance(text, str):
        raise ExpressionError("An expression is a text such as x*w + b.")
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(f"The expression has {len(text):,} characters; at most {LONGEST_TEXT:,} are read.")
    reader = _Reader()
    for token in _tokens(text):
        reader.read(token)
    names = dict.fromkeys(token.text for token in reader.output if token.kind == "name")
    return Expression(text, tuple(names), tuple(reader.output))


def _leaves(names: Sequence[str], values: Mapping[str, float], ties: Mapping[str, str]) -> dict[str, Value]:
    """One input for every name; tied names share one."""
    leaders = {name: _leader(name, ties) for name in names}
    missing = [name for name in dict.fromkeys(leaders.values()) if name not in values]
    if missing:
        raise ExpressionError(f"There is no value for {listed(missing)}.")
    leaves = {leader: Value(checked_number(leader, values[leader]), leader) for leader in leaders.values()}
    for name, leader in leaders.items():
        if name != leader:
            leaves[leader].aliases += (name,)
    return {name: leaves[leader] for name, leader in leaders.items()}


def _leader(name: str, ties: Mapping[str, str]) -> str:
    """The name at the end of a chain of ties."""
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


# Python's precedence: −x**2 is −(x**2), and 2**−x works.
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}

# What people paste from books and chats, one character for one, so that columns stay true.
_LIKENESSES = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "\u00a0": " "})

_COMMA = "A comma stands only inside max or min; write 0.5, not 0,5."
_WORD = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|[-+*/(),])"
)

_ADVICE = {
    "^": "Write ** for a power.",
    ".": "A dot belongs inside a number only, as in 0.5.",
    "=": "Write only what is to be computed, without an equals sign.",
    "[": "Use round brackets.",
    "]": "Use round brackets.",
    "{": "Use round brackets.",
    "}": "Use round brackets.",
    "%": "There is no remainder here; the operations are + - * / **.",
    "√": "Write sqrt(…) for a square root.",
    ";": "Arguments are separated by a comma.",
}


def _tokens(text: str) -> Iterator[Token]:
    plain = text.translate(_LIKENESSES)
    place = 0
    while place < len(plain):
        match = _WORD.match(plain, place)
        if match is None:
            raise ExpressionError(_stranger(plain[place]), place + 1)
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match.group(), place + 1)
        place = match.end()
    yield Token("end", "", len(text.rstrip()) + 1)


def _stranger(character: str) -> str:
    if character in _ADVICE:
        return _ADVICE[character]
    if character.isalpha():
        return f"Names are made of the letters a to z, digits and _, and {character} is none of them."
    shown = character if character.isprintable() and ord(character) < 0x250 else f"U+{ord(character):04X}"
    return f"The character {shown} does not belong in an expression."


class _Bracket(NamedTuple):
    function: str  # empty for plain brackets
    column: int
    commas: int


class _Reader:
    """Dijkstra's shunting yard: operands go straight to the output, operators wait until a weaker one comes."""

    def __init__(self) -> None:
        self.output: list[Token] = []
        self.waiting: list[Token | _Bracket] = []
        self.depth = 0
        self.before: Token | None = None  # the word before this one
        self.function: Token | None = None  # a function's name, until its bracket opens
        self.want_operand = True

    def read(self, token: Token) -> None:
        """Take the next word. Raises ExpressionError where the grammar has no place for it."""
        if self.function is not None and token.text != "(":
            raise ExpressionError(f"The function {self.function.text} needs brackets.", self.function.column)
        if token.kind == "end":
            self._end(token)
        elif token.kind in ("number", "name"):
            self._operand(token)
        elif token.text == "(":
            self._open(token)
        elif token.text in ("),"):
            self._close(token)
        elif self.want_operand:
            self._sign(token)
        else:
            self._operator(token)
        self.before = token
        if len(self.output) + len(self.waiting) > MOST_NODES:
            raise ExpressionError(f"The expression has more than {MOST_NODES:,} parts.", token.column)

    def _operand(self, token: Token) -> None:
        if not self.want_operand:
            before = self.before.text if self.before else ""
            raise ExpressionError(
                f"An operation is missing between {_quoted(before)} and {_quoted(token.text)}; write * to multiply.",
                token.column,
            )
        if token.text in FUNCTIONS:
            self.function = token
            return
        if token.kind == "number" and math.isinf(float(token.text)):
            raise ExpressionError("This number is too large; at most 1.8e308 fits.", token.column)
        if len(token.text) > LONGEST_NAME and token.kind == "name":
            raise ExpressionError(f"This name is too long; at most {LONGEST_NAME} characters fit.", token.column)
        self.output.append(token)
        self.want_operand = False

    def _open(self, token: Token) -> None:
        if not self.want_operand:
            before = self.before.text if self.before else ""
            if self.before and self.before.kind == "name":
                known = ", ".join(sorted(FUNCTIONS))
                raise ExpressionError(
                    f"There is no function {_quoted(before)}; write * to multiply, or use one of {known}.",
                    self.before.column,
                )
            raise ExpressionError(
                f"An operation is missing before the bracket; write {_quoted(before)}*(…).", token.column
            )
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(f"Brackets are nested deeper than {DEEPEST:,}.", token.column)
        name = self.function.text if self.function else ""
        self.waiting.append(_Bracket(name, self.function.column if self.function else token.column, 0))
        self.function = None

    def _close(self, token: Token) -> None:
        if self.want_operand:
            self._refuse_gap(token)
        bracket = self._release_to_bracket()
        if bracket is None:
            what = (
                "This bracket was never opened."
                if token.text == ")"
                else "A comma stands only inside max or min; write 0.5, not 0,5."
            )
            raise ExpressionError(what, token.column)
        if token.text == ",":
            if FUNCTIONS.get(bracket.function, 0) < 2:
                raise ExpressionError(_COMMA, token.column)
            self.waiting.append(bracket._replace(commas=bracket.commas + 1))
            self.want_operand = True
            return
        self.depth -= 1
        if bracket.function:
            count = FUNCTIONS[bracket.function]
            if bracket.commas + 1 != count:
                raise ExpressionError(
                    f"The function {bracket.function} takes {count} numbers, and it was given {bracket.commas + 1}; "
                    f"{bracket.function}(a, b) can stand inside another.",
                    bracket.column,
                )
            self.output.append(Token("operator", bracket.function, bracket.column))

    def _refuse_gap(self, token: Token) -> None:
        before = self.before
        if before is None or before.text in ("(", ","):
            what = {
                ")": "There is nothing inside the brackets.",
                ",": "A number or a name is missing before the comma.",
            }
            raise ExpressionError(what.get(token.text, "A number or a name is missing here."), token.column)
        raise ExpressionError(f"A number or a name is missing after {before.text}.", token.column)

    def _sign(self, token: Token) -> None:
        if token.text not in "+-":
            what = f"after {self.before.text}" if self.before else f"before {token.text}"
            raise ExpressionError(f"A number or a name is missing {what}.", token.column)
        if token.text == "-":
            self.waiting.append(Token("operator", "neg", token.column))

    def _operator(self, token: Token) -> None:
        binding = _BINDING[token.text]
        while self.waiting and isinstance(top := self.waiting[-1], Token):
            held = _BINDING[top.text]
            if held < binding or (held == binding and token.text == "**"):  # powers group from the right
                break
            self.output.append(top)
            self.waiting.pop()
        self.waiting.append(token)
        self.want_operand = True

    def _release_to_bracket(self) -> _Bracket | None:
        while self.waiting:
            top = self.waiting.pop()
            if isinstance(top, _Bracket):
                return top
            self.output.append(top)
        return None

    def _end(self, token: Token) -> None:
        if self.before is None:
            raise ExpressionError("The expression is empty; write something like x*w + b.")
        if self.want_operand:
            self._refuse_gap(token)
        bracket = self._release_to_bracket()
        if bracket is not None:
            raise ExpressionError("This bracket is never closed.", bracket.column)


def _quoted(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"
