"""Practise: a small problem from a seed, its solution line by line, with more blanks the higher the level."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from mlcore.autodiff.answers import check, figure, hints, reason
from mlcore.autodiff.exercises import LEVELS, Blank, Line, Problem, make_problem
from ui.fields import show_problems, whole_field
from ui.graph.component import graph
from ui.graph.picture import forward_count, picture
from ui.lesson1.sheet import Sheet
from ui.links import LinkState

NAMES = {0: "0 Worked", 1: "1 Last", 2: "2 Local", 3: "3 All"}
MOST_SEED = 999_999
# Of this sitting: (seed, level, blank) -> whether its first answer was right; problems solved, shown; hints asked for.
_FIRST, _SOLVED, _SHOWN, _HINTS = "lesson1.first", "lesson1.solved", "lesson1.shown", "lesson1.hints"


@st.fragment
def practise(state: LinkState) -> None:
    """The level, the problem, its lines with blanks, and what is said about each answer."""
    st.markdown(
        "Work a gradient out yourself. Answers may be decimals, fractions or products: `-0.25`, `-1/4`, `-0.5*0.5`. "
        "Every problem can be skipped."
    )
    problem = _choose(state)
    sheet = _sheet(problem)
    _statement(problem, revealed=sheet.shown or sheet.solved)
    for number, line in enumerate(problem.lines):
        _line(sheet, number, line)
    _after(state, sheet)
    _score()


def plain(sentence: str) -> str:
    """A sentence with formulas in it, with nothing left that Markdown would take for its own."""
    sentence = re.sub(r"(?<![\w.])-(?=\d)", "−", sentence)
    return re.sub(r"([*_$:\[\]~`<>])", r"\\\1", sentence)


def _choose(state: LinkState) -> Problem:
    left, right, more = st.columns([4, 1, 1], vertical_alignment="bottom")
    with left:
        level = st.segmented_control(
            "Level", list(LEVELS), format_func=NAMES.__getitem__, key=state.key("level"), required=True
        )
    wrong: list[str] = []
    with right:
        whole_field("Problem", key="seed", state=state, low=0, high=MOST_SEED, say=wrong.append)
    state.sync()
    more.button(
        "Next",
        icon=":material/skip_next:",
        on_click=lambda: state.set(seed=(state["seed"] + 1) % (MOST_SEED + 1)),
        key="lesson1.next",
        help="Another problem. One that is skipped is not counted.",
        width="stretch",
    )
    show_problems(wrong)
    st.caption(LEVELS[int(level or 0)])
    return make_problem(state["seed"], int(level or 0))


def _field(problem: Problem, blank: Blank) -> str:
    return f"lesson1.answer.{problem.seed}.{problem.level}.{blank.key}"


def _sheet(problem: Problem) -> Sheet:
    """Judge the answers in the fields, which Streamlit already holds when the page runs; count the first ones."""
    shown = (problem.seed, problem.level) in st.session_state.setdefault(_SHOWN, set())
    first: dict[Any, bool] = st.session_state.setdefault(_FIRST, {})
    verdicts = {}
    for blank in problem.blanks:
        given = st.session_state.get(_field(problem, blank)) or ""
        if given.strip() and not shown:
            verdict = verdicts[blank.key] = check(problem, blank, given)
            if verdict.value is not None:
                first.setdefault((problem.seed, problem.level, blank.key), verdict.correct)
    return Sheet(problem, verdicts, shown)


def _statement(problem: Problem, *, revealed: bool) -> None:
    given = ", ".join(f"{name}\u00a0=\u00a0{figure(value)}" for name, value in problem.values.items())
    st.markdown(f"**f = {plain(problem.expression)}** with {plain(given)}.  \nWhat is **∂f/∂{problem.variable}**?")
    result = problem.graph()
    passed = tuple(result.backward_steps()) if revealed else ()
    drawn = picture(result, passed)
    if not revealed:
        # The local derivatives are what is asked for.
        drawn["edges"] = [{**edge, "local": ""} for edge in drawn["edges"]]
    graph(
        drawn,
        step=forward_count(result) + len(passed),
        picked=None,
        key="lesson1.practice.graph",
        on_step=lambda number: None,
        on_open=lambda node: None,
        bare=True,
    )


def _line(sheet: Sheet, number: int, line: Line) -> None:
    """One line of the solution: the formula with what is known, then a field for each blank with what is said of it."""
    with st.container(key=f"lesson1_line_{number}", gap="small"):
        st.markdown(f"{number + 1}. ${sheet.formula(number)}$")
        if sheet.problem.level == 0 or sheet.shown:
            blank = Blank(number, "sum" if line.is_sum else "product", line.answer)
            st.caption(plain(reason(line, blank)))
            return
        asked = {
            "local": f"Local derivative ∂{line.user}/∂{line.node}",
            "product": "Product",
            "sum": f"Sum, ∂f/∂{line.node}",
        }
        with st.container(horizontal=True, gap="small"):
            for blank in sheet.blanks(number):
                key = _field(sheet.problem, blank)
                st.text_input(asked[blank.kind], key=key, width=200, max_chars=200, autocomplete="off")
        for blank in sheet.blanks(number):
            _said(sheet, blank, asked[blank.kind] if len(sheet.blanks(number)) > 1 else "")


def _said(sheet: Sheet, blank: Blank, about: str) -> None:
    verdict = sheet.verdicts.get(blank.key)
    if verdict is not None:
        icon = ":green[:material/check_circle:]" if verdict.correct else ":orange[:material/edit:]"
        st.markdown(f"{icon} {f'{about}: ' if about else ''}{plain(verdict.message)}")


def _after(state: LinkState, sheet: Sheet) -> None:
    """Hints while there is something to find, the next thing to do when there is not."""
    problem = sheet.problem
    if problem.level == 0:
        st.button("The same with a blank", on_click=lambda: state.set(level=1), key="lesson1.up")
    elif sheet.shown:
        st.caption("The solution is shown, so this problem is not counted.")
    elif sheet.solved:
        st.session_state.setdefault(_SOLVED, set()).add((problem.seed, problem.level))
        st.success(f"Solved: ∂f/∂{problem.variable} = {figure(problem.answer)}.", icon=":material/task_alt:")
        if problem.level < 3:
            more = problem.level + 1
            st.button("The same with more blanks", on_click=lambda: state.set(level=more), key="lesson1.up")
    else:
        _help(sheet)


def _help(sheet: Sheet) -> None:
    """Hints for the first blank that is not right yet, and the way out."""
    problem = sheet.problem
    blank = next(blank for blank in problem.blanks if not sheet.right(blank))
    place = (problem.seed, problem.level, blank.key)
    asked: dict[Any, int] = st.session_state.setdefault(_HINTS, {})
    told = hints(problem, blank)
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "Hint", icon=":material/lightbulb:", disabled=asked.get(place, 0) >= len(told), key="lesson1.hint"
        ):
            asked[place] = asked.get(place, 0) + 1
        st.button(
            "Show the solution",
            type="tertiary",
            on_click=lambda: st.session_state[_SHOWN].add((problem.seed, problem.level)),
            key="lesson1.show",
        )
    for hint in told[: asked.get(place, 0)]:
        st.info(f"Line {blank.line + 1}: {plain(hint)}", icon=":material/lightbulb:")


def _score() -> None:
    solved, first = st.session_state.get(_SOLVED, set()), st.session_state.get(_FIRST, {})
    if first:
        problems = "1 problem" if len(solved) == 1 else f"{len(solved)} problems"
        right = sum(first.values())
        st.caption(f"This sitting: {problems} solved, {right} of {len(first)} answers right at the first try.")
