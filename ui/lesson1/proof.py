"""Prove it: every gradient beside PyTorch's, computed in a worker process, and beside the report's printed figures."""

from __future__ import annotations

import math
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import streamlit as st

from mlcore.autodiff import example_of
from mlcore.networks import torch_gradients
from mlcore.runtime import LimitReached
from ui.graph.picture import exact, readable
from ui.lesson1.state import REPORT, Lesson
from ui.runs import runtime

PATIENCE = 1.2  # seconds to wait within one run of the page
_STORE = "lesson1.proof"


def prove(lesson: Lesson) -> None:
    """Draw the section; it looks again every second until PyTorch has answered."""
    st.markdown(
        "The same expression goes through **PyTorch's autograd**, in a process of its own. Nothing of this page's own "
        "backward pass takes part there, so if both agree to the last digits, neither has it wrong by accident."
    )
    question = (lesson.expression.text, tuple(lesson.values.items()), tuple(lesson.ties.items()))
    asked = st.session_state.get(_STORE)
    if asked is None or asked[0] != question:
        try:
            future = runtime().submit_task(
                torch_gradients, lesson.expression.text, dict(lesson.values), dict(lesson.ties)
            )
        except LimitReached as full:
            st.info(str(full), icon=":material/hourglass_top:")
            return
        asked = st.session_state[_STORE] = (question, future)
    waiting = not _arrived(asked[1], PATIENCE)
    st.fragment(_answer, run_every=1.0 if waiting else None)(lesson, asked[1], waiting)


def _arrived(future: Future[Any], patience: float) -> bool:
    try:
        future.exception(timeout=patience)
    except NotYet:
        return False
    return True


def _answer(lesson: Lesson, future: Future[Any], waiting: bool) -> None:
    if not future.done():
        st.info(
            "PyTorch is starting in its worker; the first time takes a few seconds.", icon=":material/hourglass_top:"
        )
        return
    if waiting:
        st.rerun()
    if future.cancelled() or future.exception() is not None:
        st.warning("The worker did not answer. Ask once more.", icon=":material/error:")
        if st.button("Ask again", key="lesson1.prove.again"):
            st.session_state.pop(_STORE, None)
            st.rerun()
        return
    _table(lesson, future.result())


def _table(lesson: Lesson, proof: dict[str, Any]) -> None:
    printed = _printed(lesson)
    head = ["quantity", "this page", "PyTorch", "difference", *(["the report prints", "difference"] if printed else [])]
    rows = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    result = lesson.result.name or "result"
    worst, apart = 0.0, 0
    for name, ours, theirs in _lines(lesson, proof):
        label = f"{name}" if name == result else f"∂{result}/\u2060∂{name}"
        cells = [label, exact(ours), "–" if theirs is None else exact(theirs)]
        cells.append("–" if theirs is None else _difference(ours, theirs))
        if theirs is not None and math.isfinite(ours) and math.isfinite(theirs):
            worst = max(worst, abs(ours - theirs) / max(abs(theirs), 1e-300) if theirs else abs(ours))
        elif theirs is not None and str(ours) != str(theirs):
            apart += 1
        if printed:
            cells += [exact(printed[name]), _difference(ours, printed[name])] if name in printed else ["–", "–"]
        rows.append("| " + " | ".join(cells) + " |")
    st.markdown("\n".join(rows))
    if apart:
        st.markdown(
            f"{apart} of these quantities are not finite, and the two name them differently: where a value is lost, "
            "there is no right answer to agree on."
        )
    digits = "every digit" if worst == 0 else f"a relative difference of at most {readable(worst)}"
    start = "Elsewhere the" if apart else "The"
    st.markdown(
        f"{start} two agree to {digits}. A float holds about 16 digits, and differences below 1e−15 or so come from "
        "adding and multiplying in another order."
        if worst < 1e-9
        else f"The largest relative difference is {readable(worst)}."
    )
    if printed:
        st.caption(
            "PyTorch keeps the gradients of the inputs only, so the nodes between have none in its column. The report "
            "rounds what it prints; ours, rounded likewise, are the same figures."
        )
    elif example_of(lesson.expression.text) is REPORT:
        st.caption("The report's printed figures are for its own values; go back to them to see both side by side.")


def _printed(lesson: Lesson) -> dict[str, float]:
    """The report's figures, where what is on screen is what the report computed."""
    example = example_of(lesson.expression.text)
    same = example is not None and dict(lesson.values) == dict(example.values) and not lesson.ties
    return dict(example.printed) if example is not None and same else {}


def _lines(lesson: Lesson, proof: dict[str, Any]) -> list[tuple[str, float, float | None]]:
    """(name, ours, PyTorch's or None): the value, then the nodes between that the report prints, then the inputs."""
    by_node = {step.node.name: step.gradient for step in lesson.passed if step.node.operands}
    between = [name for name in _printed(lesson) if name in by_node and name != lesson.result.name]
    return [
        (lesson.result.name or "result", lesson.result.data, float(proof["value"])),
        *((name, by_node[name], None) for name in between),
        *((name, lesson.gradients[name], float(proof["gradients"][name])) for name in lesson.expression.names),
    ]


def _difference(ours: float, theirs: float) -> str:
    if math.isnan(ours) and math.isnan(theirs):
        return "both no value"
    if ours == theirs:
        return "0"
    return readable(abs(ours - theirs))
