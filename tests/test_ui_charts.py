"""The charts: built once, cheap to redraw, honest about what cannot be plotted, and never by colour alone."""

from __future__ import annotations

import csv
import io
import json
import time
import tomllib
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT
from ui import charts
from ui.chart_specs import SERIES_COLOURS
from ui.line_spec import Axis, Lines, Look, Tip, line_spec
from ui.theme import COLOURS

LOSSES = {"epoch": [1, 2, 3, 1, 2, 3], "loss": [2.0, 1.0, 0.5, 2.1, 1.2, 0.9], "part": ["training"] * 3 + ["test"] * 3}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(specification, options) of every chart drawn."""
    calls: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(charts.st, "vega_lite_chart", lambda spec, **options: calls.append((spec, options)))
    return calls


def line(**options: Any) -> None:
    given = {"series": "part", "cursor": 2, **options}
    charts.line_chart(
        LOSSES, x="epoch", y="loss", title="Loss", x_title="epoch", y_title="loss (nats)", key="loss", **given
    )


def test_only_the_numbers_change_between_two_drawings(drawn: list) -> None:
    line()
    line(cursor=3)
    (first, _), (second, _) = drawn
    without = [{name: value for name, value in spec.items() if name != "datasets"} for spec in (first, second)]
    assert json.dumps(without[0]) == json.dumps(without[1])
    assert first["datasets"]["cursor"]["at"].to_pylist() == [2.0]
    assert second["datasets"]["cursor"]["at"].to_pylist() == [3.0]
    # The numbers are not baked into the drawing.
    assert "2.1" not in json.dumps(without[0])


def test_series_differ_by_dash_and_shape_and_colour(drawn: list) -> None:
    line()
    text = json.dumps(drawn[0][0], default=str)
    for channel in ("strokeDash", "shape", "color"):
        assert f'"{channel}": {{"field": "part"' in text
    assert '"title": "loss (nats)"' in text
    assert '"title": "epoch"' in text
    assert "tooltip" in text


def test_a_series_keeps_its_look_when_others_come_and_go(drawn: list) -> None:
    line(order=["training", "validation", "test"])
    assert '"domain": ["training", "validation", "test"]' in json.dumps(drawn[0][0], default=str)


def test_as_many_lines_as_there_are_recordings_all_look_different() -> None:
    names = tuple(f"run {number}" for number in range(30))
    drawing = Lines(Axis("x", "x"), Axis("y", "y"), "t", series=Look("run", names, names[:2]), dashed=Look("q", ("a",)))
    layers = line_spec(drawing)["layer"]
    marks = next(layer["encoding"]["shape"]["scale"] for layer in layers if "shape" in layer["encoding"])
    assert marks["domain"] == list(names)
    # Colours come round again after the last of the theme's.
    assert len({(index % SERIES_COLOURS, mark) for index, mark in enumerate(marks["range"])}) == len(names)
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    for name in ("light", "dark"):
        colours = theme[name]["chartCategoricalColors"]
        assert len(set(colours)) == len(colours) == SERIES_COLOURS


def test_only_points_that_answer_are_searched_by_the_pointer_and_none_is_described_one_by_one() -> None:
    layers = line_spec(Lines(Axis("x", "x"), Axis("y", "y"), "t", tooltip=(Tip("y", "loss", ".3f"),)))["layer"]
    assert all(layer["mark"]["aria"] is False for layer in layers)
    (answering,) = [layer for layer in layers if "tooltip" in layer["encoding"]]
    assert answering["transform"] == [{"filter": "datum._near"}]
    assert answering["encoding"]["tooltip"] == [
        {"field": "y", "format": ".3f", "title": "loss", "type": "quantitative"}
    ]


def test_what_is_not_finite_is_left_out(drawn: list) -> None:
    broken = {**LOSSES, "loss": [2.0, float("nan"), float("inf"), -1.0, 0.0, 0.9]}
    for logarithmic in (False, True):
        charts.line_chart(
            broken, x="epoch", y="loss", series="part", title="t", x_title="x", y_title="y", key="k", log_y=logarithmic
        )
    assert drawn[0][0]["datasets"]["lines"]["loss"].to_pylist() == [2.0, None, None, -1.0, 0.0, 0.9]
    assert drawn[1][0]["datasets"]["lines"]["loss"].to_pylist() == [2.0, None, None, None, None, 0.9]


def test_nothing_to_draw_is_no_error(drawn: list) -> None:
    empty = {"epoch": [], "loss": [], "part": []}
    charts.line_chart(empty, x="epoch", y="loss", series="part", title="t", x_title="x", y_title="y", key="k")
    assert len(drawn) == 1


def test_a_redraw_costs_a_few_milliseconds(drawn: list) -> None:
    epochs = list(range(1, 501))
    columns = charts.long_form(
        epochs, {name: np.linspace(2, 0.1, 500).tolist() for name in "abcd"}, names=("epoch", "loss", "part")
    )
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        charts.line_chart(
            columns, x="epoch", y="loss", series="part", title="t", x_title="x", y_title="y", key="k", cursor=3
        )
        seconds.append(time.perf_counter() - start)
    # 2,000 points; Altair alone would take 18 to 80 ms. Generous, for a busy machine.
    assert sorted(seconds)[4] < 0.02


def test_a_confusion_matrix_has_a_cell_for_every_pair(drawn: list) -> None:
    counts = np.eye(10, dtype=int) * 90
    counts[4, 9] = 10
    charts.confusion_heat_map(counts.tolist(), title="Test digits", key="c", by="row", marked=[(4, 9)])
    spec, options = drawn[0]
    cells = spec["datasets"]["cells"].to_pylist()
    assert len(cells) == 100
    four_as_nine = next(cell for cell in cells if (cell["true"], cell["predicted"]) == (4, 9))
    assert four_as_nine == {
        "true": 4,
        "predicted": 9,
        "count": 10,
        "share": pytest.approx(0.1),
        "label": "10.0",
        "kind": "mistake",
        "framed": True,
    }
    assert sum(cell["framed"] for cell in cells) == 1
    assert options["on_select"] == "rerun"


def test_a_clicked_cell_comes_back_as_true_and_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"selection": {"cell": [{"true": 3, "predicted": 5}]}}
    monkeypatch.setattr(charts.st, "vega_lite_chart", lambda *_, **__: event)
    assert charts.confusion_heat_map([[1] * 10] * 10, title="t", key="c") == (3, 5)


def test_bars_and_histograms_hold_their_numbers(drawn: list) -> None:
    charts.bar_chart(
        {"digit": [0, 1], "images": [5, 6]},
        x="digit",
        y="images",
        title="t",
        x_title="digit",
        y_title="images",
        key="b",
    )
    assert drawn[0][0]["datasets"]["bars"].to_pydict() == {"digit": ["0", "1"], "images": [5.0, 6.0]}
    counts, edges = np.histogram([0.0, 0.1, 0.9], bins=2)
    charts.histogram(counts, edges, title="t", x_title="z", key="h")
    assert drawn[1][0]["datasets"]["bins"]["count"].to_pylist() == [2.0, 1.0]


def test_the_table_twin_downloads_every_digit() -> None:
    text = charts._csv({"epoch": [1, 2], "loss": [0.1 + 0.2, None], "name": ['a "b"', "c,d"]}).decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["epoch", "loss", "name"], ["1", "0.30000000000000004", 'a "b"'], ["2", "", "c,d"]]


def test_every_chart_draws_in_an_app() -> None:
    def script() -> None:
        from ui import charts

        columns = {"epoch": [1, 2], "loss": [1.0, 0.5], "low": [0.9, 0.4], "high": [1.1, 0.6]}
        charts.line_chart(
            columns, x="epoch", y="loss", title="Loss", x_title="epoch", y_title="loss", key="a", band=("low", "high"),
            references={"report: 0.44": 0.44}, log_x=True, y_format=".2%",
        )  # fmt: skip
        charts.bar_chart(
            {"k": ["a", "b"], "n": [1, 2], "s": ["x", "y"]}, x="k", y="n", series="s", title="t", x_title="k",
            y_title="n", key="b", horizontal=True, stacked=False,
        )  # fmt: skip
        charts.histogram([1, 2], [0, 1, 2], title="t", x_title="z", key="h")
        charts.confusion_heat_map([[1] * 10] * 10, title="t", key="c")
        charts.table_twin(columns, key="t", formats={"loss": "%.3f"})

    page = AppTest.from_function(script, default_timeout=30).run()
    assert not page.exception
    assert len(page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")) == 4


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, #rrggbb."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    first, second = sorted((luminance(one), luminance(other)), reverse=True)
    return (first + 0.05) / (second + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_readable_on_their_ground(theme: str) -> None:
    shades = COLOURS[theme]
    for name in ("text", "muted", "forward", "backward", "good", "bad"):
        for ground in ("paper", "panel"):
            assert contrast(shades[name], shades[ground]) >= 4.5, (name, ground)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_series_colours_of_the_theme_stand_out(theme: str) -> None:
    import tomllib

    from tests.conftest import ROOT

    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][theme]
    assert config["backgroundColor"] == COLOURS[theme]["paper"]
    for colour in config["chartCategoricalColors"]:
        assert contrast(colour, config["backgroundColor"]) >= 3.0, colour
