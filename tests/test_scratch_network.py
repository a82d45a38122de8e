"""The NumPy network's formulas: by hand, numerically, against PyTorch and against scikit-learn."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPClassifier

from mlcore.data import open_source
from mlcore.experiments.configs import ScratchConfig
from mlcore.networks.step_proof import build, torch_step
from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.fast_steps import FastSteps
from mlcore.scratch.glass import one_step
from mlcore.scratch.gradcheck import AGREES, check_network, gradient_check
from mlcore.scratch.initializers import INITIALIZERS
from mlcore.scratch.losses import LOSSES, softmax
from mlcore.scratch.network import Network, as_floats, backward, forward, initial_network, layers_of, losses
from mlcore.scratch.optimizers import OPTIMIZERS
from mlcore.scratch.trainer import start

SIZES = (12, 7, 5, 4)


def _network(activation: str | tuple[str, ...], sizes: tuple[int, ...] = SIZES, seed: int = 0) -> Network:
    names = activation if isinstance(activation, tuple) else (activation,) * (len(sizes) - 2)
    return initial_network(sizes, names, "he", 0.1, np.random.default_rng(seed), np.float64)


def _batch(count: int, inputs: int = 12, classes: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((count, inputs)), rng.integers(0, classes, count).astype(np.uint8)


def test_one_update_worked_by_hand() -> None:
    # One image x = (1, 2), one hidden ReLU unit, two classes, true class 0, rate 1/2.
    #   W1 = (0.5, 0.25)ᵀ, b1 = 1:     z1 = 0.5·1 + 0.25·2 + 1 = 2,   a1 = max(0, 2) = 2
    #   W2 = (1, 1), b2 = (0, 0):      z2 = (2, 2),   p = (1/2, 1/2),   loss = -log(1/2) = log 2
    # Backward:
    #   δ2 = p - y = (-1/2, 1/2)
    #   ∂W2 = a1 δ2 = (-1, 1),         ∂b2 = (-1/2, 1/2)
    #   δ1 = W2 δ2ᵀ · 1 = -1/2 + 1/2 = 0, so W1 would not move. With W2 = (1, 3) instead:
    #   z2 = (2, 6), p = (1/(1 + e⁴), e⁴/(1 + e⁴)), q = p_2:  δ2 = (-q, q)
    #   ∂W2 = (-2q, 2q),  ∂b2 = (-q, q),  δ1 = -q + 3q = 2q,  ∂W1 = (2q, 4q),  ∂b1 = 2q
    # Update, minus half of that:
    #   W1 = (0.5 - q, 0.25 - 2q),  b1 = 1 - q,  W2 = (1 + q, 3 - q),  b2 = (q/2, -q/2)
    q = np.exp(4) / (1 + np.exp(4))
    parameters = np.array([0.5, 0.25, 1.0, 1.0, 3.0, 0.0, 0.0])  # W1, b1, W2, b2
    network = Network((2, 1, 2), ("relu",), parameters)
    passed = forward(network, np.array([[1.0, 2.0]]))
    labels = np.array([0])
    assert passed.z[0].tolist() == [[2.0]]
    assert passed.logits.tolist() == [[2.0, 6.0]]
    assert losses(passed, labels)[0] == pytest.approx(np.log(1 + np.exp(4)))
    gradients = backward(network, passed, labels)
    np.testing.assert_allclose(gradients.gradient, [2 * q, 4 * q, 2 * q, -2 * q, 2 * q, -q, q])
    OPTIMIZERS["sgd"].update(network.parameters, gradients.gradient, 0.5)
    np.testing.assert_allclose(parameters, [0.5 - q, 0.25 - 2 * q, 1 - q, 1 + q, 3 - q, q / 2, -q / 2])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_of_every_parameter_numerically(activation: str) -> None:
    network = _network(activation)
    images, labels = _batch(6)
    check = check_network(network, images, labels, per_layer=10_000, rng=np.random.default_rng(2))
    assert len(check.parameters) == network.parameters.size == 12 * 7 + 7 + 7 * 5 + 5 + 5 * 4 + 4
    assert check.worst.relative_error < 1e-6, check.worst


def test_the_gradient_check_finds_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    tanh = ACTIVATIONS["tanh"]
    wrong = type(tanh)(tanh.label, "", "", tanh.value, lambda a, out=None: 1 - a, tanh.ends)
    monkeypatch.setitem(ACTIVATIONS, "tanh", wrong)
    images, labels = _batch(6)
    check = check_network(_network("tanh"), images, labels, 10, np.random.default_rng(2))
    assert check.worst.relative_error > 0.01
    assert check.worst_of_layer(3).relative_error < 1e-6, "the output layer does not use the slope"


@pytest.mark.parametrize(("activation", "initializer"), list(itertools.product(ACTIVATIONS, INITIALIZERS)))
def test_the_gradient_check_of_a_run_passes_for_all_settings(activation: str, initializer: str) -> None:
    config = ScratchConfig(activation=activation, initializer=initializer, hidden=(16, 8))
    check = gradient_check(config, open_source("sample"), per_layer=6)
    assert {parameter.layer for parameter in check.parameters} == {1, 2, 3}
    assert check.worst.relative_error < AGREES, check.worst


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_write_where_they_are_told(name: str) -> None:
    z = np.random.default_rng(0).standard_normal((5, 3))
    value, slope = ACTIVATIONS[name].value, ACTIVATIONS[name].slope
    a = value(z, None)
    out = np.empty_like(z)
    assert value(z, out) is out
    np.testing.assert_array_equal(out, a)
    slopes = slope(a, None)
    assert slope(a, out) is out
    np.testing.assert_array_equal(out, slopes)
    in_place = z.copy()
    value(in_place, in_place)
    np.testing.assert_array_equal(in_place, a)


def test_extreme_inputs_stay_finite() -> None:
    z = np.array([[-1e4, 0.0, 1e4]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ACTIVATIONS["sigmoid"].value(z, None).tolist() == [[0.0, 0.5, 1.0]]
        assert softmax(z).tolist() == [[0.0, 0.0, 1.0]]
        assert LOSSES["cross_entropy"].per_image(z, np.array([0])) == pytest.approx(2e4)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_initial_weights_have_the_size_they_should(initializer: str) -> None:
    network = initial_network((784, 128, 64, 10), ("relu", "relu"), initializer, 1.0, np.random.default_rng(52))
    expected = {"normal": 1, "small": 0.01, "xavier": np.sqrt(2 / (784 + 128)), "he": np.sqrt(2 / 784)}
    assert network.parameters.dtype == np.float32
    assert network.layers[0].weights.std() == pytest.approx(expected[initializer], rel=0.01)
    assert all((layer.bias == 1).all() for layer in network.layers)
    assert network.parameters.size == 109_386


def test_one_seed_draws_the_same_numbers_for_every_initializer() -> None:
    normal, he = (start(ScratchConfig(initializer=name), np.float64).arrays["parameters"] for name in ("normal", "he"))
    for left, right in zip(layers_of((784, 128, 64, 10), normal), layers_of((784, 128, 64, 10), he), strict=True):
        np.testing.assert_allclose(right.weights, left.weights * np.sqrt(2 / len(left.weights)), rtol=1e-12)


# Against PyTorch


@pytest.mark.parametrize(
    ("activation", "sizes"),
    [
        ("sigmoid", SIZES),
        ("tanh", SIZES),
        ("relu", SIZES),
        ("leaky_relu", SIZES),
        (("tanh", "leaky_relu"), SIZES),
        ((), (12, 4)),
        ("relu", (12, 1, 4)),
    ],
)
@pytest.mark.parametrize("ink", [[0.0] * 12, [1.0] * 12, [0.0, 1.0, 0.02] * 4], ids=["none", "all", "some"])
def test_several_steps_equal_pytorchs(
    activation: str | tuple[str, ...], sizes: tuple[int, ...], ink: list[float]
) -> None:
    network = _network(activation, sizes)
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (50, 12)).astype(np.uint8)
    pixels[:, 4:9] *= rng.random((50, 5)) < 0.05  # most batches have no ink here, whatever was expected of them
    labels = rng.integers(0, 4, 50).astype(np.uint8)
    model = build(sizes, network.activations, network.parameters)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    slow = Network(sizes, network.activations, network.parameters.copy())
    fast = FastSteps(network, batch_size=22, learning_rate=0.1, ink=np.array(ink))
    fast.load(pixels, labels, np.arange(50))
    for batch, part in enumerate((slice(0, 22), slice(22, 44), slice(44, 50))):
        images = as_floats(pixels[part], np.float64)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(images)), torch.from_numpy(labels[part]).long())
        loss.backward()
        optimizer.step()
        passed = forward(slow, images)
        OPTIMIZERS["sgd"].update(slow.parameters, backward(slow, passed, labels[part]).gradient, 0.1)
        counts, finite = fast.run(batch, batch + 1, until=float("inf"))
        assert finite
        assert losses(passed, labels[part]).mean() == pytest.approx(loss.item(), abs=1e-12)
        assert counts[0][0] / len(images) == pytest.approx(loss.item(), abs=1e-12)
        assert counts[0][1] == int((passed.logits.argmax(axis=1) == labels[part]).sum())
    theirs = np.concatenate(
        [
            np.concatenate([module.weight.detach().numpy().T.ravel(), module.bias.detach().numpy()])
            for module in model
            if isinstance(module, torch.nn.Linear)
        ]
    )
    np.testing.assert_allclose(slow.parameters, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(network.parameters, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_fast_steps_equal_the_readable_ones_in_float32(activation: str) -> None:
    digits = open_source("sample")
    config = ScratchConfig(activation=activation, initializer="he")
    parameters = start(config).arrays["parameters"]
    slow = Network(config.sizes, config.activations, parameters.copy())
    fast_network = Network(config.sizes, config.activations, parameters.copy())
    rows = np.random.default_rng(0).permutation(5_000)[:210]
    fast = FastSteps(fast_network, 22, 0.05, np.mean(digits.images > 0, axis=0))
    fast.load(digits.images, digits.labels, rows)
    fast.run(0, 10, until=float("inf"))
    for begin in range(0, 210, 22):
        part = rows[begin : begin + 22]
        passed = forward(slow, as_floats(digits.images[part]))
        OPTIMIZERS["sgd"].update(slow.parameters, backward(slow, passed, digits.labels[part]).gradient, 0.05)
    np.testing.assert_allclose(fast_network.parameters, slow.parameters, rtol=0, atol=2e-6)
    assert np.abs(slow.parameters - parameters).max() > 1e-2, "something was learned"


# Against scikit-learn


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_step_from_the_same_weights_equals_scikit_learns(activation: str) -> None:
    network = _network(activation)
    images, labels = _batch(40)
    model = MLPClassifier(
        SIZES[1:-1],
        activation={"sigmoid": "logistic"}.get(activation, activation),
        solver="sgd",
        momentum=0,
        nesterovs_momentum=False,
        alpha=0,
        batch_size=40,
        learning_rate_init=0.1,
        shuffle=False,
        max_iter=1,
        random_state=0,
    )
    model.partial_fit(images, labels, classes=range(4))
    # From here on it has our weights.
    model.coefs_ = [layer.weights.copy() for layer in network.layers]
    model.intercepts_ = [layer.bias.copy() for layer in network.layers]
    model._optimizer.params = model.coefs_ + model.intercepts_
    for _ in range(3):
        model.partial_fit(images, labels)
        OPTIMIZERS["sgd"].update(network.parameters, backward(network, forward(network, images), labels).gradient, 0.1)
    for layer, weights, bias in zip(network.layers, model.coefs_, model.intercepts_, strict=True):
        np.testing.assert_allclose(layer.weights, weights, rtol=0, atol=1e-10)
        np.testing.assert_allclose(layer.bias, bias, rtol=0, atol=1e-10)
    np.testing.assert_allclose(forward(network, images).probabilities, model.predict_proba(images), atol=1e-10)


# One step under the glass


def test_one_step_equals_pytorchs_and_explains_each_weight() -> None:
    config = ScratchConfig(initializer="he")
    step = one_step(config, open_source("sample"), [3, 1_400, 4_999])
    proof = torch_step(
        config.sizes, config.activations, step.before.parameters, step.images, step.labels, config.learning_rate
    )
    assert proof["loss"] == pytest.approx(step.loss, abs=1e-12)
    np.testing.assert_allclose(step.passed.logits, proof["logits"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(step.gradients.gradient, proof["gradient"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(step.after.parameters, proof["parameters"], rtol=0, atol=1e-10)
    assert step.loss_after < step.loss
    assert [row["z"] for row in step.shapes()] == ["3 × 128", "3 × 64", "3 × 10"]
    for layer, source, unit in ((1, 400, 5), (2, 3, 60), (3, None, 9)):
        update = step.weight_update(layer, source, unit)
        assert update.gradient == pytest.approx(float(update.inputs @ update.deltas), abs=1e-15)
        assert update.new == pytest.approx(update.old - 0.01 * update.gradient, abs=1e-15)


def test_one_step_refuses_what_is_not_there() -> None:
    digits = open_source("sample")
    with pytest.raises(ValueError, match="from 0 to 4999"):
        one_step(ScratchConfig(), digits, 5_000)
    step = one_step(ScratchConfig(hidden=(3,)), digits, 0)
    with pytest.raises(ValueError, match="from 1 to 2"):
        step.weight_update(3, 0, 0)
    with pytest.raises(ValueError, match="units 0 to 2"):
        step.weight_update(1, 0, 3)
