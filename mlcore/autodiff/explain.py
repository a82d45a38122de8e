r"""Every step written out as a textbook writes it, from the graph alone.

A gradient is written three times: as a chain of partial derivatives, with the local derivatives put in, and with the
numbers put in (report R2, part I). For the report's f:

    ∂f/∂x1  =  ∂f/∂p · ∂p/∂q · ∂q/∂x1  =  r · 1 · w1  =  −0.23 · (−1.5)  =  0.345

A node with several uses gets the sum over the ways that lead to it. Where these are too many or too long to read,
the chain is cut at the node's own users, whose gradients are known by then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from mlcore.autodiff.operations import Operation, short
from mlcore.autodiff.value import BackwardStep, Value
from mlcore.autodiff.view import DIGITS

LONGEST_CHAIN = 5  # factors of a chain that is written out in full
MOST_TERMS = 4  # terms of a sum that is written out in full

Way = tuple[tuple[Value, int], ...]  # from the result down: each node, and which of its operands comes next


class Formula(NamedTuple):
    """One quantity, written out: `left` = each of `parts` in turn = `value`. All but `value` are LaTeX.

    A gradient's parts are the chain, the local derivatives put in, and the numbers put in; a part that would only
    repeat its neighbour is left out.
    """

    left: str
    parts: tuple[str, ...]
    value: float

    @property
    def latex(self) -> str:
        """In one line."""
        return " = ".join((self.left, *self.parts)) + f" {self._equals} {latex_number(self.value)}"

    @property
    def aligned(self) -> str:
        """With a line for each part; the value ends the last one."""
        lines = r" \\ ".join(f"&= {part}" for part in self.parts) or "&"
        return rf"\begin{{aligned}} {self.left} {lines} {self._equals} {latex_number(self.value)} \end{{aligned}}"

    @property
    def _equals(self) -> str:
        """Whether what is shown is the number (but for the last bits of a float) or a rounding of it."""
        shown = float(short(self.value, DIGITS)) if math.isfinite(self.value) else self.value
        exact = not math.isfinite(shown) or math.isclose(shown, self.value, rel_tol=1e-12, abs_tol=1e-15)
        return "=" if exact else r"\approx"


def _formula(left: str, parts: Iterable[str], value: float) -> Formula:
    kept: list[str] = []
    for part in parts:
        if part != (kept[-1] if kept else left):
            kept.append(part)
    if kept and kept[-1] == latex_number(value):
        kept.pop()
    return Formula(left, tuple(kept), value)


class Explanation:
    """The formulas of one graph.

    Args:
        result: its last node.
        steps: what `result.backward_steps()` told, if it ran already; without it, the steps are found here and the
            graph's gradients are left as they were.
    """

    def __init__(self, result: Value, steps: Iterable[BackwardStep] | None = None) -> None:
        self.result = result
        self.gradients = {step.node: step.gradient for step in (_rehearse(result) if steps is None else steps)}
        self._uses: dict[Value, list[tuple[Value, int]]] = {node: [] for node in result.nodes()}
        for node in result.nodes():
            for slot, operand in enumerate(node.operands):
                self._uses[operand].append((node, slot))
        # How many ways lead from the result to a node, and how long the longest is, counted no further than needed.
        self._ways: dict[Value, tuple[int, int]] = {result: (1, 0)}
        for node in reversed(result.nodes()[:-1]):
            above = [self._ways[user] for user, _ in self._uses[node]]
            count = min(sum(ways for ways, _ in above), MOST_TERMS + 1)
            self._ways[node] = count, min(1 + max(length for _, length in above), LONGEST_CHAIN + 1)

    def forward(self, node: Value) -> Formula:
        """How a node's value comes about: in names, then in numbers. Constants and inputs have nothing but a value."""
        left = latex_name(node)
        if node.operation is None:
            return Formula(left, (), node.data)
        names, figures = [latex_name(x) for x in node.operands], [latex_number(x.data) for x in node.operands]
        template = node.operation.latex
        return _formula(left, (_fill(template, names), _fill(template, figures)), node.data)

    def gradient(self, node: Value) -> Formula:
        """How a node's gradient comes about.

        Raises:
            ValueError: the node is constant, or not in this graph.
        """
        if node not in self.gradients:
            raise ValueError("only inputs and operations of this graph have a gradient")
        left, value = partial(self.result, node), self.gradients[node]
        if node is self.result:
            return Formula(left, (), value)
        count, length = self._ways[node]
        if count > MOST_TERMS or length > LONGEST_CHAIN:
            return _formula(left, self._by_users(node), value)
        ways = self._ways_to(node)
        chains = [self._chain(way, node) for way in ways]
        # Where the result uses the node directly and not only so, one term would read as the whole: x·x, x·(x + 1).
        chain = left if left in chains else _sum(chains)
        return _formula(left, (chain, _sum(map(self._locals, ways)), _sum(map(_figures, ways))), value)

    def _by_users(self, node: Value) -> tuple[str, str, str]:
        """The three parts with the chain cut at the node's users."""
        uses = [(user, slot, partial(self.result, user)) for user, slot in self._uses[node]]
        return (
            _sum(rf"{upstream} \cdot {partial(user, node)}" for user, _, upstream in uses),
            _sum(self._use(user, slot, upstream) for user, slot, upstream in uses),
            _sum(_product([self.gradients[user], user.locals[slot]]) for user, slot, _ in uses),
        )

    def contribution(self, user: Value, slot: int) -> Formula:
        """What one use hands back: the user's gradient times the local derivative by its operand `slot`."""
        operand, upstream = user.operands[slot], self.gradients[user]
        left = rf"{partial(self.result, user)} \cdot {partial(user, operand)}"
        figures = _product([upstream, user.locals[slot]])
        names = self._use(user, slot, latex_number(upstream))
        return _formula(left, (names, figures), upstream * user.locals[slot])

    def local(self, user: Value, slot: int) -> Formula:
        """The local derivative of a node by its operand `slot`, as a rule and as a number."""
        return _formula(partial(user, user.operands[slot]), (_local(user, slot),), user.locals[slot])

    def _use(self, user: Value, slot: int, upstream: str) -> str:
        return rf"{upstream} \cdot {_factor(_local(user, slot), first=False)}"

    def _ways_to(self, node: Value) -> list[Way]:
        """Every way from the result to a node; called only where they are few and short."""
        if node is self.result:
            return [()]
        return [(*way, (user, slot)) for user, slot in self._uses[node] for way in self._ways_to(user)]

    def _chain(self, way: Way, node: Value) -> str:
        stops = [user for user, _ in way] + [node]
        return r" \cdot ".join(partial(y, x) for y, x in pairwise(stops))

    def _locals(self, way: Way) -> str:
        factors = [_local(user, slot) for user, slot in way]
        return r" \cdot ".join(_factor(text, first=place == 0) for place, text in enumerate(factors))


def _rehearse(result: Value) -> list[BackwardStep]:
    earlier = [(node, node.grad) for node in result.nodes()]
    steps = list(result.backward_steps())
    for node, gradient in earlier:
        node.grad = gradient
    return steps


def _local(user: Value, slot: int) -> str:
    """The local derivative of a node by one operand, in names."""
    operation, names = _known(user), [latex_name(x) for x in user.operands]
    if operation.symbol == "**" and slot == 0 and user.operands[1].constant:
        exponent = user.operands[1].data
        power = "" if exponent == 1 else _fill("{@a}^{#b}", [names[0], latex_number(exponent - 1)])
        power = _fill("@a", names) if exponent == 2 else power
        return latex_number(exponent) + (rf" \cdot {power}" if power else "")
    return _fill(operation.local_latex[slot], names, latex_name(user))


def _known(node: Value) -> Operation:
    assert node.operation is not None, "inputs have no local derivatives"
    return node.operation


def _fill(template: str, operands: list[str], value: str = "") -> str:
    """Put names or numbers into a template of `OPERATIONS`; @ takes brackets where they are needed, # never."""
    words = {"a": operands[0], "b": operands[-1], "y": value}

    def word(match: re.Match[str]) -> str:
        text = words[match.group(2)]
        inside = match.group(1) == "@" and match.start() > 0
        power = template[match.end() : match.end() + 2] == "}^"
        needs = (inside and text.startswith("-")) or (inside and power and r"\cdot" in text)
        return rf"\left({text}\right)" if needs else text

    return re.sub(r"([@#])([aby])", word, template)


def _factor(text: str, *, first: bool) -> str:
    """A factor of a product, in brackets if it is a sum, or negative and not the first."""
    depth, outside = 0, ""
    for piece in re.findall(r"\\left|\\right|[{}]|[^\\{}]+|\\", text):
        depth += {r"\left": 1, "{": 1, r"\right": -1, "}": -1}.get(piece, 0)
        outside += piece if depth == 0 else ""
    is_sum = " - " in outside or " + " in outside
    return rf"\left({text}\right)" if is_sum or (text.startswith("-") and not first) else text


def _figures(way: Way) -> str:
    return _product([user.locals[slot] for user, slot in way])


def _product(factors: list[float]) -> str:
    """Numbers multiplied; factors of 1 say nothing and are left out, unless nothing else is there."""
    telling = [factor for factor in factors if factor != 1] or [1.0]
    return r" \cdot ".join(_factor(latex_number(x), first=place == 0) for place, x in enumerate(telling))


def _sum(terms: Iterable[str]) -> str:
    """Terms added; a long sum shows its first terms and its last."""
    shown = list(terms)
    if len(shown) > MOST_TERMS:
        shown = [*shown[: MOST_TERMS - 1], r"\cdots", shown[-1]]
    return " + ".join(rf"\left({x}\right)" if place and x.startswith("-") else x for place, x in enumerate(shown))


def partial(above: Value, below: Value) -> str:
    """∂above/∂below in LaTeX."""
    return rf"\frac{{\partial {latex_name(above)}}}{{\partial {latex_name(below)}}}"


_GREEK = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi"]
_GREEK += ["pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"]


def latex_name(node: Value) -> str:
    r"""A node's name for a formula: x1 -> x_{1}, w_in -> w_{\mathrm{in}}, target -> \mathrm{target}."""
    if not node.name:
        return latex_number(node.data)
    stem, digits, rest = re.fullmatch(r"(_*[A-Za-z]*)(\d*)(.*)", node.name).groups()  # type: ignore[union-attr]
    below = digits + rest.replace("_", "")
    stem = stem.replace("_", r"\_")
    head = stem if len(stem) == 1 else rf"\{stem}" if stem in _GREEK else rf"\mathrm{{{stem}}}"
    return f"{head}_{{{below}}}" if below.isdigit() else rf"{head}_{{\mathrm{{{below}}}}}" if below else head


def latex_number(number: float) -> str:
    """A number rounded for reading, in LaTeX."""
    if math.isnan(number):
        return r"\text{no value}"
    if math.isinf(number):
        return r"\infty" if number > 0 else r"-\infty"
    mantissa, _, exponent = short(number, DIGITS).partition("e")
    return rf"{mantissa} \cdot 10^{{{exponent}}}" if exponent else mantissa
