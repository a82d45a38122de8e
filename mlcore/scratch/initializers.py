"""How large the first weights are: each initializer is the standard deviation of a normal distribution around 0.

One seed draws the same numbers for all of them, and `INITIALIZERS["he"]` only scales them, so two runs that differ in
nothing else differ in size alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Initializer:
    """An initializer.

    Attributes:
        label: its name in a sentence.
        formula: LaTeX for the distribution of one weight.
        deviation: (inputs of the layer, units of the layer) -> standard deviation.
    """

    label: str
    formula: str
    deviation: Callable[[int, int], float]


INITIALIZERS: dict[str, Initializer] = {
    # Report R1: unscaled, whatever the layer's size.
    "normal": Initializer("normal, unscaled", r"\mathcal{N}(0, 1)", lambda fan_in, fan_out: 1.0),
    "small": Initializer("normal, small", r"0.01 \cdot \mathcal{N}(0, 1)", lambda fan_in, fan_out: 0.01),
    # Glorot and Bengio 2010, equation 12: keeps the variance both of values going up and of gradients going down.
    "xavier": Initializer(
        "Xavier",
        r"\mathcal{N}\left(0, \tfrac{2}{n_\text{in} + n_\text{out}}\right)",
        lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    ),
    # He et al. 2015, equation 10: makes up for the half of its inputs that ReLU sets to zero.
    "he": Initializer(
        "He", r"\mathcal{N}\left(0, \tfrac{2}{n_\text{in}}\right)", lambda fan_in, fan_out: math.sqrt(2 / fan_in)
    ),
}
