"""What this installation allows: the `LAB_*` environment variables, checked, with defaults for a laptop.

`Settings()` reads them; `read_settings` does the same without ever failing, and says which variables it had to ignore.
`docs/limits.md` lists them with a set for Streamlit Community Cloud, where the variables may stand in the app's
secrets instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PROJECT = Path(__file__).resolve().parents[2]

Source = Literal["mnist", "sample"]


class Settings(BaseSettings):
    """Limits and places; each field is the variable `LAB_` + its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="LAB_", env_ignore_empty=True, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    max_epochs: int = Field(1000, ge=1)
    """Most epochs a run may ask for."""
    max_parameters: int = Field(6_000_000, ge=1)
    """Most weights and biases a network may have."""
    max_runs_per_visitor: int = Field(100, ge=1)
    """Runs kept for one visitor; the oldest finished one without a name makes room for a new one."""
    max_active_runs: int = Field(200, ge=1)
    """Runs that may be training or waiting their turn at the same time, all visitors together."""
    max_runs: int = Field(2000, ge=1)
    """Runs kept in all."""
    max_disk_mb: int = Field(4000, ge=10)
    """Megabytes (10^6 bytes) of weights kept in all."""
    history_mb: int = Field(64, ge=0)
    """Megabytes of weights kept for the epochs of one run, evenly spread where they do not all fit."""
    sources: Annotated[tuple[Source, ...], NoDecode] = ("sample", "mnist")
    """Digits that may be trained on, with commas between."""
    workers: int = Field(0, ge=0, le=64)
    """Worker processes that train; 0 for one less than there are cores, but at least one."""
    task_worker: bool = True
    """Keep one more worker process for short questions (proofs, probes), so that they need not wait for training."""
    nice: int = Field(10, ge=0, le=19)
    """How far training stands back for the pages (Unix niceness)."""
    slice_seconds: float = Field(0.5, ge=0.05, le=60)
    """How long a run trains before it is another's turn."""
    turn_seconds: float = Field(15.0, ge=0.1)
    """When so many runs wait that a round would take longer than this, slices get shorter."""
    slice_timeout: float = Field(120.0, ge=1)
    """A worker that has not answered for so many seconds is replaced."""
    idle_seconds: float = Field(60.0, ge=1)
    """A run that nobody has looked at for so long pauses by itself."""
    database_url: str = ""
    """Any SQLAlchemy URL; empty for a SQLite file in `directory`."""
    directory: Path = PROJECT / "runs"
    """Where the SQLite file and the slices' working files lie."""
    data_dir: Path | None = None
    """Where MNIST lies; empty for `$MLCORE_DATA`, then `data/`."""
    dask_address: str = ""
    """A Dask scheduler to train on instead of worker processes of our own, such as `tcp://host:8786`."""

    @field_validator("sources", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("sources")
    @classmethod
    def _at_least_one(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        if not value:
            raise ValueError("name at least one of sample, mnist")
        return value

    @property
    def worker_count(self) -> int:
        """How many workers train at the same time."""
        if self.workers:
            return self.workers
        from loky import cpu_count

        return max(1, int(cpu_count()) - 1)


def read_settings(**values: Any) -> tuple[Settings, tuple[str, ...]]:
    """The settings of the environment, and a sentence for each variable whose value could not be used.

    Args:
        values: fields that are given here and not by the environment.
    """
    try:
        return Settings(**values), ()
    except ValidationError as error:
        problems = {str(item["loc"][0]): item["msg"] for item in error.errors() if item["loc"]}
    defaults = {name: Settings.model_fields[name].get_default() for name in problems if name in Settings.model_fields}
    notices = tuple(
        f"LAB_{name.upper()} was ignored and its default, {defaults.get(name)}, is used: {message}."
        for name, message in problems.items()
    )
    return Settings(**{**values, **defaults}), notices
