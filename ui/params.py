"""The parameters a page's link may have: how each kind is read from text, and written so that it reads back the same.

`ui.links` re-exports all of them; a page declares them in one call of `restore`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Param:
    """One parameter of a page.

    Attributes:
        name: as it stands in the address.
        default: the value where the address says nothing.
        parse: text → value; raises ValueError with the rest of a sentence ("must be at most 9") where it cannot.
        show: value → text, which `parse` reads back to the same value.
    """

    name: str
    default: Any
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str


def text(name: str, default: str = "", *, longest: int = 200) -> Param:
    """Any text of at most `longest` printable characters."""

    def parse(given: str) -> str:
        if len(given) > longest:
            raise ValueError(f"may have at most {longest} characters")
        if any(not character.isprintable() for character in given):
            raise ValueError("has characters that cannot be printed")
        return given

    return Param(name, default, parse)


def number(name: str, default: float, *, low: float = -1e12, high: float = 1e12) -> Param:
    """A finite number from `low` to `high`."""

    def parse(given: str) -> float:
        try:
            value = float(given)
        except ValueError:
            raise ValueError("must be a number") from None
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return value

    return Param(name, default, parse, lambda value: repr(float(value)).removesuffix(".0"))


def integer(name: str, default: int, *, low: int = 0, high: int = 10**9) -> Param:
    """A whole number from `low` to `high`."""

    def parse(given: str) -> int:
        try:
            value = int(given[:20])
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not low <= value <= high or len(given) > 20:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return Param(name, default, parse)


def choice(name: str, options: Iterable[str], default: str) -> Param:
    """One of a few words."""
    allowed = tuple(options)

    def parse(given: str) -> str:
        if given not in allowed:
            raise ValueError("must be one of " + ", ".join(allowed[:12]))
        return given

    return Param(name, default, parse)


def choices(name: str, options: Iterable[str], default: Sequence[str] = ()) -> Param:
    """Any of a few words, with commas between: what `st.multiselect` and `st.pills` give, as a list."""
    allowed = tuple(options)

    def parse(given: str) -> list[str]:
        values = [part for part in given.split(",") if part]
        if any(value not in allowed for value in values) or len(set(values)) != len(values):
            raise ValueError("must be some of " + ", ".join(allowed[:12]))
        return values

    return Param(name, list(default), parse, ",".join)


def flag(name: str, default: bool = False) -> Param:
    """Yes or no, written 1 or 0."""

    def parse(given: str) -> bool:
        if given not in ("0", "1"):
            raise ValueError("must be 1 or 0")
        return given == "1"

    return Param(name, default, parse, lambda value: "1" if value else "0")


def numbers(name: str, default: Mapping[str, float], *, most: int = 60) -> Param:
    """Named numbers, written `x1:0.7,w1:-1.5`, where the names are not known beforehand."""

    def parse(given: str) -> dict[str, float]:
        values: dict[str, float] = {}
        for part in filter(None, given.split(",")):
            key, colon, digits = part.partition(":")
            if not colon or not key.isidentifier() or len(key) > 40:
                raise ValueError("must be written like x1:0.7,w1:-1.5")
            values[key] = number(key, 0.0).parse(digits)
        if len(values) > most:
            raise ValueError(f"may name at most {most} numbers")
        return values

    def show(values: Mapping[str, float]) -> str:
        return ",".join(f"{key}:{number(key, 0.0).show(value)}" for key, value in values.items())

    return Param(name, dict(default), parse, show)


def config(default: BaseModel, *, leave_out: Iterable[str] = ("kind",)) -> tuple[Param, ...]:
    """One parameter per field of a run's config, read by the config's own rules; the defaults are `default`'s values.

    `ScratchConfig(**{name: state[name] for name in fields})` may still fail where several fields contradict each other.
    """
    skipped = set(leave_out)
    return tuple(
        _config_param(name, info, getattr(default, name))
        for name, info in type(default).model_fields.items()
        if name not in skipped
    )


def _config_param(name: str, info: FieldInfo, default: Any) -> Param:
    rule: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())

    def parse(given: str) -> Any:
        # An optional field says "none" where it has no value; a list says it by its own rule.
        for value in (None, given) if given == "none" else (given,):
            try:
                return rule.validate_python(value)
            except ValidationError as error:
                message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError((message[0].lower() + message[1:]).replace("input should be", "must be"))

    def show(value: Any) -> str:
        if isinstance(value, tuple | list):
            return ",".join(map(str, value)) or "none"
        if isinstance(value, bool):
            return "1" if value else "0"
        return "none" if value is None else str(value)

    return Param(name, default, parse, show)
