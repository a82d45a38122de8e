"""Training on another device, without owning one: every tensor of a run lies where the run was put.

PyTorch's device "meta" holds shapes and no numbers. A run put there goes through the same lines as one on a GPU; a
watchman stands at every operation and lets none pass that mixes tensors of two places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typer.testing import CliRunner

from mlcore.__main__ import app
from mlcore.data.mnist import open_source
from mlcore.experiments import recording
from mlcore.experiments.configs import NetworkConfig
from mlcore.networks import trainer

AWAY = torch.device("meta")
# Operations that are there to carry numbers from one place to another.
CARRIERS = {"aten::copy_", "aten::_to_copy"}


class Watchman(TorchDispatchMode):
    """Refuses operations on tensors of two devices; numbers that come back from "meta" are zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        places = {tensor.device.type for tensor in tensors if tensor.dim()}
        if "meta" in {tensor.device.type for tensor in tensors}:
            self.away.add(name)
        if name == "aten::_local_scalar_dense" and tensors[0].is_meta:
            return 0.0 if tensors[0].is_floating_point() else 0
        if name == "aten::_to_copy" and kwargs.get("device") == torch.device("cpu") and tensors[0].is_meta:
            return torch.zeros(tensors[0].shape, dtype=kwargs.get("dtype") or tensors[0].dtype)
        if name not in CARRIERS:
            assert len(places) <= 1, f"{name} mixes {places}"
        if name == "aten::_fused_adam_":
            assert {tensor.device.type for tensor in tensors} == {"meta"}
            return None
        return func(*args, **kwargs)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dropout": 0.3, "evaluate_with_dropout": True},
        {"dropout": 0.3, "step_size": 1, "step_on_loss": True},
    ],
)
def test_a_run_on_another_device_keeps_all_its_tensors_there(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten training images a class are enough to go through every line.
    monkeypatch.setattr(trainer, "TRAIN_EVALUATION_IMAGES", 100)
    config = NetworkConfig(
        source="sample", architecture="custom", hidden=(8, 6), batch_size=1500, epochs=2, seed=0, **changes
    )
    data = open_source("sample")
    start, _ = trainer.advance(config, None, data, seconds=0.0)
    with Watchman() as watchman, torch.no_grad():
        run = trainer._Run(config, start, data, AWAY)
        for tensor in (run.parameters, run.step.gradient, *run.step.activations, *run.step.deltas):
            assert tensor.device == AWAY
        result = run.train_until(float("inf"))
        checkpoint = run.checkpoint()
    assert {"aten::_fused_adam_", "aten::_local_scalar_dense", "aten::_log_softmax"} <= watchman.away
    assert watchman.away & {"aten::mm", "aten::addmm"}
    assert result is not None
    assert result.epoch == 1
    assert result.learning_rate == config.learning_rate
    for name, array in checkpoint.arrays.items():
        assert isinstance(array, np.ndarray), "what is kept lies in ordinary memory"
        assert array.shape == start.arrays[name].shape
        assert array.dtype == np.float32


def test_the_watchman_does_refuse_a_mixture() -> None:
    here, away = torch.zeros(3), torch.zeros(3, device=AWAY)
    with Watchman(), pytest.raises(AssertionError, match="mixes"):
        here + away


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("gpu", "--device must be cpu or cuda (not 'gpu')."),
        ("cuda:9", "--device must be cpu or cuda (not 'cuda:9')."),
        ("", "--device must be cpu or cuda (not '')."),
        ("cuda", "PyTorch finds no CUDA device here: leave --device out to train on the processor."),
    ],
)
def test_a_device_that_is_not_there_is_one_sentence(
    device: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = CliRunner().invoke(app, ["record", "networks", "--device", device])
    assert done.exit_code == 2
    assert done.stderr.strip() == sentence


def test_what_was_trained_on_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the GPU called {device}")
    assert recording.machine("cuda") == f"{recording.machine()}, the GPU called cuda"
