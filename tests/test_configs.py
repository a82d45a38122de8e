"""The one schema of a run: what it takes, and what it says of what it does not take."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlcore.experiments import configs
from mlcore.experiments.configs import NetworkConfig, ScratchConfig, config_problems, read_config
from mlcore.networks.architectures import ARCHITECTURES
from mlcore.networks.model import INITIALIZERS as NETWORK_INITIALIZERS
from mlcore.scratch.activations import ACTIVATIONS
from mlcore.scratch.initializers import INITIALIZERS


def problems(model: type[Any], **values: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        model(**values)
    return config_problems(caught.value)


def test_defaults_are_the_reports_settings() -> None:
    scratch = ScratchConfig()
    assert (scratch.hidden, scratch.seed, scratch.bias, scratch.initializer) == ((128, 64), 52, 1, "normal")
    assert (scratch.learning_rate, scratch.batch_size, scratch.epochs) == (0.01, 22, 25)
    assert scratch.parameters == 109_386
    network = NetworkConfig()
    assert (network.learning_rate, network.batch_size, network.dropout) == (0.001, 64, 0)
    assert network.parameters == 67_466
    assert NetworkConfig(architecture="B").parameters == 399_498


def test_choices_are_those_of_the_tables() -> None:
    assert set(get_args(configs.Activation)) == set(ACTIVATIONS)
    assert set(get_args(configs.Initializer)) == set(INITIALIZERS)
    assert set(get_args(configs.NetworkInitializer)) == set(NETWORK_INITIALIZERS)
    assert set(get_args(NetworkConfig.model_fields["architecture"].annotation)) == {*ARCHITECTURES, "custom"}


@pytest.mark.parametrize("text", ["256, 256", "256,256", "[256, 256]", "(256,256)"])
def test_hidden_layers_may_be_typed_as_text(text: str) -> None:
    assert ScratchConfig(hidden=text).hidden == (256, 256)


@pytest.mark.parametrize("text", ["", " ", "none"])
def test_no_hidden_layer_at_all(text: str) -> None:
    config = ScratchConfig(hidden=text)
    assert config.sizes == (784, 10)
    assert config.activations == ()


def test_one_activation_for_all_or_one_each() -> None:
    assert ScratchConfig(activation="tanh").activations == ("tanh", "tanh")
    assert ScratchConfig(activation="relu, tanh").activations == ("relu", "tanh")
    assert problems(ScratchConfig, activation="relu,tanh,relu") == {
        "": "Activation names 3 layers, hidden has 2: name one for all, or exactly one per hidden layer."
    }


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epochs": 5000}, "epochs must be at most 1000 (not 5000)."),
        ({"epochs": 2.5}, "epochs must be a whole number (not 2.5)."),
        ({"learning_rate": float("nan")}, "learning rate must be a finite number (not nan)."),
        ({"learning_rate": ""}, "learning rate must be a number (not nothing)."),
        ({"train_fraction": 0.95}, "train fraction must be at most 0.9 (not 0.95)."),
        ({"hidden": "1" * 500}, "hidden must be at most 1024"),
        ({"hidden": "9,9,9,9,9,9"}, "hidden may have at most 5 entries"),
        ({"wings": 2}, "wings is not a setting (not 2)."),
    ],
)
def test_a_wrong_field_gets_one_sentence(values: dict[str, Any], sentence: str) -> None:
    found = problems(ScratchConfig, **values)
    assert list(found) == list(values)
    assert next(iter(found.values())).startswith(sentence)


@given(
    st.dictionaries(st.sampled_from([*ScratchConfig.model_fields]), st.text() | st.floats() | st.integers(), max_size=4)
)
def test_whatever_is_typed_gives_a_config_or_short_sentences(values: dict[str, Any]) -> None:
    values.pop("kind", None)
    try:
        ScratchConfig(**values)
    except ValidationError as error:
        for name, sentence in config_problems(error).items():
            assert name in (*values, "")
            assert sentence.endswith(".")
            assert len(sentence) < 220


def test_a_config_reads_back_from_its_json() -> None:
    for config in (ScratchConfig(hidden=(), activation="tanh"), NetworkConfig(dropout=0.3, step_size=10)):
        assert read_config(config.model_dump_json()) == config
        assert read_config(config.model_dump()) == config
