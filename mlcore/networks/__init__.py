"""Networks A and B of report R2 in PyTorch: the only package that imports torch, and only when training is asked for.

`architectures` holds their sizes as plain numbers, `model` builds them, `step` is one update, `evaluation` judges,
`trainer` runs epochs. Importing this package imports none of the PyTorch ones: its functions do, on their first call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlcore.records import Checkpoint, NetworkEpoch

if TYPE_CHECKING:
    from mlcore.data.mnist import Digits
    from mlcore.networks.scalar_proof import Proof
    from mlcore.networks.trainer import NetworkSettings

__all__ = ["advance", "torch_gradients", "train"]


def train(config: NetworkSettings, data: Digits) -> Iterator[NetworkEpoch]:
    """Train a network from its start to its last epoch; see `mlcore.networks.trainer.train`."""
    from mlcore.networks import trainer

    return trainer.train(config, data)


def advance(
    config: NetworkSettings, checkpoint: Checkpoint | None, data: Digits, seconds: float
) -> tuple[Checkpoint, list[NetworkEpoch]]:
    """Train a run onward for about `seconds`; see `mlcore.networks.trainer.advance`."""
    from mlcore.networks import trainer

    return trainer.advance(config, checkpoint, data, seconds)


def torch_gradients(
    expression: str, values: Mapping[str, float], ties: Mapping[str, str] | None = None, passes: int = 1
) -> Proof:
    """An expression and its gradients by PyTorch; see `mlcore.networks.scalar_proof.torch_gradients`."""
    from mlcore.networks import scalar_proof

    return scalar_proof.torch_gradients(expression, values, ties, passes)
