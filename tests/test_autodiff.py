"""Gradients against hand-worked ones, against nudges, and against PyTorch's autograd."""

import math

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mlcore.autodiff import EXAMPLES, FUNCTIONS, OPERATIONS, Value, apply, check_gradients, describe, evaluate
from mlcore.networks.scalar_proof import torch_gradients

REPORT = EXAMPLES["report"]


def report_graph(**options):
    return evaluate(REPORT.expression, REPORT.values, labels=REPORT.labels, **options)


def gradients(result):
    result.backward()
    return {name: node.grad for name, node in result.variables().items()}


def test_the_report_by_hand():
    # q = 0.7·(−1.5) = −1.05; t = 0.34·(−0.35) = −0.119; s = 0.2·(−0.25) = −0.05; g = −0.9·0.2 = −0.18
    # p = q + t = −1.169; r = s + g = −0.23; f = p·r = 0.26887
    f = report_graph()
    by_name = {node.name: node for node in f.nodes()}
    values = {"q": -1.05, "t": -0.119, "s": -0.05, "g": -0.18, "p": -1.169, "r": -0.23, "f": 0.26887}
    for name, value in values.items():
        assert by_name[name].data == pytest.approx(value, abs=1e-12)
    # ∂f/∂p = r, ∂f/∂r = p; sums hand them on; ∂f/∂x1 = r·w1 = −0.23·(−1.5) = 0.345, and so on.
    f.backward()
    for name, printed in REPORT.printed.items():
        found = f.data if name == "f" else by_name[name].grad
        assert found == pytest.approx(printed, abs=1e-12), name


def test_nodes_and_steps_come_in_the_reports_order():
    f = report_graph()
    assert [step.node.name for step in f.forward_steps()] == ["q", "t", "s", "g", "p", "r", "f"]
    steps = list(f.backward_steps())
    inputs = ["x1", "w1", "x2", "w2", "x3", "w3", "x4", "w4"]
    assert [step.node.name for step in steps] == ["f", "p", "r", "q", "t", "s", "g", *inputs]
    assert [f.nodes()[step.id] for step in steps] == [step.node for step in steps]


def test_steps_tell_what_backward_does():
    told, silent = report_graph(), report_graph()
    steps = list(told.backward_steps())
    silent.backward()
    assert [node.grad for node in told.nodes()] == [node.grad for node in silent.nodes()]
    for step in steps:
        assert step.gradient == step.node.grad
        for contribution, operand in zip(step.contributions, step.node.operands, strict=True):
            assert contribution.operand is operand
            assert contribution.product == step.gradient * contribution.local


def test_a_step_sums_the_uses_of_x_times_x():
    first, last = list(evaluate("x*x", {"x": 3}).backward_steps())
    assert [(c.local, c.product, c.total) for c in first.contributions] == [(3, 3, 3), (3, 3, 6)]
    assert (last.node.name, last.gradient, last.contributions) == ("x", 6, ())


def test_gradients_are_none_until_backward_and_zero_is_not_none():
    gate = evaluate("max(a, b)", {"a": 1, "b": 2})
    assert [node.grad for node in gate.nodes()] == [None, None, None]
    assert gradients(gate) == {"a": 0.0, "b": 1.0}
    gate.zero_grad()
    assert [node.grad for node in gate.nodes()] == [None, None, None]


def test_constants_have_no_gradient():
    result = evaluate("(2 + 1)*x**-2", {"x": 2})
    result.backward()
    assert all((node.grad is None) == node.constant for node in result.nodes())
    assert gradients(evaluate("2*3", {})) == {}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "overflow"])
def test_a_second_pass_adds_exactly_the_same(name):
    example = EXAMPLES[name]
    once = gradients(evaluate(example.expression, example.values))
    result = evaluate(example.expression, example.values)
    result.backward()
    twice = gradients(result)
    assert twice == {variable: 2 * gradient for variable, gradient in once.items()}
    proof = torch_gradients(example.expression, example.values, passes=2)["gradients"]
    assert twice == pytest.approx(proof, rel=1e-9)


def test_two_results_share_their_inputs():
    # ∂(x·y)/∂x + ∂(x + y)/∂x = y + 1, as PyTorch's leaves add up over results.
    x, y = Value(2, "x"), Value(3, "y")
    product, total = x * y, x + y
    product.backward()
    total.backward()
    assert (x.grad, y.grad) == (4, 3)


def test_an_unfinished_walk_leaves_the_next_one_whole():
    f = report_graph()
    walk = f.backward_steps()
    next(walk)
    del walk
    f.zero_grad()
    assert gradients(f) == pytest.approx({name: REPORT.printed[name] for name in REPORT.values}, abs=1e-12)


def test_ties_share_one_input_and_add_up():
    tied = evaluate(REPORT.expression, REPORT.values, ties={"x3": "x1"})
    assert tied.variables()["x3"] is tied.variables()["x1"]
    # over p: r·w1 = −0.355·(−1.5) = 0.5325; over r: p·w3 = −1.169·(−0.25) = 0.29225
    found = gradients(tied)
    assert found["x1"] == found["x3"] == pytest.approx(0.82475, abs=1e-12)
    assert found == pytest.approx(
        torch_gradients(REPORT.expression, REPORT.values, {"x3": "x1"})["gradients"], rel=1e-9
    )


def test_python_operators_build_the_same_graph():
    x, y = Value(0.5, "x"), Value(-2.0, "y")
    built = 3 - x * y / (1 + x) ** 2 + 2**x - abs(-y) + x.exp().log().sin().cos().tanh().sigmoid().relu().sqrt()
    text = "3 - x*y/(1 + x)**2 + 2**x - abs(-y) + sqrt(relu(sigmoid(tanh(cos(sin(log(exp(x))))))))"
    read = evaluate(text, {"x": 0.5, "y": -2.0})
    assert built.data == read.data
    assert gradients(built) == gradients(read)


def test_long_chains():
    total = x = Value(1.5, "x")
    for _ in range(5000):
        total = total + x
    total.backward()
    assert (total.data, x.grad) == (5001 * 1.5, 5001)
    read = evaluate("+".join(["x"] * 5000), {"x": 1})
    assert (read.data, gradients(read)) == (5000, {"x": 5000})
    nested = evaluate("sigmoid(" * 900 + "x" + ")" * 900, {"x": 1})
    assert gradients(nested)["x"] == pytest.approx(0, abs=1e-100)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.symbol)
def test_every_operation_against_pytorch_and_nudges(operation):
    for a, b in ((0.7, 1.3), (2.5, 0.4), (0.3, 2.0)):
        text = {1: f"{operation.symbol}(a)", 2: f"{operation.symbol}(a, b)"}[operation.arity]
        if not operation.is_function:
            text = "-a" if operation.symbol == "neg" else f"a {operation.symbol} b"
        values = {"a": a, "b": b} if operation.arity == 2 else {"a": a}
        result = evaluate(text, values)
        proof = torch_gradients(text, values)
        assert result.data == pytest.approx(proof["value"], rel=1e-12)
        assert gradients(result) == pytest.approx(proof["gradients"], rel=1e-12)
        check_gradients(text, values)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("max(a, b)", {"a": 2, "b": 2}),
        ("min(a, b)", {"a": 2, "b": 2}),
        ("relu(a)", {"a": 0}),
        ("abs(a)", {"a": 0}),
        ("sqrt(a)", {"a": 0}),
        ("a**2", {"a": 0}),
        ("a**2", {"a": -3}),
        ("a**b", {"a": 0, "b": 2}),
        ("a**0", {"a": 0}),
        ("a**0.5", {"a": 0}),
        ("sigmoid(a)", {"a": -800}),
        ("tanh(a)", {"a": 400}),
    ],
)
def test_corners_follow_pytorch(text, values):
    assert gradients(evaluate(text, values)) == pytest.approx(torch_gradients(text, values)["gradients"], nan_ok=True)


def expressions(depth=4):
    leaf = st.sampled_from(["x", "y", "z", "2", "0.5", "3"])

    def grown(inner):
        binary = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        call = st.tuples(st.sampled_from(sorted(n for n in FUNCTIONS if FUNCTIONS[n] == 1)), inner)
        both = st.tuples(st.sampled_from(["max", "min"]), inner, inner)
        power = st.tuples(inner, st.sampled_from(["2", "3", "-1", "0.5", "y"])).map(lambda t: f"({t[0]})**{t[1]}")
        return st.one_of(
            binary,
            power,
            inner.map(lambda t: f"-{t}"),
            call.map(lambda t: f"{t[0]}({t[1]})"),
            both.map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        )

    return st.recursive(leaf, grown, max_leaves=12)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(expressions(), st.tuples(*[st.floats(-3, 3).map(lambda x: round(x, 3)) for _ in range(3)]))
def test_random_expressions_against_pytorch(text, numbers):
    values = dict(zip("xyz", numbers, strict=True))
    result = evaluate(text, values, strict=False)
    assume(not result.problems())
    # Infinity times zero has no value; PyTorch's relu alone masks where it should multiply, and says 0.
    assume(all(math.isfinite(slope) for node in result.nodes() for slope in node.locals))
    proof = torch_gradients(text, values)
    assert result.data == pytest.approx(proof["value"], rel=1e-9, nan_ok=True)
    found = {name: gradient for name, gradient in gradients(result).items() if gradient is not None}
    for name, gradient in found.items():
        expected = proof["gradients"][name]
        if math.isfinite(gradient) or math.isfinite(expected):
            assert gradient == pytest.approx(expected, rel=1e-9, abs=1e-12), f"{name}: {gradient} and {expected}"


def test_where_a_value_is_lost_the_rest_is_there():
    result = evaluate("a*b + 1/(a - 2) + c", {"a": 2, "b": 3, "c": 4}, strict=False)
    (lost,) = result.problems()
    assert (lost.operation.symbol, lost.problem) == ("/", "Division by zero: 1 / 0 has no value.")
    assert lost.column == 8
    whole = [node for node in result.nodes() if node.operands and math.isfinite(node.data)]
    assert [node.data for node in whole] == [6, 0]
    view = describe(result)
    assert [view["nodes"][number]["value_text"] for number in view["problems"]] == ["no value"]


@pytest.mark.parametrize(
    ("symbol", "operands", "says"),
    [
        ("/", (0, 0), "Division by zero"),
        ("log", (0,), "needs a number above 0"),
        ("log", (-1,), "needs a number above 0"),
        ("sqrt", (-1,), "not below 0"),
        ("**", (0, -1), "Division by zero"),
        ("**", (-2, 0.5), "no real value"),
        ("**", (9, 9**9), "Overflow"),
        ("exp", (1000,), "Overflow"),
        ("*", (1e300, 1e300), "Overflow"),
    ],
)
def test_every_lost_value_has_its_sentence(symbol, operands, says):
    node = apply(symbol, *[Value(x) for x in operands])
    assert says in node.problem
    assert not math.isfinite(node.data)
    assert apply("+", node, 1).problem == ""


def test_description_is_json_and_complete():
    import json

    for example in EXAMPLES.values():
        result = evaluate(example.expression, example.values, strict=False)
        before = describe(result)
        result.backward()
        view = json.loads(json.dumps(describe(result), allow_nan=False))
        assert [node["id"] for node in view["nodes"]] == list(range(len(view["nodes"])))
        assert view["result"] == len(view["nodes"]) - 1
        assert {node["gradient_text"] for node in before["nodes"]} == {"–"}
        assert len(view["edges"]) == sum(len(node.operands) for node in result.nodes())
        assert all(edge["source"] < edge["target"] for edge in view["edges"])


def test_torch_is_float64_in_the_proof():
    assert torch_gradients("x/3", {"x": 1})["value"] == torch.tensor(1 / 3, dtype=torch.float64).item()
