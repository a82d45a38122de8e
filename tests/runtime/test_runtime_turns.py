"""Whose turn it is, and the share of the machine each run has."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mlcore.runtime import turns
from mlcore.runtime.turns import Turns, shares


def test_visitors_take_turns_whatever_the_number_of_their_runs():
    waiting = [("many", f"m{number}") for number in range(10)] + [("one", "o")]
    choose = Turns().choose
    counts = Counter(choose(waiting) for _ in range(40))
    assert counts["o"] == 20
    assert {counts[f"m{number}"] for number in range(10)} == {2}


def test_a_tenth_run_does_not_delay_anothers_first():
    choose = Turns().choose
    waiting = [("many", f"m{number}") for number in range(10)]
    for _ in range(25):
        choose(waiting)
    waiting.append(("late", "first"))
    assert choose(waiting) == "first", "who never had a turn comes first"


def test_leaving_and_coming_back_gains_nothing():
    choose = Turns().choose
    both = [("a", "a1"), ("b", "b1")]
    assert [choose(both) for _ in range(2)] == ["a1", "b1"]
    assert choose([("a", "a1")]) == "a1"
    assert choose([("a", "a2"), ("b", "b1")]) == "b1", "a new run of a visitor who just had a turn"


def test_nobody_waiting():
    assert Turns().choose([]) is None


@hypothesis_settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_nobody_waits_longer_than_one_round(runs_of_visitor):
    waiting = [
        (f"v{number}", f"v{number}r{run}") for number, count in enumerate(runs_of_visitor) for run in range(count)
    ]
    choose = Turns().choose
    order = [choose(waiting) for _ in range(len(runs_of_visitor) * max(runs_of_visitor))]
    for number in range(len(runs_of_visitor)):
        turns_of_visitor = [place for place, run in enumerate(order) if run.startswith(f"v{number}r")]
        gaps = {after - before for before, after in itertools.pairwise(turns_of_visitor)}
        assert gaps <= {len(runs_of_visitor)}
    assert set(order) == {run for _, run in waiting}


def test_memory_of_past_visitors_is_bounded(monkeypatch):
    monkeypatch.setattr(turns, "REMEMBERED", 50)
    item = Turns()
    for number in range(500):
        item.choose([(f"v{number}", f"r{number}")])
    assert len(item._visitors) <= 50
    assert len(item._runs) <= 50


@pytest.mark.parametrize(
    ("active", "workers", "expected"),
    [
        ([("a", "1")], 1, {"1": 1.0}),
        ([("a", "1"), ("b", "2")], 1, {"1": 0.5, "2": 0.5}),
        ([("a", "1"), ("a", "2"), ("b", "3")], 1, {"1": 0.25, "2": 0.25, "3": 0.5}),
        ([("a", "1"), ("b", "2")], 4, {"1": 1.0, "2": 1.0}),
        ([], 1, {}),
    ],
)
def test_shares(active, workers, expected):
    assert shares(active, workers) == expected
