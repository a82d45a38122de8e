"""Programs that reproduce what lesson 2 shows without the app: each is run in the project's folder."""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.experiments.configs import ScratchConfig
from mlcore.scratch.glass import OneStep

TABLE1 = '''"""Table 1 as it was recorded; run it in the project's folder."""

from mlcore.experiments.table1 import read_table1

table = read_table1()
for weights in ("normal", "he"):
    for cell in table.cells(weights):
        print(
            f"{weights} {cell.activation} {cell.train_fraction:.0%}: accuracy {cell.accuracy:.4f} "
            f"± {cell.accuracy_spread:.4f}, loss {cell.loss:.3f} ± {cell.loss_spread:.3f}"
        )
'''


def training(config: ScratchConfig, epochs: int) -> str:
    """Trains a run for some epochs and prints their figures, then the last one's confusion matrix."""
    return f'''"""Train a network of NumPy matrices; run it in the project's folder."""

from itertools import islice

from mlcore.data.mnist import open_source
from mlcore.experiments.configs import ScratchConfig
from mlcore.scratch import train

config = {_config(config)}
for result in islice(train(config, open_source(config.source)), {epochs}):
    print(
        f"epoch {{result.epoch}}: training loss {{result.train_loss:.4f}}, accuracy {{result.train_accuracy:.4f}}; "
        f"test loss {{result.test_loss:.4f}}, accuracy {{result.test_accuracy:.4f}}"
    )
for digit, row in enumerate(result.confusion):
    print(digit, *(f"{{count:5}}" for count in row))
'''


def comparison(configs: Sequence[ScratchConfig]) -> str:
    """Trains several runs and prints what each of them comes to."""
    listed = "\n".join(f"    {_config(config, 4)}," for config in configs)
    return f'''"""Train several networks and compare where they end; run it in the project's folder."""

from mlcore.data.mnist import open_source
from mlcore.experiments.comparison import difference_words
from mlcore.experiments.configs import ScratchConfig
from mlcore.scratch import train

configs = [
{listed}
]
print(difference_words(configs))
for config in configs:
    *_, last = train(config, open_source(config.source))
    print(f"test accuracy {{last.test_accuracy:.4f}}, test loss {{last.test_loss:.4f}}")
'''


def check(config: ScratchConfig, images: int, per_layer: int) -> str:
    """Checks the gradients of a network at its start."""
    return f'''"""Check gradients by nudging weights; run it in the project's folder."""

from mlcore.data.mnist import open_source
from mlcore.experiments.configs import ScratchConfig
from mlcore.scratch.gradcheck import gradient_check

config = {_config(config)}
found = gradient_check(config, open_source(config.source), images={images}, per_layer={per_layer}, seed=0)
worst = found.worst
print(len(found.parameters), "parameters; worst relative error", worst.relative_error)
print("backward pass", worst.analytic, "nudged", worst.numeric)
'''


def one_step(config: ScratchConfig, step: OneStep, *, trained: bool) -> str:
    """Takes a step with this library and with PyTorch.

    Args:
        trained: whether the page started from trained weights; the program starts from the first ones.
    """
    note = "\n# The page started from trained weights; this starts from the first ones." if trained else ""
    return f'''"""One training step by NumPy and by PyTorch; run it in the project's folder."""

import numpy as np

from mlcore.data.mnist import open_source
from mlcore.experiments.configs import ScratchConfig
from mlcore.networks.step_proof import torch_step
from mlcore.scratch.glass import one_step
{note}
config = {_config(config)}
step = one_step(config, open_source(config.source), {step.rows.tolist()})
theirs = torch_step(
    step.before.sizes, step.before.activations, step.before.parameters, step.images, step.labels, config.learning_rate
)
print("loss", step.loss, "by PyTorch", theirs["loss"])
print("largest difference of a gradient", np.abs(step.gradients.gradient - theirs["gradient"]).max())
'''


def _config(config: ScratchConfig, indent: int = 0) -> str:
    """A config as Python, one setting a line."""
    space = " " * indent
    settings = config.model_dump(exclude={"kind"})
    lines = "".join(f"{space}    {name}={value!r},\n" for name, value in settings.items())
    return f"ScratchConfig(\n{lines}{space})"
