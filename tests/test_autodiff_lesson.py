"""What the lesson makes of a graph: formulas, nudges, walks downhill, and a script that repeats it all."""

import contextlib
import doctest
import io
import math

import pytest

from mlcore.autodiff import (
    EXAMPLES,
    Explanation,
    ExpressionError,
    GradientMismatch,
    Value,
    check_gradients,
    descend,
    evaluate,
    example_of,
    gradcheck,
    nudge,
    remark_on,
    sweep,
    torch_script,
)
from ui.graph import picture

REPORT = EXAMPLES["report"]


def explained(text, values, labels=(), **options):
    result = evaluate(text, values, labels=labels, **options)
    names = {**{node.name: node for node in result.nodes() if node.name}, **result.variables()}
    return Explanation(result), names


def d(above, below):
    return rf"\frac{{\partial {above}}}{{\partial {below}}}"


def test_the_reports_formulas_exactly():
    explanation, node = explained(REPORT.expression, REPORT.values, REPORT.labels)
    assert explanation.gradient(node["x1"]).latex == (
        rf"{d('f', 'x_{1}')} = {d('f', 'p')} \cdot {d('p', 'q')} \cdot {d('q', 'x_{1}')}"
        r" = r \cdot 1 \cdot w_{1} = -0.23 \cdot \left(-1.5\right) = 0.345"
    )
    assert explanation.gradient(node["w4"]).latex == (
        rf"{d('f', 'w_{4}')} = {d('f', 'r')} \cdot {d('r', 'g')} \cdot {d('g', 'w_{4}')}"
        r" = p \cdot 1 \cdot x_{4} = -1.169 \cdot \left(-0.9\right) = 1.0521"
    )
    assert explanation.gradient(node["q"]).latex == (
        rf"{d('f', 'q')} = {d('f', 'p')} \cdot {d('p', 'q')} = r \cdot 1 = -0.23"
    )
    assert explanation.gradient(node["p"]).latex == rf"{d('f', 'p')} = r = -0.23"
    assert explanation.gradient(node["f"]).latex == rf"{d('f', 'f')} = 1"
    assert explanation.forward(node["p"]).latex == r"p = q + t = -1.05 + \left(-0.119\right) = -1.169"
    assert explanation.forward(node["f"]).latex == r"f = p \cdot r = -1.169 \cdot \left(-0.23\right) = 0.26887"
    assert explanation.contribution(node["q"], 0).latex == (
        rf"{d('f', 'q')} \cdot {d('q', 'x_{1}')} = -0.23 \cdot w_{{1}} = -0.23 \cdot \left(-1.5\right) = 0.345"
    )


def test_several_uses_are_a_sum():
    explanation, node = explained(REPORT.expression, REPORT.values, REPORT.labels, ties={"x3": "x1"})
    assert explanation.gradient(node["x3"]).parts == (
        rf"{d('f', 'p')} \cdot {d('p', 'q')} \cdot {d('q', 'x_{1}')} + "
        rf"{d('f', 'r')} \cdot {d('r', 's')} \cdot {d('s', 'x_{1}')}",
        r"r \cdot 1 \cdot w_{1} + p \cdot 1 \cdot w_{3}",
        r"-0.355 \cdot \left(-1.5\right) + \left(-1.169 \cdot \left(-0.25\right)\right)",
    )
    explanation, node = explained("x*x", {"x": 3})
    assert explanation.gradient(node["x"]).latex == rf"{d('f', 'x')} = x + x = 3 + 3 = 6"


def test_long_ways_and_many_uses_are_cut_short():
    explanation, node = explained(EXAMPLES["vanishing"].expression, EXAMPLES["vanishing"].values)
    assert explanation.gradient(node["x"]).parts[0] == rf"{d('f', 'v_{1}')} \cdot {d('v_{1}', 'x')}"
    explanation, node = explained("+".join(["x"] * 2000), {"x": 1})
    formula = explanation.gradient(node["x"])
    assert r"\cdots" in formula.latex
    assert len(formula.latex) < 1000
    assert formula.value == 2000


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("x**3", r"3 \cdot {x}^{2}"),
        ("x**2", r"2 \cdot x"),
        ("x**n", r"n \cdot {x}^{n - 1}"),
        ("x/n", r"\frac{1}{n}"),
        ("n/x", r"-\frac{f}{x}"),
        ("tanh(x)", "1 - {f}^2"),
        ("sigmoid(x)", r"f \cdot \left(1 - f\right)"),
        ("log(x)", r"\frac{1}{x}"),
        ("max(x, n)", r"\left[x > n\right]"),
    ],
)
def test_local_derivatives_are_the_textbooks(text, local):
    explanation, node = explained(text, {"x": 0.5, "n": 4})
    slot = node["f"].operands.index(node["x"])
    assert explanation.local(node["f"], slot).parts == (local,)


def test_roundings_are_told_from_equals():
    explanation, node = explained("sigmoid(x)", {"x": 1})
    assert explanation.forward(node["f"]).latex.endswith(r"\approx 0.73106")
    explanation, node = explained("x/1e7", {"x": 2})
    assert explanation.forward(node["f"]).latex.endswith(r"= 2 \cdot 10^{-7}")


def test_explaining_leaves_gradients_alone():
    result = evaluate("x*y", {"x": 2, "y": 3})
    Explanation(result)
    assert [node.grad for node in result.nodes()] == [None] * 3
    result.backward()
    Explanation(result)
    assert result.variables()["x"].grad == 3


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=lambda example: example.name)
def test_every_formula_of_every_example_has_balanced_braces(example):
    explanation, _ = explained(example.expression, example.values, strict=False)
    for node in explanation.result.nodes():
        formulas = [explanation.forward(node)] + ([] if node.constant else [explanation.gradient(node)])
        for latex in (text for formula in formulas for text in (formula.latex, formula.aligned)):
            assert latex.count("{") == latex.count("}")
            assert latex.count(r"\left") == latex.count(r"\right")
            assert "@" not in latex
            assert "#" not in latex


def test_a_linear_input_has_an_exact_slope_at_any_nudge():
    nudges = sweep(REPORT.expression, REPORT.values, "x1")
    assert nudges[0].h == 1
    assert nudges[0].forward_error < 1e-15
    assert nudges[-1].h == 1e-12
    assert nudges[-1].central_error > 1e-7
    assert "linear in this input" in remark_on(nudges)


def test_differences_err_by_h_and_by_its_square():
    # f = x³ at 1: (f(1 + h) − f(1))/h = 3 + 3h + h², (f(1 + h) − f(1 − h))/2h = 3 + h²
    found = nudge("x**3", {"x": 1}, "x", 0.1)
    assert found.forward_error == pytest.approx(0.31, abs=1e-12)
    assert found.central_error == pytest.approx(0.01, abs=1e-12)
    assert "in proportion to h" in remark_on(sweep("x**3", {"x": 1}, "x"))


def test_a_nudge_out_of_the_domain_has_no_value():
    assert math.isnan(nudge("log(x)", {"x": 0.5}, "x", 1).central)


def test_a_failing_check_prints_both_numbers():
    with pytest.raises(GradientMismatch, match=r"backward pass says 1\.0.*h = 1e-05 says 0\.1"):
        check_gradients("abs(x)", {"x": 1e-6})


@pytest.mark.parametrize("module", [gradcheck, picture])
def test_the_examples_in_docstrings_are_true(module):
    ran = doctest.testmod(module)
    assert ran.attempted
    assert not ran.failed


def test_one_step_downhill_by_hand():
    # f = (x·w − 2)² at x = 1, w = 3: f = 1, ∂f/∂w = 2·(3 − 2)·1 = 2; at rate 0.1, w = 3 − 0.2 = 2.8 and f = 0.64
    walk = descend("(x*w - 2)**2", {"x": 1, "w": 3}, ["w"], rate=0.1)
    start, end = walk.path
    assert (start.result, start.gradients) == (1, {"w": 2})
    assert end.values == {"x": 1, "w": pytest.approx(2.8)}
    assert end.result == pytest.approx(0.64)
    assert walk.halted == ""


def test_a_target_is_reached_and_ten_steps_are_ten_single_ones():
    walk = descend(REPORT.expression, REPORT.values, ["w1", "w4"], rate=0.2, steps=200, target=1.0)
    assert walk.path[-1].result == pytest.approx(1, abs=1e-6)
    values = dict(REPORT.values)
    for _ in range(10):
        values = descend(REPORT.expression, values, ["w1", "w4"], rate=0.2, target=1.0).path[-1].values
    assert values == walk.path[10].values


@pytest.mark.parametrize(
    ("text", "rate", "says"),
    [
        ("x**2", 1.1, "diverges"),
        ("x", 1e8, "no lowest value"),
        ("log(x)", 2, "has no value"),
        ("x**4", 1e150, "no value"),
    ],
)
def test_a_walk_that_runs_away_says_so(text, rate, says):
    walk = descend(text, {"x": 1}, ["x"], rate=rate, steps=100)
    assert says in walk.halted
    assert len(walk.path) < 100
    assert all(math.isfinite(point.loss) for point in walk.path)


def test_tied_inputs_learn_together():
    walk = descend("x*y", {"x": 2}, ["y"], rate=0.1, ties={"y": "x"})
    assert walk.path[1].values["x"] == pytest.approx(2 - 0.1 * 4)


@pytest.mark.parametrize(
    ("learn", "rate", "target"), [([], 0.1, None), (["z"], 0.1, None), (["x"], 0, None), (["x"], math.nan, None)]
)
def test_senseless_walks_are_refused(learn, rate, target):
    with pytest.raises(ExpressionError):
        descend("x**2", {"x": 1}, learn, rate, target=target)


@pytest.mark.parametrize(
    ("text", "values", "ties"),
    [
        *((example.expression, example.values, None) for name, example in EXAMPLES.items() if name != "overflow"),
        (REPORT.expression, REPORT.values, {"x3": "x1", "x4": "x3"}),
        ("max(x, 0)*exp(2) - x**-2 + lambda/2**-x", {"x": 1, "lambda": 2}, None),
        ("-(x - torch)**2 - (result - 1) / (print*2)", {"x": 1, "torch": 3, "result": 2, "print": 4}, None),
        (" + ".join(["v1*sin(v1)"] * 20), {"v1": 1}, None),
        ("2*3 - sin(1)", {}, None),
        ("x", {"x": 5}, None),
    ],
)
def test_the_script_prints_what_the_lesson_shows(text, values, ties):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(torch_script(text, values, ties), "script", "exec"), {})
    found = dict(line.rsplit(" ", 1) for line in printed.getvalue().splitlines())
    result = evaluate(text, values, ties=ties)
    result.backward()
    assert float(found.pop("value")) == pytest.approx(result.data, rel=1e-12)
    expected = {f"gradient of {name}": node.grad for name, node in result.variables().items()}
    assert {name: float(number) for name, number in found.items()} == pytest.approx(expected, rel=1e-9)


def test_examples_are_found_by_their_text():
    assert example_of(" (x1*w1+x2*w2)*(x3*w3 + x4*w4)") is REPORT
    assert example_of("x + 1") is None


def test_example_figures():
    for example in EXAMPLES.values():
        result = evaluate(example.expression, example.values, labels=example.labels, strict=False)
        assert bool(result.problems()) == (example.name == "overflow")
        assert example.look.endswith(".")
    vanished = evaluate(EXAMPLES["vanishing"].expression, EXAMPLES["vanishing"].values)
    vanished.backward()
    assert 0 < vanished.variables()["x"].grad < 1e-6


def test_a_value_says_what_it_is():
    assert repr(Value(2, "x")) == "Value(data=2.0, grad=None, name='x')"
