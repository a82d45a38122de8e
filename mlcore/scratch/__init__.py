"""A neural network made of nothing but NumPy: report R1's, with every choice in a table.

`train(config, data)` trains one and yields each epoch's figures; network.py is the lesson, fast_steps.py the same
steps in less time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcore.data.mnist import Digits
    from mlcore.records import ScratchEpoch
    from mlcore.scratch.trainer import ScratchSettings


def train(config: ScratchSettings, data: Digits) -> Iterator[ScratchEpoch]:
    """Train from the initial weights to the last epoch; see `mlcore.scratch.trainer.train`."""
    from mlcore.scratch import trainer

    return trainer.train(config, data)
