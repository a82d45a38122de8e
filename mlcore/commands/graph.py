"""`python -m mlcore graph`: an expression's value and all its gradients, in a table or as JSON.

python -m mlcore graph "(x1*w1 + x2*w2) * b" --set x1=0.7 --set w1=-1.5 --set x2=0.34 --set w2=-0.35 --set b=2
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from mlcore.autodiff import ExpressionError, Value, evaluate, example_of, formula, number_text, parse


def graph(
    expression: Annotated[list[str], typer.Argument(metavar="EXPRESSION", help="Such as 'tanh(x*w + b)'.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=NUMBER", help="A variable's value, such as w=-1.5; once for each variable."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compute an expression and the derivative of its result by every variable."""
    texts = [word for word in expression if "=" not in word]
    for option in texts[1:]:
        if option.startswith("--"):  # what looks like an option is let through, since an expression may begin with −
            _give_up(f"There is no option {option}; values are given as --set x=0.7.")
    if len(texts) != 1:
        _give_up(f"One expression is needed, and {len(texts)} were given; put quotes around it.")
    try:
        values = read_assignments([*(assignments or []), *(word for word in expression if "=" in word)])
        read = parse(texts[0])
        unused = [name for name in values if name not in read.names]
        if unused:
            raise ExpressionError(f"There is no {unused[0]} in the expression, so it cannot be set.")
        example = example_of(texts[0])
        result = read.evaluate(values, labels=example.labels if example else ())
    except ExpressionError as error:
        _give_up(str(error))
    result.backward()
    if as_json:
        typer.echo(json.dumps(figures(result)))
    else:
        _print_table(result)


def read_assignments(words: Sequence[str]) -> dict[str, float]:
    """Read "x1=0.7" and the like. The number may be a constant expression such as 1/3.

    Raises:
        ExpressionError: a word has no name or no number, or a name comes twice.
    """
    values: dict[str, float] = {}
    for word in words:
        name, equals, number = (part.strip() for part in word.partition("="))
        if not (name.isidentifier() and name.isascii() and equals and number):
            raise ExpressionError(f"--set takes NAME=NUMBER such as w=-1.5, not {word[:40]}.")
        if name in values:
            raise ExpressionError(f"{name} is set twice.")
        try:
            values[name] = evaluate(number, {}).data
        except ExpressionError as error:
            raise ExpressionError(f"The value of {name} must be a number such as -1.5, not {number[:40]}.") from error
    return values


def figures(result: Value) -> dict[str, object]:
    """What `--json` prints; an infinite or missing derivative is null, since JSON has no word for it."""
    gradients = {name: node.grad for name, node in result.variables().items()}
    return {
        "value": result.data,
        "gradients": {name: g if g is not None and math.isfinite(g) else None for name, g in gradients.items()},
    }


def _print_table(result: Value) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{result.name or 'value'} = {result.data!r}", title_justify="left", title_style="bold")
    for heading, side in (("node", "left"), ("from", "left"), ("value", "right"), ("gradient", "right")):
        table.add_column(heading, justify="right" if side == "right" else "left", no_wrap=heading != "from")
    for node in result.nodes():
        if not node.constant:
            gradient = "–" if node.grad is None else number_text(node.grad)
            made = formula(node) if node.operands else "input"
            table.add_row(node.name, made, number_text(node.data), gradient, end_section=_last_input(node, result))
    Console().print(table)


def _last_input(node: Value, result: Value) -> bool:
    inputs = list(result.variables().values())
    return bool(inputs) and node is inputs[-1]


def _give_up(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
