"""Whatever is typed into a field: a value, or one sentence and the last good value."""

from __future__ import annotations

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st_
from streamlit.testing.v1 import AppTest

from ui.fields import read_number, read_whole, read_whole_list, show_number


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0.7", 0.7),
        (" -1.5 ", -1.5),
        ("−1.5", -1.5),
        ("1e-3", 0.001),
        ("2/3", 2 / 3),
        ("0,7", 0.7),
        ("50 %", 0.5),
        ("-0", 0.0),
    ],
)
def test_numbers_as_people_write_them(typed: str, value: float) -> None:
    assert read_number(typed) == value


@pytest.mark.parametrize(
    "typed",
    ["", "   ", "abc", "1e400", "-1e400", "NaN", "inf", "1/0", "1,2,3", "٪", "1e13", "9" * 200, "0x10", "1 2 3 four"],
)
def test_what_is_no_number_gets_one_sentence(typed: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_number(typed)
    said = str(refused.value)
    assert said.endswith(".")
    assert len(said) < 160


def test_bounds_are_named() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1.*too large"):
        read_number("2", low=0, high=1)
    with pytest.raises(ValueError, match=r"from 0 to 1.*too small"):
        read_number("-2", low=0, high=1)


@pytest.mark.parametrize(("typed", "value"), [("25", 25), ("1e3", 1000), ("57,000", 57_000), ("25.0", 25), ("+3", 3)])
def test_whole_numbers(typed: str, value: int) -> None:
    assert read_whole(typed) == value


@pytest.mark.parametrize("typed", ["", "2.5", "1e400", "nan", "-1", "10000000000", "two", "5,7"])
def test_what_is_no_whole_number_gets_one_sentence(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        read_whole(typed)


def test_lists_of_whole_numbers() -> None:
    assert read_whole_list("128, 64") == (128, 64)
    assert read_whole_list("[256 256]") == (256, 256)
    assert read_whole_list("none") == ()
    assert read_whole_list("") == ()
    for typed in ("128, x", "0", "1025", "1,2,3,4,5,6", "1000000000"):
        with pytest.raises(ValueError, match=r"\.$"):
            read_whole_list(typed)


@given(st_.text(max_size=60))
def test_no_text_breaks_a_reader(typed: str) -> None:
    for read in (read_number, read_whole, read_whole_list):
        try:
            value = read(typed)
        except ValueError as refused:
            assert str(refused).endswith(".")
        else:
            assert isinstance(value, tuple) or math.isfinite(value)


@given(st_.floats(min_value=-1e12, max_value=1e12))
def test_a_shown_number_reads_back(value: float) -> None:
    assert read_number(show_number(value)) == value


def page_script() -> None:
    import streamlit as st

    from mlcore.experiments.configs import NetworkConfig, ScratchConfig
    from ui import links
    from ui.fields import build_config, config_field, number_field, show_problems, whole_field, whole_list_field

    state = links.restore("fields", links.config(ScratchConfig()), links.integer("step_size", 10))
    alone = number_field("h", key="h", default=0.001, low=1e-12, high=1)
    count = whole_field("count", key="count", default=3, high=20)
    sizes = whole_list_field("sizes", key="sizes", default=(128, 64))
    rate = config_field("learning_rate", ScratchConfig, state=state)
    hidden = config_field("hidden", ScratchConfig, state=state)
    config, problems = build_config(ScratchConfig, {"hidden": hidden, "learning_rate": rate, "activation": ("relu",)})
    show_problems(problems)
    other, wrong = build_config(NetworkConfig, {"epochs": 0})
    st.code(repr([alone, count, sizes, rate, hidden, config is None, list(wrong), other]))


def shown(page: AppTest) -> list:
    return ast.literal_eval(page.code[0].value)


def problems(page: AppTest) -> list[str]:
    return [str(item.proto.body) for item in page.get("html") if "field-problem" in str(item.proto.body)]


def test_a_page_keeps_its_last_good_values() -> None:
    page = AppTest.from_function(page_script, default_timeout=30).run()
    assert not page.exception
    assert shown(page)[:5] == [0.001, 3, (128, 64), 0.01, (128, 64)]
    before = len(problems(page))  # the contradiction of activation and hidden
    for field, typed in enumerate(["1e400", "2.5", "1, two", "-1", "9999"]):
        page.text_input[field].set_value(typed)
    page.run()
    assert not page.exception
    assert shown(page)[:5] == [0.001, 3, (128, 64), 0.01, (128, 64)]
    assert len(problems(page)) == before + 5
    assert all('role="alert"' in item for item in problems(page))
    page.text_input[3].set_value("0.5").run()
    page.text_input[4].set_value("").run()
    assert shown(page)[3:5] == [0.5, ()]


def test_what_is_typed_is_shown_as_text_not_as_html() -> None:
    page = AppTest.from_function(page_script, default_timeout=30).run()
    page.text_input[0].set_value("<img src=x onerror=alert(1)>").run()
    assert not page.exception
    assert any("&lt;img" in item for item in problems(page))
    assert not any("<img" in item for item in problems(page))
