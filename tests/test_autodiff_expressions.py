"""What the grammar reads, and the sentence for everything it does not."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.autodiff import ExpressionError, evaluate, parse

VALUES = {"x": 2.0, "y": -3.0}


@pytest.mark.parametrize(
    "text",
    [
        "-x**2",
        "2**-x**2",
        "2**3**2",
        "-2**2",
        "x--y",
        "8/2/2",
        "2-3-4",
        "2*x+3*-y",
        "--x",
        "+x",
        "x*-y**2",
        "(x)",
        ".5*x",
    ],
)
def test_precedence_is_pythons(text):
    assert evaluate(text, VALUES).data == eval(text, {}, VALUES)


def test_pasted_signs_are_read():
    assert evaluate("x·y − 3×x ÷ 2", VALUES).data == -6 - 3


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", None, "empty"),
        ("   ", None, "empty"),
        ("x^2", 2, "Write ** for a power"),
        ("x y", 3, "missing between x and y"),
        ("2x", 2, "missing between 2 and x"),
        ("sin x", 1, "sin needs brackets"),
        ("sin", 1, "sin needs brackets"),
        ("max(x)", 1, "takes 2 numbers, and it was given 1"),
        ("max(x, y, 1)", 1, "given 3"),
        ("sin(x, y)", 6, "comma"),
        ("0,5*x", 2, "write 0.5, not 0,5"),
        ("x*(y + 1", 3, "never closed"),
        ("x)", 2, "never opened"),
        ("x*()", 4, "nothing inside"),
        ("x +", 4, "missing after +"),
        ("x * / y", 5, "missing after *"),
        ("*x", 1, "missing before *"),
        ("x.real", 2, "dot"),
        ("x = 3", 3, "equals sign"),
        ("x[0]", 2, "round brackets"),
        ("x % 2", 3, "remainder"),
        ("f(x)", 1, "no function f"),
        ("2(x)", 2, "missing before the bracket"),
        ("1e999", 1, "too large"),
        ("9" * 5000, 1, "too large"),
        ("a" * 41, 1, "name is too long"),
        ("__import__('os')", 1, "no function __import__"),
        ("x\0", 2, "U+0000"),
        ("<b>x</b>", 1, "The character <"),
        ("🙂", 1, "U+1F642"),
        ("х + 1", 1, "letters a to z"),  # a Cyrillic х
        ("lambda: x", 7, "The character :"),
        ("x/(x - 2)", 2, "Division by zero: 2 / 0"),
        ("log(y)", 1, "above 0, and it was given -3"),
        ("9**9**9", 2, "Overflow"),
        ("(" * 2000, 1001, "nested deeper"),
        ("(" * 2000 + "x" + ")" * 2000, 1001, "nested deeper"),
        ("z + w", None, "There is no value for z and w"),
    ],
)
def test_every_fault_has_a_column_and_a_sentence(text, column, says):
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, VALUES)
    assert caught.value.column == column
    assert says in caught.value.sentence
    assert str(caught.value) == (f"Column {column}: " if column else "") + caught.value.sentence
    assert caught.value.sentence.endswith(".")
    assert len(caught.value.sentence) < 200


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "finite"),
        (math.inf, "finite"),
        ("2", "finite"),
        (None, "finite"),
        (True, "finite"),
        (10**400, "finite"),
    ],
)
def test_values_are_finite_numbers(value, says):
    with pytest.raises(ExpressionError, match=says):
        evaluate("x", {"x": value})


def test_ties_in_a_circle_are_refused():
    with pytest.raises(ExpressionError, match="circle"):
        evaluate("x*y", VALUES, ties={"x": "y", "y": "x"})
    assert evaluate("x*y", {"x": 3}, ties={"y": "x"}).data == 9


def test_names_come_in_the_order_of_the_text():
    assert parse("b*a + c*a").names == ("b", "a", "c")
    assert list(evaluate("b*a + c*a", {"a": 1, "b": 2, "c": 3}).variables()) == ["b", "a", "c"]


def test_labels_never_clash_with_variables():
    result = evaluate("v1*v2 + f", {"v1": 1, "v2": 2, "f": 3})
    names = [node.name for node in result.nodes()]
    assert len(set(names)) == len(names)
    assert [node.name for node in evaluate("x*y + 1", VALUES, labels=("x", "g")).nodes() if node.operands] == [
        "v1",
        "f",
    ]


def test_a_limit_of_the_callers_choice():
    parse("x + x", limit=3)
    with pytest.raises(ExpressionError, match="more than 3 parts"):
        parse("x + x + x", limit=3)
    with pytest.raises(ExpressionError, match="characters"):
        parse("x" + " " * 100, limit=3)


HOSTILE = [
    "x+" * 50_000,
    "(" * 100_000,
    "-" * 100_000 + "x",
    "x**" * 10_000 + "x",
    "x+" * 19_000 + "x",
    "sin(" * 5_000 + "x" + ")" * 5_000,
    "9" * 39_000,
    "a" * 39_000,
    "9**" * 5_000 + "9",
    "max(" * 900 + "x",
    "\n" * 39_999,
    "().__class__.__bases__[0]",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_costs_little(text):
    parse("x + 1")
    seconds = []
    for _ in range(3):
        began = time.process_time()
        with pytest.raises(ExpressionError):
            evaluate(text, VALUES)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.1


ALPHABET = st.sampled_from(
    [*"xy019.,()+-*/^ \t\n\0_eE'\"[]{}<>=:;#\\%&!~`$@|?√−×·", "sin", "max(", "**", "1e9", "🙂", "х", "\u202e"]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(ALPHABET, max_size=40).map("".join), st.text(max_size=60)))
def test_fuzzed_text_gives_a_number_or_a_sentence(text):
    try:
        result = evaluate(text, VALUES)
    except ExpressionError as error:
        assert error.column is None or 1 <= error.column <= len(text) + 1
        assert "\n" not in str(error)
    else:
        assert math.isfinite(result.data)
