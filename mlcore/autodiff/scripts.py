"""A short stand-alone PyTorch script for any expression: the state of the lesson, to run anywhere else.

The script needs PyTorch and nothing of this project, and prints the value and the gradients that the page shows.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import NamedTuple

from mlcore.autodiff.expressions import Expression, leader_of, parse
from mlcore.autodiff.operations import OPERATIONS

_CALLS = {"max": "torch.maximum", "min": "torch.minimum"}
_LONGEST_LINE = 110


def torch_script(expression: str, values: Mapping[str, float], ties: Mapping[str, str] | None = None) -> str:
    """The text of a Python script that computes an expression and its gradients with PyTorch.

    Args:
        expression: text of the grammar of `parse`.
        values: a number for every name that is not tied.
        ties: names that share another name's input, e.g. {"x3": "x1"}.

    Raises:
        ExpressionError: the text is not in the grammar.
        KeyError: a value is missing.
    """
    read, tied = parse(expression), dict(ties or {})
    leaders = {name: leader_of(name, tied) for name in read.names}
    # Whatever a name means to Python or to the script itself, here it is a variable.
    safe = {name: f"{name}_" if name in _TAKEN else name for name in (*leaders, *leaders.values())}
    lines = ["import torch", ""]
    lines += [
        f"{safe[leader]} = torch.tensor({float(values[leader])!r}, dtype=torch.float64, requires_grad=True)"
        for leader in dict.fromkeys(leaders.values())
    ]
    lines += [
        f"{safe[name]} = {safe[leader]}  # tied: one input under two names"
        for name, leader in leaders.items()
        if name != leader
    ]
    lines += ["", *_computation(read, safe)]
    if not read.names:
        return "\n".join([*lines, "", 'print("value", float(result))']) + "\n"
    lines += ["result.backward()", "", 'print("value", result.item())']
    lines += [f'print("gradient of {name}", {safe[name]}.grad.item())' for name in read.names]
    return "\n".join(lines) + "\n"


_TAKEN = {*keyword.kwlist, "torch", "result", "print", "float"}


class _Part(NamedTuple):
    text: str
    binding: int = 5  # how tightly it holds together; 5 never needs brackets
    constant: bool = False


def _computation(read: Expression, safe: Mapping[str, str]) -> list[str]:
    """One line for a short expression; a line for each operation where that would be too long to read."""
    if len(read.postfix) <= _LONGEST_LINE:
        line = f"result = {_written(read, safe).text}"
        if len(line) <= _LONGEST_LINE:
            return [line]
    lines: list[str] = []
    last = _written(read, safe, lines)
    return [*lines, f"result = {last.text}"]


def _written(read: Expression, safe: Mapping[str, str], lines: list[str] | None = None) -> _Part:
    """The whole expression in Python; with `lines`, each operation gets a line there and a name."""
    taken = set(safe.values())
    stem = next(stem for stem in ("v", "step", "node_", "node__") if not any(name.startswith(stem) for name in taken))
    stack: list[_Part] = []
    for token in read.postfix:
        if token.kind == "name":
            stack.append(_Part(safe[token.text]))
        elif token.kind == "number":
            stack.append(_Part(repr(float(token.text)), constant=True))
        else:
            count = OPERATIONS[token.text].arity
            part = _joined(token.text, stack[-count:])
            del stack[-count:]
            if lines is not None and not part.constant:
                lines.append(f"{stem}{len(lines) + 1} = {part.text}")
                part = _Part(f"{stem}{len(lines)}")
            stack.append(part)
    return stack[0]


_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}


def _joined(symbol: str, parts: list[_Part]) -> _Part:
    """An operation in Python, with the brackets that precedence asks for."""
    constant = all(part.constant for part in parts)
    if symbol not in _BINDING:
        words = ", ".join(f"torch.tensor({p.text}, dtype=torch.float64)" if p.constant else p.text for p in parts)
        text = f"{_CALLS.get(symbol, f'torch.{symbol}')}({words})"
        return _Part(f"{text}.item()" if constant else text, constant=constant)
    binding = _BINDING[symbol]
    if symbol == "neg":
        return _Part(f"-{_bracketed(parts[0], binding)}", binding, constant)
    left, right = (binding + 1, binding) if symbol == "**" else (binding, binding + 1)
    sign = f" {symbol} " if binding < 4 else symbol
    return _Part(f"{_bracketed(parts[0], left)}{sign}{_bracketed(parts[1], right)}", binding, constant)


def _bracketed(part: _Part, least: int) -> str:
    return part.text if part.binding >= least else f"({part.text})"
