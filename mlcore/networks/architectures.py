"""Networks A and B of report R2 as plain numbers; nothing here needs PyTorch.

`ARCHITECTURES` names their hidden layers, `MEAN` and `STANDARD_DEVIATION` say how they see a pixel, and
`parameter_count` adds up weights and biases of any list of layer sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

INPUTS = 784
OUTPUTS = 10

# R2, part II: pixels are scaled to [0, 1], then normalised by MNIST's mean and standard deviation.
MEAN = 0.1307
STANDARD_DEVIATION = 0.3081

# R2, part II, figures 8 and 9: units of each hidden layer.
ARCHITECTURES: dict[str, tuple[int, ...]] = {
    "A": (64, 128, 64),
    "B": (256, 512, 128),
}

# The training loss in evaluation mode is measured on this many fixed training images: all 57,000 would add about
# 30 % to an epoch's time, these add about 5 %.
TRAIN_EVALUATION_IMAGES = 10_000


def parameter_count(sizes: Sequence[int]) -> int:
    """Weights and biases of a fully connected network: each layer has inputs × units weights and units biases.

    Args:
        sizes: units of every layer, input and output included, e.g. (784, 64, 128, 64, 10), which has 67,466.
    """
    return sum((inputs + 1) * units for inputs, units in pairwise(sizes))
