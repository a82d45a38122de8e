"""Fields that take any text a visitor types and give back a value that can be used.

Where the text is not a value, one sentence stands at the field and the last good value stays in force; nothing is
raised and nothing on the page goes away.

    x1 = number_field("x1", state=state, key="x1")                              # kept in the link (ui.links)
    h = number_field("h", key="nudge_h", default=1e-3, low=1e-12, high=1)       # kept in the session only
    hidden = text_field("Hidden layers", state=state, key="hidden", read=read_hidden)
    rate = config_field("learning_rate", ScratchConfig, state=state)            # bounds and sentences are the config's
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeVar, cast, get_args

import streamlit as st
from pydantic import BaseModel, ValidationError

from mlcore.experiments.configs import config_problems
from ui.links import LinkState
from ui.seeding import seed

Value = TypeVar("Value")
_LONGEST = 200
# The fields of this session whose text, as drawn last, is no value.
_UNREAD = "fields.unread"


def read_number(given: str, *, low: float = -1e12, high: float = 1e12) -> float:
    """The number a text says: `0.7`, `-1,5`, `1e-3`, `2/3`, `50 %`.

    Raises:
        ValueError: with one sentence that says what is wrong and what would be right.
    """
    cleaned = given.strip().replace("−", "-").replace(" ", "")
    if not cleaned:
        raise ValueError("Write a number here, for example 0.7.")
    percent = cleaned.endswith("%")
    cleaned = cleaned.removesuffix("%")
    if cleaned.count(",") == 1 and "." not in cleaned:
        cleaned = cleaned.replace(",", ".")
    try:
        value = float(Fraction(cleaned)) if "/" in cleaned else float(cleaned)
    except (ValueError, OverflowError):
        raise ValueError(f"{_quoted(given)} is not a number. Write one like 0.7 or 1e-3.") from None
    except ZeroDivisionError:
        raise ValueError("A fraction needs a denominator other than 0.") from None
    value = value / 100 if percent else value
    if not math.isfinite(value):
        raise ValueError(f"{_quoted(given)} is not a finite number. {_range(low, high)}")
    if not low <= value <= high:
        raise ValueError(f"{_range(low, high)} {_quoted(given)} is too {'small' if value < low else 'large'}.")
    return value


def read_whole(given: str, *, low: int = 0, high: int = 10**9) -> int:
    """The whole number a text says: `25`, `1e3`, `57,000`.

    Raises:
        ValueError: with one sentence that says what is wrong and what would be right.
    """
    cleaned = given.strip().replace("−", "-").replace(" ", "").replace("_", "")
    if not cleaned:
        raise ValueError("Write a whole number here, for example 25.")
    groups = cleaned.lstrip("+-").split(",")
    if len(groups) > 1 and all(len(group) == 3 for group in groups[1:]):
        cleaned = cleaned.replace(",", "")
    try:
        value = float(cleaned)
    except ValueError:
        raise ValueError(f"{_quoted(given)} is not a whole number. Write one like 25.") from None
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"Write a whole number from {low:,} to {high:,}, not {_quoted(given)}.")
    if value != int(value):
        raise ValueError(
            f"{_quoted(given)} is not a whole number. {math.floor(value):,} or {math.ceil(value):,} would be."
        )
    return int(cleaned) if cleaned.lstrip("+-").isdigit() else int(value)


def read_whole_list(given: str, *, low: int = 1, high: int = 1024, most: int = 5) -> tuple[int, ...]:
    """Whole numbers with commas or spaces between: `128, 64`; nothing, or `none`, for an empty list.

    Raises:
        ValueError: with one sentence that says what is wrong and what would be right.
    """
    parts = given.strip().strip("[]()").replace(",", " ").replace(";", " ").split()
    if [part.lower() for part in parts] in ([], ["none"]):
        return ()
    if len(parts) > most:
        raise ValueError(f"At most {most} numbers fit here, not {len(parts)}.")
    return tuple(read_whole(part, low=low, high=high) for part in parts)


def text_field(
    label: str,
    *,
    key: str,
    read: Callable[[str], Value],
    state: LinkState | None = None,
    default: Value | None = None,
    show: Callable[[Any], str] = str,
    help: str | None = None,
    placeholder: str | None = None,
    longest: int = _LONGEST,
    label_visibility: Any = "visible",
    disabled: bool = False,
    problem: str | None = None,
    width: int | Literal["stretch"] = "stretch",
    say: Callable[[str], None] | None = None,
) -> Value:
    """A line of text that stands for a value: the value, or the last good one with a sentence at the field.

    Args:
        key: the name of the link parameter where `state` is given, else the session's own name for this field.
        read: text → value; raises ValueError whose message is the sentence to show.
        default: the value at the start, where there is no `state`.
        show: value → text, for a field without `state`.
        problem: a sentence found elsewhere (a rule over several fields) to show at this field.
        say: takes the sentence about this field where there is no room for it right under the field.
    """
    say = say or field_problem
    good = f"{key}.good"
    last: Any
    if state is not None:
        widget = state.typed_key(key)
        last = state[key]
    else:
        widget = key
        last = st.session_state.setdefault(good, default)
        seed(widget, show(last))
    given = st.text_input(
        label,
        key=widget,
        help=help,
        placeholder=placeholder,
        max_chars=longest,
        autocomplete="off",
        label_visibility=label_visibility,
        disabled=disabled,
        width=width,
    )
    unread: set[str] = st.session_state.setdefault(_UNREAD, set())
    unread.discard(widget)
    try:
        value = read(given or "")
    except ValueError as wrong:
        unread.add(widget)
        say(str(wrong))
        return cast(Value, last)
    if state is None:
        st.session_state[good] = value
    elif value != last:
        state.keep(key, value)
    if problem:
        say(problem)
    return value


def all_read(*keys: str) -> bool:
    """Whether the fields of these session keys, as drawn last, hold values: what a button that acts on them asks."""
    return not st.session_state.get(_UNREAD, set()).intersection(keys)


def foreseen(key: str, read: Callable[[str], Value], last: Value) -> Value:
    """What the field of this session key will give when it is drawn in this run; `last` where its text is no value.

    For what has to be on its way to the browser before the fields are.
    """
    given = st.session_state.get(key)
    try:
        return last if given is None else read(given)
    except ValueError:
        return last


def number_field(
    label: str,
    *,
    key: str,
    state: LinkState | None = None,
    default: float = 0.0,
    low: float = -1e12,
    high: float = 1e12,
    **options: Any,
) -> float:
    """A number typed as text; any text is survived. Further options as for `text_field`."""
    return text_field(
        label,
        key=key,
        state=state,
        default=default,
        read=lambda given: read_number(given, low=low, high=high),
        show=show_number,
        **options,
    )


def whole_field(
    label: str,
    *,
    key: str,
    state: LinkState | None = None,
    default: int = 0,
    low: int = 0,
    high: int = 10**9,
    **options: Any,
) -> int:
    """A whole number typed as text. Further options as for `text_field`."""
    return text_field(
        label,
        key=key,
        state=state,
        default=default,
        read=lambda given: read_whole(given, low=low, high=high),
        **options,
    )


def whole_list_field(
    label: str,
    *,
    key: str,
    state: LinkState | None = None,
    default: tuple[int, ...] = (),
    low: int = 1,
    high: int = 1024,
    most: int = 5,
    **options: Any,
) -> tuple[int, ...]:
    """Whole numbers with commas between, `128, 64`. Further options as for `text_field`."""
    return text_field(
        label,
        key=key,
        state=state,
        default=default,
        read=lambda given: read_whole_list(given, low=low, high=high, most=most),
        show=lambda values: ", ".join(map(str, values)),
        **options,
    )


def config_field(
    name: str,
    model: type[BaseModel],
    *,
    state: LinkState,
    label: str | None = None,
    others: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """One field of a run's config as a line of text, checked by the config itself; `others` are the fields it is
    judged together with. The link parameter has the field's name (`ui.links.config` declares them all)."""

    optional = type(None) in get_args(model.model_fields[name].annotation)
    shown = label or name.replace("_", " ").capitalize()

    def read(given: str) -> Any:
        cleaned = given.strip()
        value = None if optional and cleaned.lower() in ("", "none") else cleaned
        try:
            return getattr(model(**{**(others or {}), name: value}), name)
        except ValidationError as error:
            problems = config_problems(error)
            if name not in problems:
                # Another field is at fault, or several together: this one is read by its own rule alone.
                return state.parse(name, given)
            raise ValueError(problems[name].replace(name.replace("_", " "), shown, 1)) from None

    return text_field(shown, key=name, read=read, state=state, **options)


def build_config(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[BaseModel | None, dict[str, str]]:
    """The config that the fields describe together, or None and a sentence per field that is wrong."""
    try:
        return model(**values), {}
    except ValidationError as error:
        return None, config_problems(error)


def field_problem(sentence: str) -> None:
    """One sentence right under the field it is about; a screen reader says it when it appears."""
    st.html(f'<p class="field-problem" role="alert">{html.escape(sentence)}</p>')


def show_problems(problems: Mapping[str, str] | Sequence[str]) -> None:
    """Sentences that belong to no single field."""
    for sentence in problems.values() if isinstance(problems, Mapping) else problems:
        field_problem(sentence)


def show_number(value: float) -> str:
    """A number as a person would type it: 0.7, 25, 1e-06."""
    return repr(float(value)).removesuffix(".0") if math.isfinite(value) else str(value)


def _quoted(given: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in given.strip())
    return f"“{shown if len(shown) <= 30 else shown[:29] + '…'}”"


def _range(low: float, high: float) -> str:
    return f"Write a number from {low:g} to {high:g}."
