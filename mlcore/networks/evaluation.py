"""How good a network is on images it is not being trained on, or on training images with dropout switched off.

`evaluate` runs the forward pass over any rows of a data set and returns loss and predictions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlcore.data.mnist import Digits
from mlcore.networks.step import DropoutMasks, Step, normalise

EVALUATION_BATCH = 1000


class Judgement(NamedTuple):
    """Mean cross-entropy in nats, the predicted digits (n,), and the share of dead units in each hidden layer."""

    loss: float
    predicted: NDArray[np.int64]
    dead: tuple[float, ...]


@torch.no_grad()
def evaluate(
    parameters: Tensor,
    sizes: tuple[int, ...],
    data: Digits,
    rows: NDArray[np.intp],
    masks: DropoutMasks | None = None,
    key: tuple[int, ...] = (),
) -> Judgement:
    """Judge the network with the flat vector `parameters` on `data.images[rows]`.

    Args:
        masks: dropout, for a network that is judged without `model.eval()`; None, as it should be, for none.
        key: what the masks are drawn from, with the batch's number put behind it.
    """
    step = Step(parameters, sizes, min(EVALUATION_BATCH, len(rows)))
    alive = [torch.zeros(units, dtype=torch.bool, device=parameters.device) for units in sizes[1:-1]]
    predicted = np.empty(len(rows), dtype=np.int64)
    loss = 0.0
    for number, start in enumerate(range(0, len(rows), EVALUATION_BATCH)):
        batch = rows[start : start + EVALUATION_BATCH]
        count = len(batch)
        normalise(torch.from_numpy(data.images[batch]), step.activations[0][:count])
        drawn = masks.draw(count, *key, number) if masks else None
        logits = step.forward(count, drawn, masks.scale if masks else 1.0)
        labels = torch.from_numpy(data.labels[batch].astype(np.int64)).to(logits.device)
        loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        predicted[start : start + count] = logits.argmax(1).cpu().numpy()
        for layer, seen in enumerate(alive):
            seen |= (step.activations[layer + 1][:count] > 0).any(0)
    return Judgement(loss / len(rows), predicted, tuple(1 - float(seen.float().mean()) for seen in alive))
