"""The reports' figures: that they are the printed ones where they can be worked out again, and that configs match."""

from __future__ import annotations

import pytest

from mlcore.experiments import reports


def test_worked_example_of_r2_works_out():
    """The printed nodes and gradients follow from the printed inputs, by the chain rule written out by hand."""
    v = dict(reports.R2_INPUTS)
    q, t, s, g = (v[f"x{i}"] * v[f"w{i}"] for i in (1, 2, 3, 4))
    p, r = q + t, s + g
    expected = {"q": q, "t": t, "s": s, "g": g, "p": p, "r": r, "f": p * r}
    assert reports.R2_NODES == pytest.approx(expected)
    upstream = {1: r, 2: r, 3: p, 4: p}
    for i, gradient in upstream.items():
        assert reports.R2_GRADIENTS[f"x{i}"] == pytest.approx(gradient * v[f"w{i}"], abs=5e-5)
        assert reports.R2_GRADIENTS[f"w{i}"] == pytest.approx(gradient * v[f"x{i}"], abs=5e-5)


def test_table1_has_every_cell_once_and_its_test_images():
    cells = {(cell.activation, cell.train_fraction) for cell in reports.TABLE1}
    assert cells == {(a, f) for a in reports.R1_ACTIVATIONS for f in reports.R1_FRACTIONS}
    assert [cell.images for cell in reports.TABLE1] == [7000, 14000, 21000] * 2
    assert reports.table1_cell("relu", 0.8).accuracy == 0.8789
    with pytest.raises(KeyError, match="no cell for sigmoid"):
        reports.table1_cell("sigmoid", 0.8)


def test_r1_config_is_the_reports_and_the_practised_one_differs_in_the_start_only():
    theirs, today = reports.r1_config("tanh", 0.7), reports.practised_config(activation="tanh", train_fraction=0.7)
    assert theirs.model_dump() == {
        "source": "mnist",
        "learning_rate": 0.01,
        "batch_size": 22,
        "epochs": 25,
        "seed": 52,
        "kind": "scratch",
        "train_fraction": 0.7,
        "hidden": (128, 64),
        "activation": "tanh",
        "initializer": "normal",
        "bias": 1.0,
    }
    differing = {name for name, value in theirs if value != getattr(today, name)}
    assert differing == {"initializer", "bias"}


def test_522_bias_terms_are_explained_by_arithmetic(monkeypatch):
    text = reports.bias_terms_explained()
    assert "add up to 202" in text
    assert "522 is 256 + 256 + 10" in text
    monkeypatch.setattr(reports, "R1_BIAS_TOTAL", 500)
    assert "500 is not 256 + 256 + 10" in reports.bias_terms_explained()


def test_r2_variants_are_configs_of_the_right_size():
    assert reports.r2_config("A").parameters == 67_466
    assert reports.r2_config("B", "as_run").parameters == 399_498
    described = reports.r2_config("A", "described")
    assert (described.dropout, described.learning_rate, described.step_size, described.gamma) == (0.3, 0.01, 10, 0.1)
    as_run = reports.r2_config("A", "as_run")
    assert as_run.learning_rate == 0.001 and as_run.step_size is None and as_run.initializer == "xavier"
    # 0.01 cut to a tenth every 10 epochs is 1e-7 after 50, as the note says.
    assert described.learning_rate * described.gamma ** (50 // described.step_size) == pytest.approx(1e-7)
    assert reports.R2_EXPERIMENTS["A1"].seconds_per_epoch == pytest.approx(16.466)
