"""The page "Forward and backward", point by point (L1.1 to L1.10, G3 to G7), through Streamlit's own test runner.

What only a browser can show (the drawing, the keyboard, PyTorch's answer from its worker) is in e2e/test_page_1.py.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from mlcore.autodiff import EXAMPLES, ExpressionError, evaluate
from mlcore.autodiff.exercises import make_problem
from mlcore.networks import torch_gradients
from tests.conftest import ROOT
from ui.graph.picture import picture, readable
from ui.lesson1.state import read_expression

PAGE = str(ROOT / "pages" / "1_Forward_and_backward.py")
REPORT = EXAMPLES["report"]


def opened(**params: Any) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=90)
    for name, value in params.items():
        app.query_params[name] = str(value)
    return calm(app.run())


def calm(app: AppTest) -> AppTest:
    """No traceback, and not the sentence that stands in for one."""
    assert not app.exception, app.exception
    assert not [box.value for box in app.error]
    return app


def field(app: AppTest, label: str) -> Any:
    found = [item for item in app.text_input if item.label == label]
    assert len(found) == 1, [item.label for item in app.text_input]
    return found[0]


def press(app: AppTest, label: str) -> AppTest:
    found = [item for item in app.button if item.label == label]
    assert len(found) == 1, [item.label for item in app.button]
    return calm(found[0].click().run())


def formulas(app: AppTest) -> str:
    return "\n".join(item.value for item in app.latex)


def said(app: AppTest) -> str:
    """All prose on the page, and what stands at fields."""
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.success]
    htmls = [item.proto.body for item in app.get("html")]
    return "\n".join([str(item.value) for item in parts] + htmls)


def query(app: AppTest, name: str) -> str | None:
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


# L1.1 ----------------------------------------------------------------------------------------------------------------


def test_it_opens_on_the_reports_f_with_its_values():
    app = opened()
    assert field(app, "Expression").value == REPORT.expression
    assert {name: float(field(app, name).value) for name in REPORT.values} == dict(REPORT.values)
    assert r"f &= p \cdot r" in formulas(app)
    assert "0.26887" in formulas(app)
    assert dict(app.query_params) == {}


def test_gradients_are_not_shown_before_the_backward_pass():
    assert "0.345" not in formulas(opened()) + said(opened())


def test_an_edited_input_changes_the_result_and_the_link():
    app = opened(step="all")
    field(app, "w4").set_value("1").run()
    calm(app)
    assert "w4:1" in query(app, "v")
    assert r"-1.169 \cdot (-0.9)" in formulas(app).replace(r"\left", "").replace(r"\right", "")
    app = opened(v="x1:0.7,w1:-1.5,x2:0.34,w2:-0.35,x3:0.2,w3:-0.25,x4:-0.9,w4:1", step=7)
    assert "1.1105" in formulas(app)


@pytest.mark.parametrize(
    "text", ["", "   ", "abc", "1e400", "NaN", "-inf", "1/0", "1e999999999", "<b>7</b>", "9" * 190, "∞"]
)
def test_any_text_in_a_number_field_gets_one_sentence_and_changes_nothing(text: str):
    app = opened()
    field(app, "x1").set_value(text).run()
    calm(app)
    assert said(app).count('class="field-problem"') == 1
    assert "<b>7</b>" not in said(app)
    assert "0.26887" in formulas(app), "the last good state stays"
    assert query(app, "v") is None


def test_the_picture_tells_not_computed_from_zero_and_signs_in_words():
    example = EXAMPLES["max-gate"]
    result = evaluate(example.expression, example.values)
    drawn = picture(result, list(result.backward_steps()))
    texts = {
        drawn["nodes"][node]["name"]: (text, sign) for step in drawn["steps"] for node, text, _, sign, _ in step["sets"]
    }
    assert texts["y"] == ("∂ 0", "zero")
    assert texts["x"] == ("∂ +4.5", "plus")
    first = drawn["steps"][0]
    assert first["phase"] == "forward"
    assert first["sets"] == [], "nothing has a gradient before the backward pass"


# L1.2 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", list(EXAMPLES.values()), ids=list(EXAMPLES))
def test_the_steps_on_screen_are_the_librarys_and_end_on_its_gradients(example):
    result = evaluate(example.expression, example.values, labels=example.labels, strict=False)
    passed = list(result.backward_steps())
    drawn = picture(result, passed)
    backward = [step for step in drawn["steps"] if step["phase"] == "backward"]
    assert [step["node"] for step in backward] == [step.id for step in passed]
    shown = {node: text for step in drawn["steps"] for node, text, _, _, _ in step["sets"]}
    for number, node in enumerate(result.nodes()):
        if node.constant:
            assert number not in shown
        else:
            assert shown[number].removeprefix("∂ ").removeprefix("+") == readable(node.grad)
    assert json.loads(json.dumps(drawn, allow_nan=False))["layers"] == drawn["layers"]


def test_every_step_of_the_reports_f_has_its_formula():
    app = opened(step=1)
    for number in range(1, 23):
        app.query_params["step"] = str(number)
        calm(app.run())
        assert app.latex, f"step {number} has no formula"
        assert f"step {number if number <= 7 else number - 7} of {7 if number <= 7 else 15}" in said(app)


def test_a_gradient_is_written_three_times_as_the_report_does():
    app = opened(step=12)  # t hands on to x2 and w2
    plain = formulas(app)
    assert (
        r"\frac{\partial f}{\partial p} \cdot \frac{\partial p}{\partial t} \cdot \frac{\partial t}{\partial x_{2}}"
        in plain
    )
    assert r"&= r \cdot 1 \cdot w_{2}" in plain
    assert r"-0.23 \cdot \left(-0.35\right) = 0.0805" in plain


def test_an_exact_number_is_one_hover_away():
    assert any("0.26887" in (item.proto.help or "") for item in opened(step=7).latex)


# L1.3 ----------------------------------------------------------------------------------------------------------------


def test_an_opened_node_shows_its_gradient_as_a_sum_over_its_uses():
    app = opened(f="(a + b) * (b + 1)", v="a:2,b:1", step="all", node="b")
    assert "the sum over its 2 uses" in said(app)
    assert "Sum: 2 + 3 = **5**" in said(app)


def test_an_opened_node_says_when_its_gradient_is_not_there_yet():
    app = opened(step=3, node="q")
    assert "not computed yet" in said(app)
    assert r"\frac{\partial q}{\partial x_{1}} = w_{1} = -1.5" in formulas(app)


def test_a_node_that_is_not_there_opens_nothing():
    assert "Node" not in said(opened(node="zz<b>"))


# L1.4 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", list(EXAMPLES.values()), ids=list(EXAMPLES))
def test_every_example_can_be_chosen_and_walked(example):
    app = opened(step="all")
    box = next(item for item in app.selectbox if item.label == "Example")
    calm(box.set_value(example.name).run())
    assert field(app, "Expression").value == example.expression
    assert {name: float(field(app, name).value) for name in example.values} == dict(example.values)
    assert example.look in said(app)


def test_an_expression_of_ones_own_is_called_that_at_once():
    app = opened()
    field(app, "Expression").set_value("x1*w1 + x2").run()
    assert next(item for item in calm(app).selectbox if item.label == "Example").value == "own"
    field(app, "Expression").set_value(REPORT.expression).run()
    assert next(item for item in calm(app).selectbox if item.label == "Example").value == "report"


def test_inputs_that_do_not_fit_in_view_keep_their_values_while_they_are_closed():
    app = opened(f=" + ".join(f"x{number}" for number in range(15)))
    assert not [item for item in app.text_input if item.label == "x14"]
    app.session_state["lesson1.more"] = True
    calm(app.run())
    field(app, "x14").set_value("7").run()
    app.session_state["lesson1.more"] = False
    calm(app.run())
    assert not [item for item in app.text_input if item.label == "x14"]
    assert "x14:7" in query(app, "v")
    app.session_state["lesson1.more"] = True
    calm(app.run())
    assert field(app, "x14").value == "7"


HOSTILE = {
    "long": "x+" * 50_000,
    "nested": "(" * 2000 + "x" + ")" * 2000,
    "import": "__import__('os').system('echo')",
    "attribute": "x.__class__.__bases__",
    "emoji": "😀 + 1",
    "markup": "<script>alert(1)</script>",
    "index": "x[0]",
    "lambda": "(lambda: 1)()",
    "unclosed": "(x + 1",
    "nothing": "   ",
    "too many nodes": " + ".join(f"x{number}" for number in range(150)),
    "huge power of nothing": "9**9**",
    "as long as is read": "x+" * 19_999 + "x",
    "as many signs as are read": "-" * 39_999 + "x",
    "as many powers as are read": "2**" * 13_000 + "2",
    "as many functions as are read": "sin(" * 9_000,
}


def quickest(work: Any) -> float:
    """Seconds of the best of five: what else the machine does only adds."""
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_what_is_no_expression_costs_less_than_a_tenth_of_a_second(text: str):
    def read() -> None:
        with pytest.raises(ExpressionError):
            read_expression(text)

    assert quickest(read) < 0.1


def test_a_huge_power_costs_less_than_a_tenth_of_a_second_too():
    assert quickest(lambda: evaluate("9**9**9 + 10**1000000 + x", {"x": 1}, strict=False).data) < 0.1


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_what_is_no_expression_gets_one_sentence_and_the_last_one_stays(text: str):
    app = opened()
    field(app, "Expression").set_value(text).run()
    calm(app)
    assert said(app).count('class="field-problem"') == 1
    assert "0.26887" in formulas(app)
    assert "<script>" not in said(app)


def test_an_error_is_marked_under_its_column():
    app = opened()
    field(app, "Expression").set_value("x1*w1 + $").run()
    block = next(item.proto.body for item in calm(app).get("html") if 'class="mark"' in item.proto.body)
    line, caret = re.sub("<[^>]*>", "", block).split("\n")
    assert line[caret.index("^")] == "$"


def test_a_huge_power_is_an_overflow_and_not_a_hang():
    app = opened(step="all")
    field(app, "Expression").set_value("9**9**9**9 + x1").run()
    assert "Overflow" in said(calm(app))


@pytest.mark.parametrize(
    ("expression", "values", "sentence"),
    [
        ("a / b + c", "a:1,b:0,c:2", "Division by zero"),
        ("log(a) * b", "a:-1,b:2", "logarithm"),
        ("exp(a) + b", "a:1000,b:1", "Overflow"),
    ],
)
def test_the_node_that_fails_says_what_happened_and_the_rest_is_shown(expression, values, sentence):
    app = opened(f=expression, v=values, step="all")
    assert sentence in said(app)
    result = evaluate(
        expression, {k: float(v) for k, v in (part.split(":") for part in values.split(","))}, strict=False
    )
    drawn = picture(result, list(result.backward_steps()))
    assert [bool(node["error"]) for node in drawn["nodes"]].count(True) == 1
    assert all(node["value"] for node in drawn["nodes"])


@given(st.text(max_size=200))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_text_at_all_brings_the_page_down(text: str):
    app = _fuzzed()
    field(app, "Expression").set_value(text).run()
    calm(app)


_APP: list[AppTest] = []


def _fuzzed() -> AppTest:
    if not _APP:
        _APP.append(opened())
    return _APP[0]


# L1.5 ----------------------------------------------------------------------------------------------------------------


def test_tied_inputs_are_one_field_and_add_up():
    app = opened(step="all", node="x1")
    next(item for item in app.selectbox if item.label == "This input").set_value("x3").run()
    next(item for item in app.selectbox if item.label == "follows").set_value("x1").run()
    press(app, "Tie them")
    assert query(app, "ties") == "x3:x1"
    assert field(app, "x1 ≡ x3").value == "0.7"
    # r = 0.7·(−0.25) − 0.18 = −0.355, so ∂f/∂x1 = −0.355·(−1.5) + −1.169·(−0.25).
    app = opened(step="all", node="x1", ties="x3:x1")
    assert "Sum: 0.5325 + 0.29225 = **0.82475**" in said(app)
    press(app, "Untie x3")
    assert query(app, "ties") is None


def test_running_backward_again_adds_up_until_zeroed():
    app = opened(step="all")
    press(app, "Run backward again without zeroing")
    assert "| x1 | 0.345 | 0.69 |" in said(app)
    assert query(app, "passes") == "2"
    press(app, "Zero the gradients")
    assert "0.69" not in said(app)


# L1.6 ----------------------------------------------------------------------------------------------------------------


def test_a_nudge_stands_beside_the_gradient_and_says_why_it_is_exact():
    app = opened(view="nudge", h=1)
    table = said(app)
    assert "| backward pass | 0.345" in table
    assert "linear in this input" in table
    slider = next(item for item in app.select_slider if item.label == "Size of the nudge, h")
    assert len(slider.options) == 25
    calm(slider.set_value(1e-12).run())
    assert query(app, "h") == "1e-12"


def test_a_curved_result_is_not_called_linear():
    app = opened(f="exp(x)", v="x:1", view="nudge", h="0.1")
    assert "forward difference errs in proportion" in said(app)


# L1.7 ----------------------------------------------------------------------------------------------------------------


class AtOnce:
    """Stands in for the runtime: calls in this process, as the worker would in its own."""

    def submit_task(self, function: Any, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except Exception as problem:
            future.set_exception(problem)
        return future


def test_the_proof_sets_pytorch_and_the_report_beside_every_gradient(monkeypatch):
    monkeypatch.setattr("ui.runs.runtime", AtOnce)
    monkeypatch.setattr("ui.lesson1.proof.runtime", AtOnce)
    app = opened(view="prove")
    theirs = torch_gradients(REPORT.expression, REPORT.values)
    table = said(app).replace("\u2060", "")
    rows = {
        row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]]
        for row in table.splitlines()
        if row.startswith("| ")
    }
    for name, printed in REPORT.printed.items():
        ours, by_torch, apart, in_report, _ = rows[name if name == "f" else f"∂f/∂{name}"]
        assert float(in_report.replace("−", "-")) == printed
        assert math.isclose(float(ours.replace("−", "-")), printed, abs_tol=5e-6)
        if name in theirs["gradients"]:
            assert float(by_torch.replace("−", "-")) == theirs["gradients"][name]
            assert apart == "0" or float(apart.replace("−", "-")) < 1e-12


def test_a_worker_that_fails_is_one_sentence_and_a_button(monkeypatch):
    class Broken:
        def submit_task(self, function: Any, *args: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("the worker died"))
            return future

    monkeypatch.setattr("ui.lesson1.proof.runtime", Broken)
    assert "did not answer" in said(opened(view="prove"))


def test_the_app_shows_this_page_without_importing_torch():
    code = (
        "import logging; logging.disable()\nimport sys\nfrom streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({PAGE!r}, default_timeout=90)\n"
        "for view in ('nudge', 'descend', 'practise'):\n"
        "    app.query_params['view'] = view\n    app.run()\n    assert not app.exception\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


# L1.8 ----------------------------------------------------------------------------------------------------------------


def result_after(app: AppTest) -> float:
    found = re.search(r"the result is \*\*(.+?)\*\*", said(app))
    assert found
    return float(found.group(1).replace("−", "-"))


def test_steps_go_down_and_the_reset_goes_back_to_the_same_start():
    app = opened(view="descend")
    start = result_after(app)
    one = result_after(press(app, "One step"))
    eleven = result_after(press(app, "Ten steps"))
    assert start > one > eleven
    assert query(app, "taken") == "11"
    assert result_after(press(app, "Back to the start")) == start
    assert result_after(opened(view="descend", taken=11)) == eleven, "a link leads to the same place"


def test_a_target_is_reached():
    app = opened(view="descend", goal="target", target=1, taken=200, rate="0.05")
    assert math.isclose(result_after(app), 1, abs_tol=1e-2)


def test_divergence_is_explained():
    app = opened(view="descend", goal="target", target=1, rate=50, taken=20)
    assert "diverges" in said(app) or "leads where f has no value" in said(app)


@pytest.mark.parametrize("text", ["", "0", "-1", "1e400", "fast"])
def test_a_rate_that_is_none_gets_one_sentence(text: str):
    app = opened(view="descend")
    field(app, "Learning rate").set_value(text).run()
    assert said(calm(app)).count('class="field-problem"') == 1


def test_what_was_learned_can_go_into_the_graph():
    app = press(opened(view="descend", taken=10), "Put these values into the graph")
    assert float(field(app, "w1").value) != REPORT.values["w1"]
    assert field(app, "x1").value == "0.7"
    assert query(app, "taken") is None


# L1.9 ----------------------------------------------------------------------------------------------------------------


def blank_of(app: AppTest, label: str = "Product") -> Any:
    return next(item for item in app.text_input if item.label.startswith(label))


def test_a_worked_problem_has_no_blanks_and_reasons():
    app = opened(view="practise", level=0, seed=3)
    assert "arrives at" in said(app)
    assert not [item for item in app.text_input if item.label == "Product"]


def test_a_right_answer_gets_its_reason_and_counts():
    problem = make_problem(3, 1)
    app = opened(view="practise", level=1, seed=3)
    blank_of(app).set_value(f"{problem.lines[-1].upstream}*{problem.lines[-1].local}").run()
    calm(app)
    assert "Right." in said(app)
    assert "Solved" in said(app)
    assert "1 problem solved, 1 of 1 answers right at the first try" in said(app)


def test_a_wrong_answer_is_diagnosed_and_a_hint_names_the_next_step():
    line = make_problem(3, 1).lines[-1]
    app = opened(view="practise", level=1, seed=3)
    blank_of(app).set_value(str(line.local)).run()
    assert "local derivative alone" in said(calm(app))
    assert "0 of 1 answers right" in said(app)
    press(app, "Hint")
    assert "Multiply what arrives" in said(app)


def test_answers_are_hidden_until_they_are_given():
    problem = make_problem(8, 3)
    app = opened(view="practise", level=3, seed=8)
    lines = [item.value for item in app.markdown if item.value.startswith("1. ") or item.value.startswith("2. ")]
    assert len(lines) == len(problem.lines)
    assert all(r"\boxed" in line for line in lines)
    assert r"\square" in lines[-1], "what arrives comes from the line before, which is not solved yet"


def test_a_problem_can_be_skipped_or_shown_and_is_not_counted():
    app = opened(view="practise", level=2, seed=3)
    press(app, "Show the solution")
    assert "not counted" in said(app)
    assert "This sitting" not in said(app)
    press(app, "Next")
    assert query(app, "seed") == "4"


# L1.10 ---------------------------------------------------------------------------------------------------------------


def test_a_prediction_stands_beside_what_came_out():
    app = opened()
    signs = next(item for item in app.get("button_group") if item.label == "Its sign")
    signs.set_value("plus").run()
    sizes = next(item for item in app.get("button_group") if item.label == "Its size")
    sizes.set_value("small").run()
    press(app, "Commit")
    assert "You said" in said(app)
    assert "0.345" not in said(app) + formulas(app)
    press(app, "Run the backward pass")
    assert "Predicted and computed" in said(app)
    assert "The sign is right; the size is 0.1 to 1." in said(app)


# G3, G6, G7 ----------------------------------------------------------------------------------------------------------


def test_a_link_with_bad_parts_opens_on_defaults_and_names_them():
    app = opened(
        f="__import__(1)", step="zz", h="7e9", rate="nan", ties="x1:x1", level=9, view="x", bogus="<b>", seed="-1"
    )
    assert "0.26887" in formulas(app)
    notice = app.info[0].value
    assert "defaults stand" in notice
    assert "__import__" in notice


def test_a_link_restores_everything():
    link = {
        "f": "a*b + sin(c)", "v": "a:2,b:3,c:0.5", "ties": "b:a", "step": "3", "node": "a",
        "view": "practise", "level": "2", "seed": "17", "h": "1e-06", "taken": "4", "rate": "0.2",
    }  # fmt: skip
    app = opened(**link)
    assert {name: query(app, name) for name in link} == link
    assert not app.info
    assert field(app, "a ≡ b").value == "2"


def test_the_code_shown_reproduces_the_screen(tmp_path):
    app = opened(v="x1:1,w1:2,x2:3,w2:4,x3:5,w3:6,x4:7,w4:8", ties="x3:x1")
    assert not app.code, "what is closed is not sent"
    app.session_state["code.lesson1"] = True
    calm(app.run())
    script = next(item.value for item in app.code if "import torch" in item.value)
    assert any("_backward_pass" in item.value for item in app.code)
    place = tmp_path / "script.py"
    place.write_text(script)
    done = subprocess.run([sys.executable, str(place)], capture_output=True, text=True, timeout=120, check=True)
    ours = evaluate(
        REPORT.expression, {"x1": 1, "w1": 2, "x2": 3, "w2": 4, "w3": 6, "x4": 7, "w4": 8}, ties={"x3": "x1"}
    )
    ours.backward()
    assert f"value {ours.data}" in done.stdout
    assert f"gradient of x1 {ours.variables()['x1'].grad}" in done.stdout


def test_terms_are_explained():
    words = said(opened())
    assert "How fast the result changes" in words
    assert "The gradient along a path is the product" in words
