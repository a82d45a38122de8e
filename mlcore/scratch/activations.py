"""What a hidden unit does with its input z: the value a = φ(z) and the slope φ′ side by side.

`ACTIVATIONS["relu"]` gives both. Each slope is written in terms of the value a, which the forward pass has kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


class Elementwise(Protocol):
    """array -> result, elementwise; `out` says where to put it and may be the array itself, None makes a new one."""

    def __call__(self, array: Floats, /, out: Floats | None = None) -> Floats: ...


LEAK = 0.01


@dataclass(frozen=True)
class Activation:
    """An activation function.

    Attributes:
        label: its name in a sentence.
        value_formula, slope_formula: LaTeX, in z and a.
        value: φ(z), elementwise.
        slope: φ′, elementwise, from a = φ(z).
        ends: the values that φ approaches at both ends, where its slope vanishes; None if it has no such ends.
        can_die: whether a unit can be stuck where it passes nothing on, neither forward nor backward.
    """

    label: str
    value_formula: str
    slope_formula: str
    value: Elementwise
    slope: Elementwise
    ends: tuple[float, float] | None = None
    can_die: bool = False


def _sigmoid(z: Floats, out: Floats | None = None) -> Floats:
    a = np.negative(z, out=out)
    with np.errstate(over="ignore"):  # e^{-z} may become infinite, and 1 / infinity is the right answer
        np.exp(a, out=a)
    a += 1
    return np.reciprocal(a, out=a)


def _sigmoid_slope(a: Floats, out: Floats | None = None) -> Floats:
    slope = np.subtract(1, a, out=out)
    slope *= a
    return slope


def _tanh(z: Floats, out: Floats | None = None) -> Floats:
    return np.tanh(z, out=out)


def _tanh_slope(a: Floats, out: Floats | None = None) -> Floats:
    slope = np.multiply(a, a, out=out)
    return np.subtract(1, slope, out=slope)


def _relu(z: Floats, out: Floats | None = None) -> Floats:
    return np.maximum(z, 0, out=out)


def _relu_slope(a: Floats, out: Floats | None = None) -> Floats:
    # a is never negative, so its sign is 1 where the unit is active and 0 where it is not.
    return np.sign(a, out=out)


def _leaky_relu(z: Floats, out: Floats | None = None) -> Floats:
    return np.maximum(z, LEAK * z, out=out)


def _leaky_relu_slope(a: Floats, out: Floats | None = None) -> Floats:
    slope = np.greater(a, 0, out=np.empty_like(a) if out is None else out)
    return np.maximum(slope, LEAK, out=slope)


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(
        "sigmoid", r"a = \frac{1}{1 + e^{-z}}", r"\varphi'(z) = a (1 - a)", _sigmoid, _sigmoid_slope, ends=(0.0, 1.0)
    ),
    "tanh": Activation("tanh", r"a = \tanh z", r"\varphi'(z) = 1 - a^2", _tanh, _tanh_slope, ends=(-1.0, 1.0)),
    "relu": Activation(
        "ReLU",
        r"a = \max(0, z)",
        r"\varphi'(z) = 1 \text{ if } z > 0 \text{ else } 0",
        _relu,
        _relu_slope,
        can_die=True,
    ),
    "leaky_relu": Activation(
        "leaky ReLU",
        rf"a = \max(z, {LEAK}\,z)",
        rf"\varphi'(z) = 1 \text{{ if }} z > 0 \text{{ else }} {LEAK}",
        _leaky_relu,
        _leaky_relu_slope,
    ),
}
