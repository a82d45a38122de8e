"""A page and its link say the same: what is set is written, what is opened is restored, what is bad is named."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st_
from streamlit.testing.v1 import AppTest

from mlcore.experiments.configs import NetworkConfig, ScratchConfig
from ui import links


def page_script() -> None:
    import streamlit as st

    from ui import links
    from ui.fields import number_field

    state = links.restore(
        "demo",
        links.number("x1", 0.7, low=-100, high=100),
        links.choice("view", ("graph", "table"), "graph"),
        links.integer("step", 0, low=0, high=14),
        links.numbers("values", {"a": 1.0}),
    )
    st.radio("View", ("graph", "table"), key=state.key("view"))
    number_field("x1", state=state, key="x1", low=-100, high=100)
    if st.button("Next"):
        state.set(step=state["step"] + 1)
    st.button("Back to the start", on_click=state.reset)
    st.slider("Step", 0, 14, key=state.key("step"))
    st.code(repr(dict(state)))
    st.text(links.share_link(state))


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_function(page_script, default_timeout=30)


def values(page: AppTest) -> dict:
    return ast.literal_eval(page.code[0].value)


def query(page: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def test_a_fresh_page_has_its_defaults_and_a_bare_address(page: AppTest) -> None:
    page.run()
    assert values(page) == {"x1": 0.7, "view": "graph", "step": 0, "values": {"a": 1.0}}
    assert query(page) == {}


def test_a_cold_link_opens_the_page_in_its_state(page: AppTest) -> None:
    for name, value in {"x1": "-1.5", "view": "table", "step": "9", "values": "a:2,b:1e-06"}.items():
        page.query_params[name] = value
    page.run()
    assert values(page) == {"x1": -1.5, "view": "table", "step": 9, "values": {"a": 2.0, "b": 1e-06}}
    assert page.radio[0].value == "table"
    assert page.text_input[0].value == "-1.5"
    assert page.slider[0].value == 9
    assert query(page) == {"x1": "-1.5", "view": "table", "step": "9", "values": "a:2,b:1e-06"}
    assert not page.info


def test_what_the_visitor_does_is_written_into_the_address(page: AppTest) -> None:
    page.run()
    page.radio[0].set_value("table").run()
    page.text_input[0].set_value("2").run()
    page.button[0].click().run()
    assert query(page) == {"view": "table", "x1": "2", "step": "1"}
    # Widgets follow a value that the page has set.
    page.run()
    assert page.slider[0].value == 1


def test_reset_puts_values_and_widgets_back(page: AppTest) -> None:
    page.query_params["x1"] = "5"
    page.query_params["step"] = "3"
    page.run()
    page.button[1].click().run()
    assert values(page)["x1"] == 0.7
    assert page.text_input[0].value == "0.7"
    assert page.slider[0].value == 0
    assert query(page) == {}


@pytest.mark.parametrize(
    ("name", "hostile"),
    [
        ("x1", "1e400"),
        ("x1", "nan"),
        ("x1", "<script>alert(1)</script>"),
        ("x1", "9" * 100_000),
        ("view", "../../etc/passwd"),
        ("step", "15"),
        ("step", "1.5"),
        ("step", "9" * 5000),
        ("values", "a=1"),
        ("values", "__import__('os'):1"),
        ("values", ",".join(f"a{i}:1" for i in range(1000))),
        ("nonsense", "1"),
        ("`**bold**`", "1"),
    ],
)
def test_a_bad_parameter_is_left_at_its_default_and_named(page: AppTest, name: str, hostile: str) -> None:
    page.query_params[name] = hostile
    page.query_params["view"] = page.query_params.get("view", "table") if name == "view" else "table"
    page.run()
    assert not page.exception
    assert len(page.info) == 1
    said = page.info[0].value
    assert name.replace("`", "") in said
    assert len(said) < 400
    assert values(page)["x1"] == 0.7
    assert values(page)["view"] == ("graph" if name == "view" else "table")
    # What was ignored is not carried on.
    assert name not in query(page) or name == "view"


def test_the_notice_goes_once_the_visitor_changes_something(page: AppTest) -> None:
    page.query_params["step"] = "99"
    page.run()
    page.run()
    assert page.info
    page.radio[0].set_value("table").run()
    assert not page.info


def test_the_token_stays_in_the_address_but_not_in_a_shared_link(page: AppTest) -> None:
    page.query_params["me"] = "secret-token"
    page.query_params["x1"] = "3"
    page.run()
    page.radio[0].set_value("table").run()
    assert query(page)["me"] == "secret-token"
    shared = page.text[0].value
    assert "x1=3" in shared
    assert "view=table" in shared
    assert "secret" not in shared
    assert not page.info


def test_an_address_from_outside_wins_over_what_was_there(page: AppTest) -> None:
    page.run()
    page.radio[0].set_value("table").run()
    page.query_params.clear()
    page.query_params["step"] = "7"
    page.run()
    assert values(page)["step"] == 7
    assert page.slider[0].value == 7
    assert values(page)["view"] == "graph"


def test_an_address_we_wrote_a_moment_ago_does_not_undo_a_click(page: AppTest) -> None:
    """A click that is quicker than the network arrives with the address from before the last one."""
    page.run()
    page.button[0].click().run()
    page.button[0].click().run()
    assert query(page) == {"step": "2"}
    page.query_params["step"] = "1"
    page.button[0].click().run()
    assert values(page)["step"] == 3


@pytest.mark.parametrize("config", [ScratchConfig(), NetworkConfig(dropout=0.3, step_size=10)])
def test_every_field_of_a_config_goes_through_a_link_and_back(config: ScratchConfig | NetworkConfig) -> None:
    params = {param.name: param for param in links.config(config)}
    assert set(params) == set(type(config).model_fields) - {"kind"}
    back = {name: param.parse(param.show(getattr(config, name))) for name, param in params.items()}
    assert type(config)(**back) == config


def test_an_optional_field_can_be_none_in_a_link() -> None:
    param = next(param for param in links.config(NetworkConfig(step_size=10)) if param.name == "step_size")
    assert param.parse("none") is None
    assert param.show(None) == "none"


@given(st_.floats(min_value=-1e12, max_value=1e12))
def test_numbers_survive_a_link_to_the_last_bit(value: float) -> None:
    param = links.number("x", 0.0)
    assert param.parse(param.show(value)) == value


@given(st_.text(max_size=300))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    for param in (
        links.number("x", 0.0),
        links.integer("n", 0),
        links.choice("c", ("a", "b"), "a"),
        links.choices("m", ("a", "b")),
        links.flag("f"),
        links.text("t"),
        links.numbers("v", {}),
        *links.config(ScratchConfig()),
    ):
        try:
            param.parse(text)
        except ValueError as reason:
            assert str(reason)
