"""The hooks see what the network computes, change nothing, and are gone afterwards."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from mlcore.networks import probes
from mlcore.networks.model import build

SIZES = (784, 12, 9, 10)


def weights_of(module: nn.Sequential) -> dict[str, np.ndarray]:
    named = {}
    for number, layer in enumerate((layer for layer in module if isinstance(layer, nn.Linear)), start=1):
        named[f"weight{number}"] = layer.weight.detach().numpy().T.copy()
        named[f"bias{number}"] = layer.bias.detach().numpy().copy()
    return named


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(3)
    return build(SIZES)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (50, 784), dtype=np.uint8)


LABELS = np.arange(50) % 10


def hooks_on(module: nn.Module) -> int:
    return sum(len(layer._forward_hooks) + len(layer._backward_hooks) for layer in module.modules())


def test_hooks_report_every_layer_and_are_removed(network: nn.Sequential) -> None:
    x = torch.randn(4, 784)
    with probes.watch(network) as seen:
        assert hooks_on(network) == 2 * len(network)
        network(x.requires_grad_()).sum().backward()
    assert hooks_on(network) == 0
    assert set(seen.outputs) == set(seen.gradients) == {name for name, _ in network.named_children()}
    torch.testing.assert_close(seen.outputs["1"], torch.relu(network[0](x)))
    # The gradient at the logits of their own sum is one; below, it is the row sums of the last weights.
    torch.testing.assert_close(seen.gradients["4"], torch.ones(4, 10))
    torch.testing.assert_close(seen.gradients["3"], network[4].weight.sum(0).expand(4, 9))


def test_hooks_are_removed_when_the_pass_fails(network: nn.Sequential) -> None:
    with pytest.raises(RuntimeError), probes.watch(network):
        network(torch.randn(4, 3))
    assert hooks_on(network) == 0


def test_after_watching_the_module_runs_without_a_hook(network: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(64, 784)
    with probes.watch(network) as seen:
        network(x)
    kept = seen.outputs["0"]
    assert hooks_on(network) == 0
    # PyTorch goes straight to `forward` where there is no hook: what costs nothing is never called.
    calls = []
    monkeypatch.setattr(probes.Watched, "__setattr__", lambda *given: calls.append(given))
    network(x + 1)
    assert seen.outputs["0"] is kept and not calls


def test_watching_does_not_change_the_gradient(network: nn.Sequential, images: np.ndarray) -> None:
    x = torch.randn(8, 784)
    network(x).square().sum().backward()
    plain = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    with probes.watch(network):
        network(x.requires_grad_()).square().sum().backward()
    for before, after in zip(plain, network.parameters(), strict=True):
        assert torch.equal(before, after.grad)


def test_histograms_hold_every_value_and_the_figures_are_those_of_the_layer(
    network: nn.Sequential, images: np.ndarray
) -> None:
    seen = probes.look_inside(SIZES, weights_of(network), images, LABELS)
    json.dumps(seen)
    assert [layer["name"] for layer in seen["layers"]] == ["hidden 1", "hidden 2", "output"]
    assert [layer["units"] for layer in seen["layers"]] == [12, 9, 10]
    with torch.no_grad():
        x = (torch.from_numpy(images) / 255 - 0.1307) / 0.3081
        z = network[0](x)
        logits = network(x)
    first = seen["layers"][0]
    assert sum(first["values"]["counts"]) == 50 * 12
    assert first["zero_share"] == pytest.approx(float((z <= 0).float().mean()), abs=1e-6)
    zeros = round(first["gradient_zero_share"] * 600)
    assert sum(first["gradients"]["counts"]) == 600 - zeros
    assert zeros >= int((z <= 0).sum()), "ReLU lets no gradient through where it is at zero"
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(LABELS))
    assert seen["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert seen["mask"] == []


def test_a_dead_unit_is_found(network: nn.Sequential, images: np.ndarray) -> None:
    weights = weights_of(network)
    weights["bias1"][5] = -1e6
    weights["bias2"][2] = weights["bias2"][7] = -1e6
    seen = probes.look_inside(SIZES, weights, images, LABELS)
    alive = probes.look_inside(SIZES, weights_of(network), images, LABELS)
    assert set(seen["layers"][0]["dead"]) - set(alive["layers"][0]["dead"]) == {5}
    assert {2, 7} <= set(seen["layers"][1]["dead"])
    assert seen["layers"][2]["dead"] == [], "the output layer has no ReLU to die"


def test_dropouts_mask_is_told_from_units_that_are_at_zero_anyway(images: np.ndarray) -> None:
    sizes = (784, 400, 10)
    torch.manual_seed(1)
    weights = weights_of(build(sizes))
    seen = probes.look_inside(sizes, weights, images, LABELS, dropout=0.3, seed=9)
    (mask,) = seen["mask"]
    states, values = np.array(mask["states"]), np.array(mask["values"])
    assert np.all((values == 0) == (states == probes.SILENT))
    active = mask["kept"] + mask["dropped"]
    # A binomial share: five standard deviations either way.
    assert abs(mask["dropped"] / active - 0.3) < 5 * np.sqrt(0.21 / active)
    assert mask["scale"] == pytest.approx(1 / 0.7)
    again = probes.look_inside(sizes, weights, images, LABELS, dropout=0.3, seed=9)["mask"]
    other = probes.look_inside(sizes, weights, images, LABELS, dropout=0.3, seed=10)["mask"]
    assert again == seen["mask"] != other


def test_the_mask_leaves_the_random_state_of_others_alone(images: np.ndarray) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    weights = {"weight1": np.zeros((784, 10)), "bias1": np.zeros(10)}
    probes.look_inside((784, 10), weights, images, LABELS, dropout=0.3, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_weights_of_another_network_are_refused(network: nn.Sequential, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="weight1 must have the shape"):
        probes.look_inside((784, 13, 9, 10), weights_of(network), images, LABELS)


def test_before_training_is_what_the_seed_draws(images: np.ndarray) -> None:
    from mlcore.networks.model import initial_parameters

    weights = probes.initial_weights(SIZES, "he", 5)
    flat = np.concatenate(
        [np.concatenate([weights[f"weight{i}"].T.ravel(), weights[f"bias{i}"]]) for i in range(1, len(SIZES))]
    )
    assert np.array_equal(flat, initial_parameters(SIZES, "he", 5).numpy())
    trained = {name: 2 * array for name, array in weights.items()}
    drawn = probes.before_and_after(SIZES, trained, None, "he", 5, images, LABELS)
    given = probes.before_and_after(SIZES, trained, weights, "he", 99, images, LABELS)
    assert drawn == given
    assert drawn["before"] == probes.look_inside(SIZES, weights, images, LABELS)
    assert drawn["after"]["loss"] != drawn["before"]["loss"]


def test_histogram_bins_hold_what_lies_between_their_edges() -> None:
    values = np.random.default_rng(0).normal(0, 30, 5000)
    for wide in (False, True):
        drawn = probes.histogram(values, 20, wide=wide)
        edges, counts = np.array(drawn["edges"]), np.array(drawn["counts"])
        assert counts.sum() == 5000
        inner = [
            int(((values >= low) & (values < high)).sum()) for low, high in zip(edges[1:-2], edges[2:-1], strict=True)
        ]
        np.testing.assert_array_equal(counts[1:-1], inner)
        assert np.all(np.diff(edges) > 0)
    widths = np.diff(edges)
    assert widths[10] < widths[0] / 5, "wide bins are narrow near zero"
    assert probes.histogram(np.array([np.nan])) == {"edges": [], "counts": []}
