"""The PyTorch networks: what the hand-written step computes is autograd's, and a run is a function of its past."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from mlcore.data.download import import_torchvision
from mlcore.data.mnist import Digits, open_source
from mlcore.data.splits import split_network
from mlcore.experiments.configs import NetworkConfig
from mlcore.networks import trainer
from mlcore.networks.evaluation import evaluate
from mlcore.networks.model import INITIALIZERS, build, initial_parameters, load_parameters
from mlcore.networks.step import MEAN, STANDARD_DEVIATION, DropoutMasks, Step, normalise
from mlcore.networks.trainer import advance, train
from mlcore.records import Checkpoint, NetworkEpoch, is_over

SIZES = (784, 64, 128, 64, 10)


@pytest.fixture(scope="module")
def sample() -> Digits:
    return open_source("sample")


def batch_of(sample: Digits, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.from_numpy(sample.images[:5000:7][:count].copy())
    labels = torch.from_numpy(sample.labels[:5000:7][:count].astype(np.int64))
    return pixels, labels


@pytest.mark.parametrize(("name", "parameters"), [("A", 67_466), ("B", 399_498)])
def test_parameter_counts_are_the_reports(name: str, parameters: int) -> None:
    config = NetworkConfig(architecture=name)
    assert config.parameters == parameters
    assert sum(p.numel() for p in build(config.sizes).parameters()) == parameters
    assert initial_parameters(config.sizes, "default", 0).numel() == parameters


def test_pixels_are_normalised_as_torchvision_does(sample: Digits) -> None:
    transforms = import_torchvision().transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STANDARD_DEVIATION,))])
    image = sample.images[1234]
    theirs = transform(image.copy().reshape(28, 28, 1)).reshape(1, 784)
    ours = normalise(torch.from_numpy(image[None].copy()), torch.empty(1, 784))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_default_initial_weights_follow_pytorchs_own_distribution() -> None:
    ours = initial_parameters(SIZES, "default", 3)[: 64 * 784]
    assert float(ours.abs().max()) <= 1 / math.sqrt(784)
    assert float(ours.std()) == pytest.approx(float(nn.Linear(784, 64).weight.detach().std()), rel=0.02)


def test_step_has_autograds_loss_and_gradient(sample: Digits) -> None:
    pixels, labels = batch_of(sample, 40)
    step = Step(initial_parameters(SIZES, "default", 1), SIZES, 64)
    inputs = normalise(pixels, step.activations[0][:40]).clone()
    step.forward(40)
    loss = step.backward(nn.functional.one_hot(labels, 10).float()) / 40

    module = build(SIZES)
    load_parameters(module, step.parameters)
    reference = nn.functional.cross_entropy(module(inputs), labels)
    reference.backward()
    gradient = nn.utils.parameters_to_vector([p.grad for p in module.parameters()])
    assert float(loss) == pytest.approx(reference.item(), rel=1e-6)
    torch.testing.assert_close(step.gradient, gradient, rtol=1e-4, atol=1e-7)


class FixedDropout(nn.Module):
    """nn.Dropout with a mask that is given."""

    def __init__(self, kept: torch.Tensor, scale: float) -> None:
        super().__init__()
        self.kept, self.scale = kept, scale

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.kept * self.scale


def test_step_with_dropout_has_autograds_gradient(sample: Digits) -> None:
    pixels, labels = batch_of(sample, 40)
    masks = DropoutMasks(0.3, SIZES[1:-1])
    kept = masks.draw(40, 5, 6, 7)
    step = Step(initial_parameters(SIZES, "xavier", 1), SIZES, 40)
    inputs = normalise(pixels, step.activations[0]).clone()
    step.forward(40, kept, masks.scale)
    loss = step.backward(nn.functional.one_hot(labels, 10).float(), masks.scale) / 40

    module = build(SIZES, dropout=0.3)
    load_parameters(module, step.parameters)
    places = [i for i, layer in enumerate(module) if isinstance(layer, nn.Dropout)]
    for place, mask in zip(places, kept, strict=True):
        module[place] = FixedDropout(mask, masks.scale)
    reference = nn.functional.cross_entropy(module(inputs), labels)
    reference.backward()
    gradient = nn.utils.parameters_to_vector([p.grad for p in module.parameters()])
    assert float(loss) == pytest.approx(reference.item(), rel=1e-5)
    torch.testing.assert_close(step.gradient, gradient, rtol=1e-4, atol=1e-7)


def test_dropout_masks_have_their_share_and_repeat() -> None:
    masks = DropoutMasks(0.3, (256, 512, 128))
    drawn = masks.draw(64, 1, 2, 3)
    assert [tuple(mask.shape) for mask in drawn] == [(64, 256), (64, 512), (64, 128)]
    decisions = torch.cat([mask.reshape(-1) for mask in drawn]).float()
    # Five standard deviations of a binomial share.
    assert float(decisions.mean()) == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / len(decisions)))
    assert all(torch.equal(a, b) for a, b in zip(drawn, masks.draw(64, 1, 2, 3), strict=True))
    assert not torch.equal(drawn[0], masks.draw(64, 1, 2, 4)[0])


def test_an_epoch_is_the_plain_pytorch_loops(sample: Digits) -> None:
    """Two epochs of Adam with StepLR, against nn.Module, autograd, torch.optim.Adam over its own parameters."""
    config = NetworkConfig(epochs=2, step_size=1, gamma=0.5, seed=4)
    ours = list(train(config, sample))

    split = split_network(sample, config.seed)
    module = build(config.sizes)
    load_parameters(module, initial_parameters(config.sizes, config.initializer, config.seed))
    optimizer = torch.optim.Adam(module.parameters(), lr=config.learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for epoch in range(2):
        order = np.random.default_rng((config.seed, 11, epoch)).permutation(split.train)
        total = 0.0
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            inputs = (torch.from_numpy(sample.images[rows]) / 255 - MEAN) / STANDARD_DEVIATION
            loss = nn.functional.cross_entropy(module(inputs), torch.from_numpy(sample.labels[rows].astype(np.int64)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        assert ours[epoch].learning_rate == pytest.approx(scheduler.get_last_lr()[0])
        scheduler.step()
        # float32 sums in another order drift apart by about 1e-7 a step, not by more.
        assert ours[epoch].train_loss == pytest.approx(total / len(order), rel=2e-3)


def run_in_slices(config: NetworkConfig, data: Digits, slices: list[float]) -> tuple[Checkpoint, list[NetworkEpoch]]:
    checkpoint, everything = None, []
    turn = 0
    while checkpoint is None or not is_over(config, checkpoint):
        checkpoint, results = advance(config, checkpoint, data, slices[turn % len(slices)])
        checkpoint = Checkpoint.from_bytes(checkpoint.to_bytes())
        everything += results
        turn += 1
    return checkpoint, everything


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dropout": 0.3, "step_size": 1, "gamma": 0.3, "initializer": "xavier"},
        {"dropout": 0.3, "step_size": 2, "step_on_loss": True, "evaluate_with_dropout": True},
    ],
)
def test_interrupted_equals_uninterrupted_bit_for_bit(sample: Digits, changes: dict[str, object]) -> None:
    config = NetworkConfig(epochs=3, **changes)
    whole, epochs = run_in_slices(config, sample, [1000.0])
    parts, part_epochs = run_in_slices(config, sample, [0.004, 0.0, 0.011, 0.03])
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(array, parts.arrays[name], err_msg=name)
    for one, other in zip(epochs, part_epochs, strict=True):
        assert {**one.to_dict(), "seconds": 0} == {**other.to_dict(), "seconds": 0}


def test_variants_share_their_start_and_their_batches(sample: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    variants = [
        NetworkConfig(epochs=2, seed=5, **changes)
        for changes in (
            {},
            {"dropout": 0.5},
            {"dropout": 0.5, "step_size": 1},
            {"dropout": 0.5, "evaluate_with_dropout": True},
        )
    ]
    starts = [advance(config, None, sample, 0)[0] for config in variants]
    for start in starts:
        np.testing.assert_array_equal(start.arrays["parameters"], starts[0].arrays["parameters"])
        assert start.epoch == start.batch == 0
    seen: list[list[np.ndarray]] = []
    original = trainer._Run._train_batch

    def note(run: trainer._Run, rows: np.ndarray) -> None:
        seen[-1].append(rows.copy())
        original(run, rows)

    monkeypatch.setattr(trainer._Run, "_train_batch", note)
    ends = []
    for config in variants:
        seen.append([])
        ends.append(list(train(config, sample))[-1])
    assert len(seen[0]) == 2 * -(-4000 // 64)
    for batches in seen[1:]:
        assert len(batches) == len(seen[0])
        assert all((mine == first).all() for mine, first in zip(batches, seen[0], strict=True))
    # And yet dropout was at work, and the two that differ in judging alone were trained alike.
    assert ends[0].train_loss != ends[1].train_loss
    assert ends[1].train_loss == ends[3].train_loss
    seen.append([])
    advance(NetworkConfig(epochs=2, seed=6), None, sample, 0.001)
    assert set(seen[-1][0]) != set(seen[0][0]), "another seed sees other batches"


def test_schedule_steps_as_described_and_not_as_the_report_called_it(sample: Digits) -> None:
    described = NetworkConfig(epochs=5, step_size=2, gamma=0.1, learning_rate=0.01)
    rates = [epoch.learning_rate for epoch in train(described, sample)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001])
    as_run = NetworkConfig(epochs=5, step_size=2, gamma=0.1, learning_rate=0.01, step_on_loss=True)
    epochs = list(train(as_run, sample))
    # floor(loss / 2) is 0 while the loss is below 2, so the rate never steps.
    assert all(epoch.validation_loss < 2 for epoch in epochs)
    assert [epoch.learning_rate for epoch in epochs] == [0.01] * 5


def test_forgetting_evaluation_mode_costs_accuracy(sample: Digits) -> None:
    right = list(train(NetworkConfig(epochs=3, dropout=0.5), sample))[-1]
    forgot = list(train(NetworkConfig(epochs=3, dropout=0.5, evaluate_with_dropout=True), sample))[-1]
    assert forgot.train_loss == right.train_loss
    assert forgot.validation_accuracy < right.validation_accuracy


def test_divergence_halts_with_a_sentence(sample: Digits) -> None:
    config = NetworkConfig(epochs=3)
    start = advance(config, None, sample, 0)[0]
    arrays = {**start.arrays, "parameters": start.arrays["parameters"] * np.float32(1e20)}
    checkpoint, results = advance(config, Checkpoint(arrays, start.state), sample, 10)
    assert not results
    assert is_over(config, checkpoint)
    assert "Try a smaller learning rate." in checkpoint.halted
    again, results = advance(config, checkpoint, sample, 10)
    assert not results
    assert again.halted == checkpoint.halted


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_every_initializer_gives_finite_weights_and_the_same_ones_again(initializer: str) -> None:
    first, second = (initial_parameters(SIZES, initializer, 9) for _ in range(2))
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)
    assert not torch.equal(first, initial_parameters(SIZES, initializer, 10))


def test_batch_larger_than_the_data_is_one_batch(sample: Digits) -> None:
    checkpoint, results = advance(NetworkConfig(epochs=1, batch_size=70_000), None, sample, 100)
    assert checkpoint.batches == 1
    assert len(results) == 1


def test_evaluation_is_the_modules(sample: Digits) -> None:
    parameters = initial_parameters(SIZES, "he", 2)
    rows = np.arange(0, 5000, 4)
    judged = evaluate(parameters, SIZES, sample, rows)
    module = build(SIZES)
    load_parameters(module, parameters)
    with torch.no_grad():
        logits = module((torch.from_numpy(sample.images[rows]) / 255 - MEAN) / STANDARD_DEVIATION)
    labels = torch.from_numpy(sample.labels[rows].astype(np.int64))
    assert judged.loss == pytest.approx(float(nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    assert (judged.predicted == logits.argmax(1).numpy()).mean() > 0.999
