"""Asking a trained network: the forward pass of report R2's networks in NumPy, so a page can do without PyTorch.

`predict_probabilities` takes weights as they are recorded (`weight1`, `bias1`, …) and pixels as they are stored, and
gives each image's ten probabilities; `answer_of_biases` is what images get that leave the last hidden layer silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.networks.architectures import MEAN, STANDARD_DEVIATION

Floats = npt.NDArray[np.float32]
BATCH = 1024


def normalise(images: npt.NDArray[Any]) -> Floats:
    """Pixels as the networks see them: (n, 784) uint8 in 0…255 -> float32 in about [-0.42, 2.82]."""
    scaled = images.astype(np.float32) / np.float32(255)
    return (scaled - np.float32(MEAN)) / np.float32(STANDARD_DEVIATION)


def layer_count(weights: Mapping[str, npt.NDArray[Any]]) -> int:
    """How many layers the named weights make up.

    Raises:
        ValueError: a weight or bias is missing, or two neighbouring shapes do not fit.
    """
    layers = sum(name.startswith("weight") for name in weights)
    if not layers or any(
        f"{part}{layer}" not in weights for layer in range(1, layers + 1) for part in ("weight", "bias")
    ):
        raise ValueError("the weights must be named weight1, bias1, weight2, … without a gap")
    for layer in range(1, layers):
        if weights[f"weight{layer}"].shape[1] != weights[f"weight{layer + 1}"].shape[0]:
            raise ValueError(
                f"layer {layer} gives {weights[f'weight{layer}'].shape[1]} values; layer {layer + 1} takes others"
            )
    return layers


def predict_probabilities(weights: Mapping[str, npt.NDArray[Any]], images: npt.NDArray[Any]) -> Floats:
    """Each image's ten probabilities, by linear layers with ReLU between and softmax at the end; dropout is off.

    Args:
        weights: `weight1` (784, units), `bias1` (units,), `weight2` …; any float type, computed with in float32.
        images: (n, 784) uint8 pixels, 0 is background.

    Returns:
        (n, 10) float32; each row adds up to 1.

    Raises:
        ValueError: the names or shapes do not make a network; see `layer_count`.
    """
    layers = layer_count(weights)
    float32 = {name: np.asarray(array, dtype=np.float32) for name, array in weights.items()}
    rows = [np.zeros((0, float32[f"bias{layers}"].shape[0]), dtype=np.float32)]
    for start in range(0, len(images), BATCH):
        values = normalise(images[start : start + BATCH])
        for layer in range(1, layers + 1):
            values = values @ float32[f"weight{layer}"] + float32[f"bias{layer}"]
            if layer < layers:
                np.maximum(values, 0, out=values)
        rows.append(_softmax(values))
    return np.concatenate(rows)


def answer_of_biases(weights: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """What a network says of an image for which its last hidden layer is silent: no unit of it is above 0.

    Nothing of such an image reaches the output; the output biases alone answer, and every such image gets these same
    ten probabilities.

    Args:
        weights: as in `predict_probabilities`.

    Returns:
        (10,) float32.
    """
    biases = np.array(weights[f"bias{layer_count(weights)}"], dtype=np.float32)
    return _softmax(biases[np.newaxis]).reshape(-1)


def _softmax(logits: Floats) -> Floats:
    """Each row's softmax, in place; the largest logit is taken off first, so that exp cannot overflow."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
