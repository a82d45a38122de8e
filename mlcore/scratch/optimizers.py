"""What to do with a gradient: take a step against it.

`OPTIMIZERS["sgd"]` is all that report R1 uses: no momentum, a constant rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Optimizer:
    """An optimizer.

    Attributes:
        formula: LaTeX for the update of one parameter.
        update: (parameters, their gradient, learning rate); changes the parameters in place.
    """

    label: str
    formula: str
    update: Callable[[NDArray[Any], NDArray[Any], float], None]


def _gradient_descent(parameters: NDArray[Any], gradient: NDArray[Any], learning_rate: float) -> None:
    parameters -= np.multiply(gradient, learning_rate, dtype=parameters.dtype)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(
        "stochastic gradient descent",
        r"w \leftarrow w - \eta\,\frac{\partial L}{\partial w}",
        _gradient_descent,
    ),
}
