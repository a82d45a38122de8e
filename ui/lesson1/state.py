"""What a link to this page keeps: expression, values, ties, step, open node, and the settings of the four views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlcore.autodiff import EXAMPLES, BackwardStep, Expression, ExpressionError, Value, parse
from mlcore.autodiff.explain import Explanation
from ui.links import LinkState, Param, choice, integer, number, numbers, text

REPORT = EXAMPLES["report"]
MOST_NODES = 200
LONGEST = 3000
VIEWS = {"nudge": "Nudge an input", "prove": "Prove it", "descend": "Descend", "practise": "Practise"}
GOALS = {"minimise": "make the result small", "target": "reach a target"}
MOST_STEPS = 500


@dataclass(frozen=True)
class Lesson:
    """The expression on screen with its numbers; computed once per edit.

    Attributes:
        expression: read and found right, with at most `MOST_NODES` nodes.
        values: a number for every name, tied ones included.
        ties: name -> the name whose input it shares.
        labels: names of the operations where an example gives them.
        result: the graph; a node without a value carries its `problem`.
        passed: what the library's backward pass told, step by step.
        picture: what the graph component draws.
        forward: how many steps the forward pass takes.
    """

    expression: Expression
    values: Mapping[str, float]
    ties: Mapping[str, str]
    labels: tuple[str, ...]
    result: Value
    passed: tuple[BackwardStep, ...]
    picture: Mapping[str, Any]
    forward: int

    @cached_property
    def explanation(self) -> Explanation:
        """The formulas of this graph."""
        return Explanation(self.result, self.passed)

    @cached_property
    def gradients(self) -> dict[str, float]:
        """The derivative of the result by every name, tied ones included, after one backward pass."""
        by_node = {step.node: step.gradient for step in self.passed}
        return {name: by_node[node] for name, node in self.result.variables().items()}

    @cached_property
    def complete_at(self) -> dict[int, int]:
        """For each node that gets one, the number of steps after which its gradient is complete."""
        complete: dict[int, int] = {}
        for taken, step in enumerate(self.passed, start=self.forward + 1):
            if taken == self.forward + 1:
                complete[step.id] = taken
            complete.update({part.id: taken for part in step.contributions})
        return complete

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names with a value of their own, in the order of the expression."""
        return tuple(name for name in self.expression.names if name not in self.ties)

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return len(self.picture["steps"])


def read_expression(given: str) -> Expression:
    """Text -> expression that fits on the screen. Raises ExpressionError, a sentence with the column."""
    expression = parse(given)
    size = len(set(expression.names)) + sum(token.kind != "name" for token in expression.postfix)
    if size > MOST_NODES:
        raise ExpressionError(f"The expression has {size:,} nodes, and up to {MOST_NODES} are drawn. Shorten it.")
    return expression


def step_number(step: str, lesson: Lesson) -> int:
    """The step that "values" (forward pass done), "all" (everything done) or a number stands for."""
    if step in ("values", "all"):
        return lesson.forward if step == "values" else lesson.steps
    return max(0, min(lesson.steps, int(step)))


def step_name(number: int, lesson: Lesson) -> str:
    """The other way round: names survive a change of the expression."""
    return "values" if number == lesson.forward else "all" if number == lesson.steps else str(number)


def _parse_step(given: str) -> str:
    if given in ("values", "all"):
        return given
    if not given.isdecimal() or len(given) > 5:
        raise ValueError("must be values, all, or a whole number")
    return given


def _parse_expression(given: str) -> str:
    try:
        read_expression(given)
    except ExpressionError as problem:
        sentence = str(problem).rstrip(".")
        raise ValueError(sentence[0].lower() + sentence[1:]) from None
    return given


def parse_ties(given: str) -> dict[str, str]:
    """`x3:x1,w3:w1` -> {"x3": "x1", "w3": "w1"}. Raises ValueError with the rest of a sentence."""
    ties: dict[str, str] = {}
    for part in filter(None, given.split(",")):
        follower, colon, leader = part.partition(":")
        if not colon or not follower.isidentifier() or not leader.isidentifier() or follower == leader:
            raise ValueError("must be written like x3:x1")
        ties[follower] = leader
    # One level only: who leads does not follow.
    if set(ties) & set(ties.values()):
        raise ValueError("must tie each input to one that is not tied itself")
    return ties


def _show_ties(ties: Mapping[str, str]) -> str:
    return ",".join(f"{follower}:{leader}" for follower, leader in ties.items())


PARAMS = (
    Param("f", REPORT.expression, _parse_expression),
    numbers("v", REPORT.values, most=MOST_NODES),
    Param("ties", {}, parse_ties, _show_ties),
    Param("step", "values", _parse_step),
    integer("passes", 1, low=1, high=4),
    text("node", longest=40),
    choice("view", ("", *VIEWS), ""),
    text("nudge", longest=40),
    number("h", 1e-3, low=1e-12, high=1.0),
    text("learn", longest=1000),
    choice("goal", GOALS, "minimise"),
    number("target", 0.0),
    number("rate", 0.1, low=0.0, high=1e6),
    integer("taken", 0, low=0, high=MOST_STEPS),
    integer("level", 1, low=0, high=3),
    integer("seed", 1, low=0, high=999_999),
)


def set_expression(state: LinkState, expression: str, values: Mapping[str, float]) -> None:
    """Go to another expression: ties and all that hung on the old names are forgotten, the step keeps its name."""
    step = state["step"] if state["step"] in ("values", "all") else "values"
    state.set(f=expression, v=dict(values), ties={}, step=step, passes=1, node="", nudge="", learn="", taken=0)
