"""The grammar of expressions, and the reader that knows nothing else.

Numbers, names, + - * / **, brackets and the functions of `OPERATIONS`, with Python's precedence. Nothing is ever
executed; whatever is not in the grammar is refused with a sentence that names the column.

The reader keeps its own stack (Dijkstra's shunting yard) rather than going through Python's parser, which gives up on
a sum of 3,000 terms, at a depth that differs between versions, and whose messages speak of Python, not of formulas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from mlcore.autodiff.operations import FUNCTIONS

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


def postfix(text: str, limit: int = MOST_NODES) -> tuple[Token, ...]:
    """An expression's words with every operator after its operands: x*w + b as x, w, *, b, +.

    Operators carry their symbol in `OPERATIONS`; the unary minus is "neg".

    Args:
        limit: the most words it may have, brackets apart. A text of more than 20 characters a word is not looked at.

    Raises:
        ExpressionError: the text is not in the grammar, or longer than this program takes.
    """
    if not isinstance(text, str):
        raise ExpressionError("An expression is a text such as x*w + b.")
    longest = min(LONGEST_TEXT, 20 * limit)
    if len(text) > longest:
        raise ExpressionError(f"The expression has {len(text):,} characters; at most {longest:,} are read.")
    reader = _Reader(limit)
    for token in _tokens(text):
        reader.read(token)
    return tuple(reader.output)


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

    def __init__(self, limit: int) -> None:
        self.limit = limit
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
        if len(self.output) + len(self.waiting) - self.depth > self.limit:
            raise ExpressionError(f"The expression has more than {self.limit:,} parts.", token.column)

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
