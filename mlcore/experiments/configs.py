"""What to train: one schema for the page, the command line, the link, the store and the file.

`ScratchConfig` describes a run of the NumPy network (report R1), `NetworkConfig` one of the PyTorch networks (report
R2). Both are frozen, check every field, and say in one sentence per field what is wrong and what would be right
(`config_problems`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from mlcore.networks.architectures import ARCHITECTURES, INPUTS, OUTPUTS, parameter_count

Source = Literal["mnist", "sample"]
Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu"]
Initializer = Literal["normal", "small", "xavier", "he"]
NetworkInitializer = Literal["default", "normal", "small", "xavier", "he"]

LARGEST_LAYER = 1024
MOST_LAYERS = 5


def _list_of(item: type) -> BeforeValidator:
    """Let a tuple field be typed as text, the way people write it: `128, 64`, `[128, 64]`, or nothing at all."""

    def split(value: Any) -> Any:
        """Text as a tuple of items; anything else as it is."""
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.strip().strip("[]()").split(",")]
        if parts in ([""], ["none"]):
            return ()
        try:
            return tuple(item(part) for part in parts)
        except ValueError:
            raise ValueError(f"write whole numbers with commas between, like 128, 64 (not {_shown(value)})") from None

    return BeforeValidator(split)


Units = Annotated[int, Field(ge=1, le=LARGEST_LAYER)]
Hidden = Annotated[tuple[Units, ...], Field(max_length=MOST_LAYERS), _list_of(int)]


def _one_or_many(value: Any) -> Any:
    """`relu` stands for every hidden layer; `relu, tanh` names one a layer."""
    if isinstance(value, str):
        parts = tuple(part.strip() for part in value.split(","))
        return parts[0] if len(parts) == 1 else parts
    return value


class RunConfig(BaseModel):
    """What both kinds of run have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    source: Source = "sample"
    """Where the digits come from: all of MNIST, or the sample of 5,000 that is always there."""
    learning_rate: float = Field(0.01, gt=0, le=100)
    """Step size of the optimizer."""
    batch_size: int = Field(22, ge=1, le=70_000)
    """Images per update."""
    epochs: int = Field(25, ge=1, le=1000)
    """Passes over the training images."""
    seed: int = Field(52, ge=0, le=2**32 - 1)
    """Fixes the weights, the split and the order of the batches."""


class ScratchConfig(RunConfig):
    """A run of the NumPy network; the defaults are report R1's."""

    kind: Literal["scratch"] = "scratch"
    train_fraction: float = Field(0.8, ge=0.01, le=0.9)
    """Share of the images to train on; the last tenth is never among them."""
    hidden: Hidden = (128, 64)
    """Units of each hidden layer; empty for none."""
    activation: Annotated[Activation | tuple[Activation, ...], BeforeValidator(_one_or_many)] = "relu"
    """Activation of the hidden layers: one for all, or one each."""
    initializer: Initializer = "normal"
    """How the weights are drawn."""
    bias: float = Field(1.0, ge=-10, le=10)
    """What every bias starts at."""

    @model_validator(mode="after")
    def _one_activation_a_layer(self) -> Self:
        if isinstance(self.activation, tuple) and len(self.activation) != len(self.hidden):
            raise ValueError(
                f"activation names {len(self.activation)} layers, hidden has {len(self.hidden)}: "
                "name one for all, or exactly one per hidden layer"
            )
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input and output included: (784, 128, 64, 10)."""
        return (INPUTS, *self.hidden, OUTPUTS)

    @property
    def activations(self) -> tuple[str, ...]:
        """The activation of each hidden layer."""
        return self.activation if isinstance(self.activation, tuple) else (self.activation,) * len(self.hidden)

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return parameter_count(self.sizes)


class NetworkConfig(RunConfig):
    """A run of a PyTorch network; the defaults are report R2's experiment 1 on network A, for 20 epochs."""

    kind: Literal["network"] = "network"
    learning_rate: float = Field(0.001, gt=0, le=100)
    """Adam's step size, before any schedule."""
    batch_size: int = Field(64, ge=1, le=70_000)
    """Images per update."""
    epochs: int = Field(20, ge=1, le=1000)
    """Passes over the training images."""
    seed: int = Field(0, ge=0, le=2**32 - 1)
    """Fixes the weights, the split, the order of the batches and dropout's masks."""
    architecture: Literal["A", "B", "custom"] = "A"
    """Network A or B of the report, or one of your own."""
    hidden: Hidden = ()
    """Units of each hidden layer of a custom network."""
    dropout: float = Field(0.0, ge=0, le=0.9)
    """Probability with which a hidden activation is set to zero while training."""
    step_size: int | None = Field(None, ge=1, le=1000)
    """Epochs between two cuts of the learning rate (StepLR); none for a constant rate."""
    gamma: float = Field(0.1, gt=0, le=1)
    """What each cut multiplies the learning rate by."""
    step_on_loss: bool = False
    """Call `scheduler.step(validation_loss)`, as report R2's code did, instead of `scheduler.step()`."""
    evaluate_with_dropout: bool = False
    """Leave out `model.eval()`: dropout stays on while the network is judged."""
    initializer: NetworkInitializer = "default"
    """How the weights are drawn; `default` is PyTorch's own."""

    @model_validator(mode="after")
    def _hidden_is_for_custom(self) -> Self:
        if self.architecture != "custom" and self.hidden not in ((), ARCHITECTURES[self.architecture]):
            raise ValueError("hidden is for a custom network: choose architecture custom, or leave hidden empty")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input and output included."""
        hidden = self.hidden if self.architecture == "custom" else ARCHITECTURES[self.architecture]
        return (INPUTS, *hidden, OUTPUTS)

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return parameter_count(self.sizes)


Config = ScratchConfig | NetworkConfig
_adapter: TypeAdapter[Config] = TypeAdapter(Annotated[Config, Field(discriminator="kind")])


def read_config(values: Mapping[str, Any] | str) -> Config:
    """The config that a mapping or a JSON text describes; its `kind` says which model it is.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or out of range; see `config_problems`.
    """
    return _adapter.validate_json(values) if isinstance(values, str) else _adapter.validate_python(values)


def config_problems(error: ValidationError) -> dict[str, str]:
    """One sentence per field that is wrong: `{"epochs": "epochs must be at most 1000 (not 5000)."}`.

    A problem of several fields together stands under the empty name.
    """
    problems: dict[str, str] = {}
    for item in error.errors():
        path = [part for part in item["loc"] if part not in ("scratch", "network")]
        name = str(path[0]) if path else ""
        problems.setdefault(name, _sentence(name, item))
    return problems


def _sentence(name: str, item: Mapping[str, Any]) -> str:
    """One of pydantic's errors in plain words: the field, the rule, what was given."""
    label = name.replace("_", " ")
    given = _shown(item["input"])
    rule = item["type"]
    context = {key: f"{value:g}" if isinstance(value, float) else value for key, value in item.get("ctx", {}).items()}
    if rule == "value_error":
        text = str(context.get("error", item["msg"]))
        return (text[0].upper() + text[1:] if not name else f"{label}: {text}") + "."
    rules = {
        "greater_than": "must be more than {gt}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "less_than": "must be less than {lt}",
        "literal_error": "must be {expected}",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "int_type": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "too_long": "may have at most {max_length} entries",
        "extra_forbidden": "is not a setting",
    }
    told = rules.get(rule)
    words = told.format(**context) if told else item["msg"][0].lower() + item["msg"][1:]
    return f"{label} {words} (not {given})." if name else f"{words[0].upper()}{words[1:]}."


def _shown(given: Any) -> str:
    """What was given, as it was typed, but never longer than a sentence can bear."""
    text = given.strip() or "nothing" if isinstance(given, str) else repr(given)
    return text if len(text) <= 40 else text[:37] + "…"
