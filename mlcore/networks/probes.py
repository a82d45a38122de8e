"""Looking inside a PyTorch network while it works, by hooks: what each layer passes on, and what gradient comes back.

`watch(module)` is a `with` block: inside it every layer reports by `register_forward_hook` and
`register_full_backward_hook`; when the block ends the hooks are gone and the module is as fast as before.
`look_inside` turns what they saw into histograms, counts of dead units, and dropout's mask for one image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mlcore.networks.model import build, initial_parameters, layer_views
from mlcore.networks.step import normalise

BINS = 40
"""Bars in each histogram."""
KEPT, SILENT, DROPPED = 0, 1, 2
"""States of a unit under dropout: passed on, at zero by ReLU already, set to zero by dropout."""


@dataclass
class Watched:
    """What the hooks saw in the last forward and backward pass; the key is the module's name in its parent.

    Attributes:
        inputs, outputs: what went into and came out of each layer, (n, units).
        gradients: gradient of the loss with respect to each layer's output, (n, units).
    """

    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def watch(module: nn.Module) -> Iterator[Watched]:
    """Hook every direct child of `module` for the length of a `with` block; the hooks are removed whatever happens."""
    seen = Watched()
    handles = []
    try:
        for name, layer in module.named_children():

            def forward(_: nn.Module, inputs: Any, output: Tensor, name: str = name) -> None:
                seen.inputs[name] = inputs[0].detach()
                seen.outputs[name] = output.detach()

            def backward(_: nn.Module, __: Any, gradients: Any, name: str = name) -> None:
                seen.gradients[name] = gradients[0].detach()

            handles.append(layer.register_forward_hook(forward))
            handles.append(layer.register_full_backward_hook(backward))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def histogram(values: npt.NDArray[np.floating], bins: int = BINS, *, wide: bool = False) -> dict[str, list[float]]:
    """Counts of `values` in bins from the 0.1th to the 99.9th percentile; what lies beyond is in the end bins.

    Args:
        wide: bins that are equal in arsinh(value), narrow near 0 and wide far out, for values of very different sizes.

    Returns:
        {"edges": bins + 1 numbers, "counts": bins numbers}; both empty where there is no value.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {"edges": [], "counts": []}
    finite = np.arcsinh(finite) if wide else finite
    low, high = (float(limit) for limit in np.percentile(finite, (0.1, 99.9)))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(finite, low, high), bins=bins, range=(low, high))
    edges = np.sinh(edges) if wide else edges
    return {"edges": [float(edge) for edge in edges], "counts": [float(count) for count in counts]}


def module_of(sizes: Sequence[int], weights: Mapping[str, npt.NDArray[Any]], dropout: float) -> nn.Sequential:
    """The network with the given weights: `weight1` (inputs, units), `bias1` (units,), `weight2` …

    Raises:
        ValueError: a weight is missing or has another shape than the layer.
    """
    # `build` draws weights that are replaced at once; others' random numbers shall not move on for that.
    with torch.random.fork_rng(devices=[]):
        module = build(sizes, dropout)
    linear = [layer for layer in module if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for number, layer in enumerate(linear, start=1):
            for name, target in ((f"weight{number}", layer.weight.T), (f"bias{number}", layer.bias)):
                given = weights.get(name)
                if given is None or tuple(given.shape) != tuple(target.shape):
                    shape = "nothing" if given is None else f"shape {tuple(given.shape)}"
                    raise ValueError(f"{name} must have the shape {tuple(target.shape)}, and there is {shape}")
                target.copy_(torch.from_numpy(np.array(given, dtype=np.float32)))
    return module


def before_and_after(
    sizes: Sequence[int],
    after: Mapping[str, npt.NDArray[Any]],
    before: Mapping[str, npt.NDArray[Any]] | None,
    initializer: str,
    seed: int,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    dropout: float = 0.0,
    mask_seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """`look_inside` of a network before its first update and as it is now, on the same images: {"before", "after"}.

    Args:
        after: the weights as they are now, as `module_of` wants them.
        before: those it started with; None to draw them again from `initializer` and `seed`, which gives the same.

    Raises:
        ValueError: the weights do not fit the sizes.
    """
    start = initial_weights(sizes, initializer, seed) if before is None else before
    return {
        "before": look_inside(sizes, start, images, labels, dropout, mask_seed),
        "after": look_inside(sizes, after, images, labels, dropout, mask_seed),
    }


def initial_weights(sizes: Sequence[int], initializer: str, seed: int) -> dict[str, npt.NDArray[Any]]:
    """The weights that a run with this initializer and seed starts from, named as `module_of` wants them."""
    views = layer_views(initial_parameters(sizes, initializer, seed), sizes)
    named: dict[str, npt.NDArray[Any]] = {}
    for number, (weight, bias) in enumerate(views, start=1):
        named[f"weight{number}"], named[f"bias{number}"] = weight.T.numpy(), bias.numpy()
    return named


def _pass(module: nn.Sequential, images: Tensor, labels: Tensor) -> tuple[Watched, Tensor]:
    """One forward and backward pass under the hooks; the loss is summed, so each image's gradient is its own."""
    # An input that wants a gradient lets the first layer's backward hook fire like every other.
    images = images.clone().requires_grad_(True)
    module.zero_grad(set_to_none=True)
    with watch(module) as seen:
        logits = module(images)
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
        torch.autograd.backward(loss)
    return seen, loss.detach() / len(labels)


def _layer(name: str, z: Tensor, gradient: Tensor, layer: nn.Linear, images: int, hidden: bool) -> dict[str, Any]:
    """One layer's figures, from what came out of its linear part before ReLU and the gradient that came back to it."""
    values, gradients = z.numpy(), gradient.numpy()
    nonzero = np.abs(gradients[gradients != 0])
    dead = np.flatnonzero((values <= 0).all(axis=0)) if hidden else np.zeros(0, dtype=int)
    assert layer.weight.grad is not None
    return {
        "name": name,
        "units": int(values.shape[1]),
        "values": histogram(values, wide=True),
        # Like the gradients', of what is not 0; how much is 0 is `zero_share`.
        "activations": histogram(values[values > 0], wide=True) if hidden else histogram(values[:0]),
        "zero_share": float((values <= 0).mean()) if hidden else 0.0,
        # Gradients spread over many powers of ten, so their histogram is of the logarithm; zeros are counted apart.
        "gradients": histogram(np.log10(nonzero)),
        "gradient_zero_share": float(1 - nonzero.size / gradients.size),
        "gradient_median": float(np.median(nonzero)) if nonzero.size else 0.0,
        "weight_gradient_norm": float(layer.weight.grad.norm() / images),
        "dead": [int(unit) for unit in dead],
    }


def look_inside(
    sizes: Sequence[int],
    weights: Mapping[str, npt.NDArray[Any]],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[Any],
    dropout: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """What hooks see in a network: a pass over all images in evaluation mode, then the first image in training mode.

    Args:
        sizes: units of every layer, input and output included.
        weights: as `module_of` wants them.
        images: (n, 784) uint8 pixels; a unit is called dead when it is at zero for all n of them.
        labels: (n,) true digits.
        dropout: probability of the network's dropout layers; with 0 there is no mask.
        seed: fixes dropout's mask.

    Returns:
        `{"loss", "accuracy", "layers": [...], "mask": [...]}`. Each layer has `name`, `units`, `values`, `activations`
        and `gradients` (histograms of z, of ReLU(z) where it is not 0, and of log10 |∂loss/∂z| per image),
        `zero_share`, `gradient_zero_share`, `gradient_median`, `weight_gradient_norm` and `dead` (unit numbers). Each
        mask is `{"name", "states": [units], "kept", "dropped", "scale"}` with a state of `KEPT`, `SILENT` or `DROPPED`
        for each unit.

    Raises:
        ValueError: the weights do not fit the sizes.
    """
    module = module_of(sizes, weights, dropout)
    pixels = torch.from_numpy(np.array(images, dtype=np.uint8))
    inputs = normalise(pixels, torch.empty(pixels.shape, dtype=torch.float32))
    digits = torch.from_numpy(np.array(labels, dtype=np.int64))
    module.eval()
    seen, loss = _pass(module, inputs, digits)
    linear = [(name, layer) for name, layer in module.named_children() if isinstance(layer, nn.Linear)]
    layers = [
        _layer(
            f"hidden {number}" if number < len(linear) else "output",
            seen.outputs[name],
            seen.gradients[name],
            layer,
            len(digits),
            number < len(linear),
        )
        for number, (name, layer) in enumerate(linear, start=1)
    ]
    right = seen.outputs[linear[-1][0]].argmax(1) == digits
    return {
        "loss": float(loss),
        "accuracy": float(right.float().mean()),
        "layers": layers,
        "mask": _masks(module, inputs[:1], digits[:1], dropout, seed) if dropout > 0 else [],
    }


def _masks(module: nn.Sequential, image: Tensor, label: Tensor, dropout: float, seed: int) -> list[dict[str, Any]]:
    """Which units dropout sets to zero for one image, read off what goes into and comes out of each Dropout layer."""
    module.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        seen, _ = _pass(module, image, label)
    masks: list[dict[str, Any]] = []
    for name, layer in module.named_children():
        if not isinstance(layer, nn.Dropout):
            continue
        before, after = seen.inputs[name][0], seen.outputs[name][0]
        # A unit that ReLU left at zero looks the same dropped or kept, and makes no difference either.
        states = torch.where(before == 0, SILENT, torch.where(after == 0, DROPPED, KEPT))
        masks.append(
            {
                "name": f"hidden {len(masks) + 1}",
                "states": [int(state) for state in states],
                "values": [float(value) for value in before],
                "kept": int((states == KEPT).sum()),
                "dropped": int((states == DROPPED).sum()),
                "scale": 1 / (1 - dropout),
            }
        )
    return masks
