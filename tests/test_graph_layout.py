"""The layout of computation graphs: layers in order, nothing on top of anything, few crossings, quick at 200 nodes."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ui.graph.layout import Layout, layered

# The report's f: eight inputs, q t s g, p r, f.
REPORT = (
    (0, 8),
    (1, 8),
    (2, 9),
    (3, 9),
    (4, 10),
    (5, 10),
    (6, 11),
    (7, 11),
    (8, 12),
    (9, 12),
    (10, 13),
    (11, 13),
    (12, 14),
    (13, 14),
)


def dense_network(inputs: int, units: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Neurons with weights of their own on shared inputs, their outputs added up: many crossings cannot be avoided."""
    edges: list[tuple[int, int]] = []
    count = inputs
    total = None
    for _ in range(units):
        unit = None
        for source in range(inputs):
            weight, product = count, count + 1
            count += 2
            edges += [(source, product), (weight, product)]
            if unit is not None:
                edges += [(unit, count), (product, count)]
                product = count
                count += 1
            unit = product
        assert unit is not None
        if total is not None:
            edges += [(total, count), (unit, count)]
            unit = count
            count += 1
        total = unit
    return count, tuple(edges)


def check(layout: Layout, edges: tuple[tuple[int, int], ...]) -> None:
    for source, target in edges:
        assert layout.points[source][0] < layout.points[target][0], "edges run from left to right"
        between = [layer for layer, _ in layout.bends[(source, target)]]
        expected = range(int(layout.points[source][0]) + 1, int(layout.points[target][0]))
        assert between == list(expected), "an edge bends once in every layer that it passes"
    for layer in range(layout.layers):
        rows = sorted(row for column, row in layout.points if column == layer)
        assert rows, "no layer is empty"
        assert all(b - a >= 1 - 1e-6 for a, b in itertools.pairwise(rows)), "nodes of a layer do not touch"
    assert min(row for _, row in layout.points) >= 0
    assert max(row for _, row in layout.points) <= layout.rows + 1e-9


def test_the_reports_f_stands_as_in_the_report():
    layout = layered(15, REPORT)
    check(layout, REPORT)
    assert layout.crossings() == 0
    assert list(layout.points[:8]) == [(0, row) for row in range(8)], "inputs from top to bottom, as written"
    assert [layer for layer, _ in layout.points] == [0] * 8 + [1] * 4 + [2] * 2 + [3]


def test_crossings_are_counted():
    crossed = Layout(
        points=((0, 0), (0, 1), (1, 0), (1, 1)), bends={(0, 3): (), (1, 2): (), (0, 2): ()}, layers=2, rows=1
    )
    assert crossed.crossings() == 1


def test_a_square_has_both_of_its_edges():
    assert layered(2, ((0, 1), (0, 1))).points == ((0, 0), (1, 0))


def test_one_node_alone():
    assert layered(1, ()).points == ((0.0, 0.0),)


@pytest.mark.parametrize(("count", "edges"), [(0, ()), (2, ()), (2, ((0, 2),)), (4, ((0, 1), (2, 3)))])
def test_what_is_no_single_graph_is_refused(count, edges):
    with pytest.raises(ValueError):
        layered(count, edges)


def test_two_hundred_nodes_take_little_time_and_few_crossings():
    count, edges = dense_network(4, 16)
    assert 180 <= count <= 200
    started = time.process_time()
    layout = layered(count, edges)
    assert time.process_time() - started < 0.5
    check(layout, edges)
    # The lines cannot all be kept apart; in the order of writing, they cross about twice as often.
    rows = dict.fromkeys(range(layout.layers), 0)
    written = []
    for layer, _ in layout.points:
        written.append((layer, float(rows[int(layer)])))
        rows[int(layer)] += 1
    plain = Layout(tuple(written), dict.fromkeys(edges, ()), layout.layers, layout.rows)
    assert layout.crossings() < 0.6 * plain.crossings()


@st.composite
def graphs(draw):
    """Graphs as expressions make them: every node but the last is used, operands come first, and some twice."""
    leaves = draw(st.integers(1, 12))
    unused = list(range(leaves))
    edges: list[tuple[int, int]] = []
    count = leaves
    for _ in range(draw(st.integers(1, 30))):
        first = unused.pop(draw(st.integers(0, len(unused) - 1)))
        edges.append((first, count))
        if draw(st.booleans()):
            second = draw(st.integers(0, count - 1))
            edges.append((second, count))
            if second in unused:
                unused.remove(second)
        unused.append(count)
        count += 1
    while len(unused) > 1:
        edges += [(unused.pop(0), count), (unused.pop(0), count)]
        unused.append(count)
        count += 1
    return count, tuple(edges)


@given(graphs())
@settings(max_examples=80, deadline=None)
def test_any_expression_can_be_laid_out(graph):
    count, edges = graph
    check(layered(count, edges), edges)
