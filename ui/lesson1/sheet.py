"""A practice problem as far as the learner has come: which numbers may stand on the page, and each line in LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mlcore.autodiff.answers import Verdict, figure
from mlcore.autodiff.exercises import Blank, Line, Problem
from mlcore.autodiff.explain import partial
from mlcore.autodiff.value import Value

ASKED, NOT_YET = r"\boxed{\;?\;}", r"\square"


@dataclass(frozen=True)
class Sheet:
    """A problem, what was said about the answers so far, and whether the learner asked to see everything."""

    problem: Problem
    verdicts: Mapping[str, Verdict]
    shown: bool

    def right(self, blank: Blank) -> bool:
        """Whether a blank holds the right answer."""
        return blank.key in self.verdicts and self.verdicts[blank.key].correct

    @property
    def solved(self) -> bool:
        """Whether every blank does."""
        return all(self.right(blank) for blank in self.problem.blanks)

    def blanks(self, line: int) -> list[Blank]:
        """The blanks of a line."""
        return [blank for blank in self.problem.blanks if blank.line == line]

    def known(self, line: int) -> bool:
        """Whether the last number of a line may stand on the page."""
        return self.shown or all(self.right(blank) for blank in self.blanks(line) if blank.kind != "local")

    def formula(self, number: int) -> str:
        """A line in LaTeX, with boxes for what is asked and squares for what an earlier line has yet to give."""
        line = self.problem.lines[number]
        asked = set() if self.shown else {blank.kind for blank in self.blanks(number) if not self.right(blank)}
        if line.is_sum:
            return rf"\displaystyle {self._sum(number, line)} = {ASKED if 'sum' in asked else figure(line.answer)}"
        user, node = self._nodes[line.user], self._nodes[line.node]
        arrives = [place for place, other in enumerate(self.problem.lines[:number]) if other.node == line.user]
        upstream = figure(line.upstream) if all(map(self.known, arrives)) else NOT_YET
        local = ASKED if "local" in asked else _bracketed(line.local)
        several = sum(other.node == line.node for other in self.problem.lines) > 1
        share = r"\text{one use: }\; " if several else ""
        left = rf"{partial(self._top, user)} \cdot {partial(user, node)}"
        if user is self._top:
            left = partial(self._top, node)
        elif not several:
            left = rf"{partial(self._top, node)} = {left}"
        product = ASKED if "product" in asked else figure(line.answer)
        return rf"\displaystyle {share}{left} = {upstream} \cdot {local} = {product}"

    def _sum(self, number: int, line: Line) -> str:
        earlier = enumerate(self.problem.lines[:number])
        parts = [place for place, other in earlier if other.node == line.node and not other.is_sum]
        terms = [_bracketed(self.problem.lines[place].answer) if self.known(place) else NOT_YET for place in parts]
        return f"{partial(self._top, self._nodes[line.node])} = {' + '.join(terms)}"

    @cached_property
    def _nodes(self) -> dict[str, Value]:
        return {node.name: node for node in self.problem.graph().nodes() if node.name}

    @property
    def _top(self) -> Value:
        return self._nodes[self.problem.lines[0].user]


def _bracketed(number: float) -> str:
    return f"({figure(number)})" if number < 0 else figure(number)
