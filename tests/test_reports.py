"""The reports' figures: that they are the printed ones where they can be worked out again, and that configs match."""

from __future__ import annotations

import pytest

from mlcore.experiments import reports


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


def test_the_reports_seconds_are_of_500_epochs():
    assert reports.R2_EXPERIMENTS["A1"].seconds_per_epoch == pytest.approx(16.466)
