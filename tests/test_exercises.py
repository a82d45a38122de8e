"""Practice problems: every answer is a short decimal, every known mistake is named, nothing else is guessed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.autodiff import (
    LEVELS,
    MISTAKES,
    Blank,
    Line,
    Problem,
    check,
    check_gradients,
    evaluate,
    hints,
    make_problem,
)

SEEDS = range(60)


def problem_of(line, kind, answer):
    blank = Blank(0, kind, answer)
    return Problem(0, 3, "", {}, line.node, (), (line,), (blank,)), blank


# p = a·b with a = 3, b = −2, so p = −6; 5 arrives at p: ∂f/∂a = 5·(−2) = −10.
PRODUCT = Line("a", "p", "*", ("a", "b"), (3.0, -2.0), 0, -6.0, 3.0, 5.0, -2.0, (), -10.0)
# s = a + b with a = 3, b = −2, so s = 1; 5 arrives: ∂f/∂a = 5·1.
SUM = Line("a", "s", "+", ("a", "b"), (3.0, -2.0), 0, 1.0, 3.0, 5.0, 1.0, (), 5.0)
# e = x², x = 4, so e = 16; 3 arrives: ∂f/∂x = 3·2·4 = 24.
POWER = Line("x", "e", "**", ("x", "2"), (4.0, 2.0), 0, 16.0, 4.0, 3.0, 8.0, (), 24.0)
# b = 7 is used twice, and 4 and −9 come back.
USES = Line("b", "", "", (), (), 0, 0.0, 7.0, 0.0, 0.0, (4.0, -9.0), -5.0)


DIAGNOSES = [
    (PRODUCT, "local", -2, "3", "own value", "take b = -2"),
    (PRODUCT, "local", -2, "-10", "upstream included", "the 5 that arrives"),
    (PRODUCT, "local", -2, "2", "sign", "sign"),
    (PRODUCT, "local", -2, "-6", "forward value", "p's value"),
    (PRODUCT, "product", -10, "5*3", "own value", "take b = -2"),
    (PRODUCT, "product", -10, "-2", "upstream forgotten", "5 arrives at p"),
    (PRODUCT, "product", -10, "5", "local forgotten", "local derivative, -2"),
    (PRODUCT, "product", -10, "10", "sign", "5 · (-2)"),
    (PRODUCT, "product", -10, "-6", "forward value", "p's value"),
    (PRODUCT, "product", -10, "3", "forward value", "a's value"),
    (SUM, "local", 1, "-2", "sum as product", "a sum"),
    (SUM, "product", 5, "-10", "sum as product", "a sum"),
    (SUM, "product", 5, "1", "upstream forgotten", "5 arrives at s"),
    (SUM, "product", 5, "-5", "sign", "sign"),
    (POWER, "local", 8, "4", "exponent forgotten", "comes down"),
    (POWER, "product", 24, "12", "exponent forgotten", "comes down"),
    (POWER, "product", 24, "8", "upstream forgotten", "3 arrives at e"),
    (USES, "sum", -5, "4", "one use only", "4 + (-9)"),
    (USES, "sum", -5, "-9", "one use only", "4 + (-9)"),
    (USES, "sum", -5, "5", "sign", "4 + (-9)"),
    (USES, "sum", -5, "-36", "sum as product", "added, not multiplied"),
    (USES, "sum", -5, "7", "forward value", "b's value"),
    (PRODUCT, "product", -10, "123", "unknown", "fits no mistake"),
]


@pytest.mark.parametrize(("line", "kind", "answer", "given", "mistake", "names"), DIAGNOSES)
def test_every_mistake_is_diagnosed(line, kind, answer, given, mistake, names):
    problem, blank = problem_of(line, kind, float(answer))
    verdict = check(problem, blank, given)
    assert not verdict.correct
    assert verdict.mistake == mistake
    assert names in verdict.message
    assert verdict.message.endswith((".", "?"))


def test_a_rounded_answer_is_told_from_a_wrong_one():
    line = Line("x", "s", "*", ("x", "w"), (0.2, -0.25), 0, -0.05, 0.2, -1.169, -0.25, (), 0.29225)
    problem, blank = problem_of(line, "product", 0.29225)
    assert check(problem, blank, "0.29").mistake == "rounded"
    assert check(problem, blank, "0.2923").mistake == "rounded"
    assert check(problem, blank, "0.28").mistake == "unknown"


def test_every_mistake_of_the_list_has_such_a_test():
    assert {mistake for *_, mistake, _ in DIAGNOSES} | {"rounded"} == set(MISTAKES)


@pytest.mark.parametrize("text", ["-10", "-10.0", "−10", "-20/2", "5*-2", " 5 * (-2) ", "-1e1", "-(3 + 7)"])
def test_answers_may_be_decimals_fractions_and_expressions(text):
    problem, blank = problem_of(PRODUCT, "product", -10.0)
    verdict = check(problem, blank, text)
    assert verdict.correct
    assert verdict.message.startswith("Right. 5 arrives at p, times the local derivative -2.")


@pytest.mark.parametrize(
    "text", ["", "x", "1,5", "1/0", "((", "9**9**9", "1" * 100, "🙂", "\0", "__import__('os')", "nan"]
)
def test_what_is_no_number_gets_a_sentence(text):
    problem, blank = problem_of(PRODUCT, "product", -10.0)
    verdict = check(problem, blank, text)
    assert (verdict.correct, verdict.mistake, verdict.value) == (False, "", None)
    assert verdict.message.endswith(".")


@pytest.mark.parametrize("seed", SEEDS)
def test_problems_are_right_and_short(seed):
    problem = make_problem(seed, 3)
    result = problem.graph()
    result.backward()
    assert result.variables()[problem.variable].grad == pytest.approx(problem.answer, abs=1e-12)
    if "max" not in problem.expression and "relu" not in problem.expression:
        check_gradients(problem.expression, problem.values)
    for blank in problem.blanks:
        assert blank.answer == pytest.approx(round(blank.answer, 5), abs=1e-12)
        assert check(problem, blank, f"{round(blank.answer, 5)}").correct
        first, second = hints(problem, blank)
        assert first != second


@pytest.mark.parametrize("seed", SEEDS)
def test_levels_fade_the_same_problem(seed):
    worked, last, locals_too, everything = (make_problem(seed, level) for level in LEVELS)
    assert worked.lines == last.lines == locals_too.lines == everything.lines
    assert worked.blanks == ()
    assert [blank.answer for blank in last.blanks] == [worked.answer]
    contributions = [line for line in worked.lines if not line.is_sum]
    assert len(locals_too.blanks) == len(contributions) + 1
    assert len(everything.blanks) == len(contributions) + len(worked.lines)
    assert len({blank.key for blank in everything.blanks}) == len(everything.blanks)


def test_the_same_seed_is_the_same_problem():
    assert make_problem(7, 2) == make_problem(7, 2)
    assert len({(p.expression, *p.values.values()) for p in (make_problem(seed, 1) for seed in SEEDS)}) > 30
    assert any(make_problem(seed, 1).expression == "(x1*w1 + x2*w2) * (x3*w3 + x4*w4)" for seed in SEEDS)


@pytest.mark.parametrize(("seed", "level"), [(0, 4), (0, -1), (-1, 0)])
def test_what_is_out_of_range_is_refused(seed, level):
    with pytest.raises(ValueError, match="must be"):
        make_problem(seed, level)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.text(max_size=20))
def test_any_text_is_judged(seed, text):
    problem = make_problem(seed, 3)
    for blank in problem.blanks:
        verdict = check(problem, blank, text)
        assert verdict.message
        assert verdict.mistake in {"", *MISTAKES}


def test_a_problem_fits_its_graph():
    problem = make_problem(3, 3)
    assert evaluate(problem.expression, problem.values).data == problem.graph().data
    assert [node.name for node in problem.graph().nodes() if node.operands] == list(problem.labels)
