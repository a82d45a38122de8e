"""What the step under the glass is written with: formulas with their numbers in, and tables of slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlcore.experiments.torch_comparison import Difference
from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.glass import OneStep

# A formula that is too wide for a telephone scrolls in its own box, which the Tab key has to reach. KaTeX makes no such
# box reachable, and draws a moment after the page; so the page looks a few times.
REACHABLE = """<div></div><script>
for (const wait of [50, 300, 1000, 3000]) setTimeout(() => {
  for (const formula of document.querySelectorAll(".katex-display"))
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
}, wait);
</script>"""
SLICE = 6
"""Units shown of a layer."""


def shape_columns(step: OneStep) -> dict[str, list[str]]:
    """The shapes of every layer's arrays and of their gradients, as the columns of a table."""
    rows = step.shapes()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["δ = ∂L/∂z"] = [" × ".join(map(str, delta.shape)) for delta in step.gradients.deltas]
    return columns


def sum_formula(a: np.ndarray, weights: np.ndarray, bias: float, z: float, layer: int, unit: int, source: int) -> str:
    """z of one unit as LaTeX: the followed product, the two largest others, the number of those left out, the bias."""
    products = a * weights
    order = [
        index for index in np.argsort(-np.abs(products), kind="stable") if index != source and products[index] != 0
    ]
    shown = [source, *order[:2]]
    terms_ = [rf"\underbrace{{{number(a[i])}\cdot({number(weights[i])})}}_{{\text{{input }}{i}}}" for i in shown]
    rest = len(a) - len(shown)
    if rest:
        left_out = float(products.sum() - products[shown].sum())
        terms_.append(rf"\underbrace{{({number(left_out)})}}_{{{rest}\text{{ other products}}}}")
    terms_.append(rf"\underbrace{{({number(bias)})}}_{{b_{{{unit}}}}}")
    left = rf"z^{{({layer})}}_{{{unit}}}"
    right = rf"\sum_i a^{{({layer - 1})}}_i W^{{({layer})}}_{{i,{unit}}} + b^{{({layer})}}_{{{unit}}}"
    # Symbols, numbers and result stand on lines of their own: one line would be too wide for most screens.
    added = " + ".join(terms_)
    return rf"\begin{{aligned}} {left} &= {right} \\ &= {added} \\ &= {number(z)} \end{{aligned}}"


def slice_columns(step: OneStep, layer: int, unit: int) -> dict[str, list[Any]]:
    """A few units of a layer for the first image: z, a, slope and the gradient that reached them."""
    first = max(0, min(unit, step.before.sizes[layer] - SLICE))
    units = range(first, min(first + SLICE, step.before.sizes[layer]))
    z, delta = step.passed.z[layer - 1][0], step.gradients.deltas[layer - 1][0]
    columns: dict[str, list[Any]] = {"unit": list(units), "z": [float(z[i]) for i in units]}
    if layer < len(step.before.sizes) - 1:
        a = step.passed.a[layer][0]
        slope = ACTIVATIONS[step.before.activations[layer - 1]].slope(a.copy(), None)
        columns["a = φ(z)"] = [float(a[i]) for i in units]
        columns["φ′(z)"] = [float(slope[i]) for i in units]
    columns["δ = ∂L/∂z"] = [float(delta[i]) for i in units]
    return columns


def proof_columns(found: Sequence[Difference]) -> dict[str, list[Any]]:
    """What was compared, as the columns of a table; of arrays, the entry where the two differ most."""
    return {
        "quantity": [item.name for item in found],
        "numbers": [item.numbers for item in found],
        "ours": [f"{item.ours:.12g}" for item in found],
        "PyTorch": [f"{item.theirs:.12g}" for item in found],
        "largest difference": [f"{item.largest:.1e}" for item in found],
    }


def number(value: float, digits: int = 4) -> str:
    """A number for a formula: few digits, powers of ten as such."""
    value = float(value)
    if not np.isfinite(value):
        return r"\infty" if value > 0 else r"-\infty" if value < 0 else r"\text{NaN}"
    text = f"{value + 0.0:.{digits}g}"  # adding 0 turns −0 into 0
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return rf"{mantissa}\cdot 10^{{{int(exponent)}}}"
