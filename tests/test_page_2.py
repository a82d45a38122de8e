"""Lesson 2 without a browser: every section opens, what it shows is computed, and no input breaks it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mlcore.data.mnist import open_source
from mlcore.data.splits import split_fraction
from mlcore.experiments.configs import ScratchConfig
from mlcore.experiments.metrics import percent_text
from mlcore.experiments.mistakes import answers_for_digit, cell_of
from mlcore.experiments.reports import practised_config, r1_config
from mlcore.experiments.table1 import read_table1
from mlcore.experiments.torch_comparison import differences, step_by_torch, torch_arguments
from mlcore.records import Checkpoint, ScratchEpoch
from mlcore.runtime import StoreUnavailable, new_token
from mlcore.scratch.glass import one_step
from mlcore.scratch.gradcheck import AGREES, gradient_check
from mlcore.scratch.trainer import network_of, train
from tests.conftest import ROOT
from ui.lesson2 import SECTIONS, compare, explorer, results, scripts, start, time_machine
from ui.lesson2.choose import parameter_rows
from ui.lesson2.curves import report_levels
from ui.lesson2.formulas import number, sum_formula
from ui.lesson2.results import named_confusions, prediction_words
from ui.lesson2.selected import NotKept, network_at, run_labels
from ui.lesson2.state import CONFIG_FIELDS, NAMES, parameters, presets
from ui.lesson2.training import read_per_cent
from ui.runs import runtime

PAGE = str(ROOT / "pages" / "2_Network_from_scratch.py")
CONFIG = practised_config(source="sample", epochs=4, hidden=(12,), seed=7)


@dataclass(frozen=True)
class Trained:
    """A finished run of a visitor."""

    token: str
    run_id: str


def wait_for(token: str, run_id: str, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        view = runtime().run(token, run_id)
        runtime().touch(token, run_id)
        if view is not None and view.over:
            return
        time.sleep(0.1)
    raise AssertionError(f"the run did not end: {view}")


@pytest.fixture(scope="module")
def trained() -> Trained:
    token = new_token()
    run_id = runtime().submit(token, CONFIG, prediction={"accuracy": 0.5, "reason": "a *guess*"})
    wait_for(token, run_id)
    return Trained(token, run_id)


def opened(section: str, params: dict[str, str] | None = None, trained: Trained | None = None) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.query_params["section"] = section
    if trained is not None:
        page.query_params["me"] = trained.token
        page.query_params["run"] = trained.run_id
    for name, value in (params or {}).items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    assert not any("Something went wrong" in error.value for error in page.error)
    return page


def said(page: AppTest) -> str:
    """All the words on the page."""
    parts = [
        element.value
        for kind in ("markdown", "caption", "info", "warning", "success", "metric")
        for element in page.get(kind)
    ]
    parts += [element.proto.body for element in page.get("html")]
    return "\n".join(map(str, parts))


def button(page: AppTest, label: str) -> Any:
    return next(item for item in page.button if item.label == label)


def field(page: AppTest, label: str) -> Any:
    return next(item for item in page.text_input if item.label == label)


class TestPage:
    @pytest.mark.parametrize("section", list(NAMES))
    def test_every_section_opens_cold_without_a_run(self, section):
        page = opened(section)
        assert page.title[0].value == "Network from scratch"

    @pytest.mark.parametrize("section", list(NAMES))
    def test_every_section_opens_cold_on_a_run(self, section, trained):
        opened(section, trained=trained)

    @pytest.mark.parametrize(
        ("section", "params"), [("digits", {}), ("results", {"true": "3", "taken_for": "3"}), ("time", {})]
    )
    def test_many_images_are_one_picture(self, section, params, trained):
        assert len(opened(section, params, trained).get("image")) == 1

    def test_sections_and_names_agree(self):
        assert list(SECTIONS) == list(NAMES)

    def test_hostile_parameters_are_named_and_defaults_stand(self):
        page = opened(
            "train", {"hidden": "9" * 50, "learning_rate": "nan", "epochs": "-3", "nonsense": "<b>", "cell": "x"}
        )
        assert "cannot be used" in said(page)
        assert field(page, "Learning rate").value == "0.01"
        assert field(page, "Epochs").value == "25"
        assert "nonsense" in said(page)

    def test_a_section_that_was_taken_back_stays_open(self):
        """Escape takes the choice of segmented buttons back; the page must not stop then."""
        page = opened("train")
        page.session_state["scratch.section"] = None
        page.run()
        assert not page.exception and not page.error
        assert "Choose" in [heading.value for heading in page.subheader]

    def test_a_run_of_somebody_else_is_not_shown(self, trained):
        other = opened("results", {"run": trained.run_id, "me": new_token()})
        assert "belongs to another browser" in said(other)
        assert not other.metric

    @pytest.mark.parametrize("section", ["train", "results", "time", "table1", "compare"])
    def test_while_the_database_does_not_answer_its_sentence_is_shown(self, section, trained, monkeypatch):
        def down(*_: object) -> None:
            raise StoreUnavailable("The database does not answer.")

        page = opened(section, {"live": "table1-x"}, trained)
        for name in ("run", "runs", "epochs"):
            monkeypatch.setattr(type(runtime()), name, down)
        page.run()
        assert not page.exception and not page.error
        assert "The database does not answer." in said(page)

    def test_every_parameter_survives_the_link(self):
        """What a link says is read back to the same value: all configs, all view settings."""
        for param in parameters():
            assert param.parse(param.show(param.default)) == param.default


class TestDigits:
    def test_a_training_part_without_one_of_the_digits_is_shown_too(self):
        page = opened("digits", {"train_fraction": "0.01", "seed": "0"})
        assert "Drawn from the 50 training images" in said(page)

    def test_counts_and_split_are_the_data(self):
        page = opened("digits", {"train_fraction": "0.7", "seed": "3"})
        text = said(page)
        assert "3,500 images to learn from, 1,500 to be judged on" in text
        assert "3,500 training" in text and "4,500 training" in text
        button(page, "90–10").click().run()
        assert "4,500 images to learn from, 500 to be judged on" in said(page)
        assert page.query_params["train_fraction"] == "0.9"

    def test_splits_are_nested_and_share_the_last_tenth(self):
        parts = [split_fraction(5000, fraction, 52) for fraction in (0.7, 0.8, 0.9)]
        for smaller, larger in itertools.pairwise(parts):
            assert set(smaller.train) < set(larger.train)
        assert set(parts[2].test) <= set(parts[0].test) & set(parts[1].test)


class TestForm:
    def test_starts_as_the_report_on_the_sample(self):
        page = opened("train")
        assert [field(page, label).value for label in ("Hidden layers", "Learning rate", "Batch size", "Seed")] == [
            "128,64",
            "0.01",
            "22",
            "52",
        ]
        assert "109,386 numbers to learn, 4,000 images" in said(page)

    @pytest.mark.parametrize(
        ("label", "typed"),
        [
            ("Hidden layers", "1000000000"),
            ("Hidden layers", "1,2,3,4,5,6"),
            ("Hidden layers", "a lot"),
            ("Learning rate", "-0.1"),
            ("Learning rate", "1e400"),
            ("Learning rate", "NaN"),
            ("Learning rate", ""),
            ("Batch size", "0"),
            ("Epochs", "2.5"),
            ("Seed", "-1"),
            ("Initial bias", "<script>"),
            ("Training share", "0.95"),
        ],
    )
    def test_a_bad_value_gets_a_sentence_and_the_last_good_one_stays(self, label, typed):
        page = opened("train")
        field(page, label).set_value(typed).run()
        assert not page.exception
        assert "field-problem" in said(page)
        assert "109,386 numbers to learn" in said(page)
        assert button(page, "Train").disabled, "what would be trained does not stand in the form"
        button(page, "As practised today").click().run()
        assert not button(page, "Train").disabled

    def test_presets_fill_the_form_and_differ_in_the_start_alone(self):
        page = opened("train")
        button(page, "As practised today").click().run()
        assert field(page, "Initial bias").value == "0.0"
        assert page.query_params["initializer"] == "he"
        assert "the initial weights and the initial bias alone" in said(page)
        report, today = (preset.changes for preset in presets().values())
        assert {name for name in CONFIG_FIELDS if report[name] != today[name]} == {"initializer", "bias"}

    def test_the_activation_follows_presets_and_links_and_keeps_its_one_key(self):
        """With its value in the key, two quick choices made the page run for ever."""
        page = opened("train", {"activation": "sigmoid"})
        assert page.selectbox(key="activation").value == "sigmoid"
        for choice in ("tanh", "relu", "tanh"):
            page.selectbox(key="activation").set_value(choice).run()
            assert page.selectbox(key="activation").value == choice
        button(page, "ReLU at rate 1").click().run()
        assert page.selectbox(key="activation").value == "relu"
        page.selectbox(key="activation").set_value("each").run()
        page.selectbox(key="activation.1").set_value("tanh").run()
        assert page.query_params["activation"] in ("relu,tanh", ["relu,tanh"])

    def test_failures_fill_the_form(self):
        page = opened("train")
        button(page, "ReLU at rate 1").click().run()
        assert field(page, "Learning rate").value == "1.0"

    def test_one_activation_per_layer(self):
        page = opened("train", {"hidden": "20,10", "activation": "relu,tanh"})
        assert [box.value for box in page.selectbox if box.label.startswith("Layer ")] == ["relu", "tanh"]
        field(page, "Hidden layers").set_value("20, 10, 5").run()
        assert [box.value for box in page.selectbox if box.label.startswith("Layer ")] == ["relu", "tanh", "tanh"]
        assert page.query_params["activation"] == "relu,tanh,tanh"

    def test_parameter_table_counts_rightly(self):
        rows = parameter_rows((784, 128, 64, 10))
        assert rows["weights"][-1] == "**109,184**"
        assert rows["biases"] == ["128", "64", "10", "**202**"]
        assert rows["together"] == ["100,480", "8,256", "650", "**109,386**"]
        assert "add up to 202" in said(opened("train"))


class TestTraining:
    def test_prediction_and_reason_are_kept_with_the_run(self):
        token = new_token()
        page = opened("train", {"me": token, "epochs": "2", "hidden": "8", "initializer": "he"})
        field(page, "Test accuracy after epoch 2, in %").set_value("88 %").run()
        field(page, "Because …").set_value("small but well started").run()
        button(page, "Train").click().run()
        assert not page.exception
        run_id = page.query_params["run"]
        view = runtime().run(token, run_id)
        assert view.prediction == {"accuracy": 0.88, "reason": "small but well started"}
        assert view.config == r1_config(source="sample", epochs=2, hidden=(8,), initializer="he")
        wait_for(token, run_id)
        page.run()
        assert "You predicted **88.0 %**" in said(page)

    def test_a_run_of_the_page_ends_on_the_numbers_of_the_command_shown_beside_it(self):
        token = new_token()
        page = opened("train", {"me": token, "epochs": "2", "activation": "tanh", "train_fraction": "0.7"})
        command = next(block.value for block in page.code if block.value.startswith("python -m mlcore train scratch"))
        done = subprocess.run(
            [sys.executable, *command.split()[1:], "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        *epochs, last = map(json.loads, done.stdout.splitlines())
        button(page, "Train").click().run()
        run_id = page.query_params["run"]
        wait_for(token, run_id)
        ours = runtime().epochs(token, run_id)
        assert [{**epoch.figures(), "seconds": 0} for epoch in ours] == [{**epoch, "seconds": 0} for epoch in epochs]
        assert [list(row) for row in ours[-1].confusion] == last["summary"]["confusion"]
        page.run()
        assert f"After epoch **2**: test accuracy **{percent_text(epochs[-1]['test_accuracy'])}**" in said(page)

    def test_a_double_click_trains_once_and_equal_runs_have_names_of_their_own(self, monkeypatch):
        token = new_token()
        settings = {"me": token, "epochs": "1", "hidden": "4"}
        page = opened("train", settings)
        button(page, "Train").click().run()
        first = page.query_params["run"]
        button(page, "Train").click().run()
        assert page.query_params["run"] == first and len(runtime().runs(token)) == 1
        monkeypatch.setattr("ui.runs.DOUBLE_CLICK_SECONDS", 0.0)
        button(page, "Train").click().run()
        second = page.query_params["run"]
        for run_id in (first, second):
            wait_for(token, run_id)
        labels = run_labels(runtime().runs(token))
        assert len(set(labels.values())) == 2
        page = opened("results", {"me": token, "run": first})
        assert next(box for box in page.selectbox if box.label == "Run").value == first
        next(box for box in page.selectbox if box.label == "Run").set_value(second).run()
        assert page.query_params["run"] == second

    def test_a_link_to_a_run_carries_its_settings(self):
        token = new_token()
        page = opened("train", {"me": token, "epochs": "1", "hidden": "4"})
        button(page, "Train").click().run()
        other = runtime().fork(token, page.query_params["run"], {"learning_rate": 0.25})
        wait_for(token, other)
        page = opened("results", {"me": token, "run": page.query_params["run"], "epochs": "1", "hidden": "4"})
        next(box for box in page.selectbox if box.label == "Run").set_value(other).run()
        assert page.query_params["learning_rate"] == "0.25"

    def test_the_command_beside_a_run_is_that_of_the_run_and_not_of_the_form(self, trained):
        def command(page):
            return next(block.value for block in page.code if block.value.startswith("python -m mlcore train scratch"))

        page = opened("train", {"epochs": "9", "me": new_token()})
        assert "--epochs 9" in command(page)
        page = opened("train", {"epochs": "9"}, trained)
        assert "--hidden 12" in command(page) and "--epochs 4" in command(page)
        assert "The run above on the command line" in said(page)

    @pytest.mark.parametrize(("typed", "share"), [("", None), ("90", 0.9), ("90 %", 0.9), ("100", 1.0)])
    def test_accuracies_are_typed_in_per_cent(self, typed, share):
        assert read_per_cent(typed) == share

    def test_nonsense_as_accuracy_is_refused_in_a_sentence(self):
        for typed in ("ninety", "101", "-3", "1e400", "nan"):
            with pytest.raises(ValueError, match=f"^“{typed}” is no share in per cent. Write a number from 0 to 100"):
                read_per_cent(typed)

    def test_report_levels_only_for_the_reports_own_settings(self):
        theirs = {"loss": {"report: 0.44": 0.44}, "accuracy": {"report: 87.89 %": 0.8789}}
        assert report_levels(r1_config("relu", 0.8)) == theirs
        nothing = {"loss": {}, "accuracy": {}}
        assert report_levels(r1_config("relu", 0.8, source="sample")) == nothing
        assert report_levels(practised_config()) == nothing


class TestResults:
    def test_prediction_is_set_beside_the_outcome(self, trained):
        page = opened("results", trained=trained)
        assert "You predicted **50.0 %**" in said(page)
        assert "`a *guess*`" in said(page)

    def test_inside_the_interval_is_said(self):
        epoch = ScratchEpoch(epoch=1, train_loss=1, train_accuracy=1, seconds=1, test_loss=1, test_accuracy=0.9)
        assert "inside the interval" in prediction_words({"accuracy": 0.89, "reason": ""}, epoch, (0.88, 0.92))
        assert "20.0 points too low" in prediction_words({"accuracy": 0.7}, epoch, (0.88, 0.92))
        assert prediction_words(None, epoch, (0.88, 0.92)) == ""

    def test_a_guess_about_table_1_is_told_but_not_judged_as_one_about_this_run(self):
        epoch = ScratchEpoch(epoch=1, train_loss=1, train_accuracy=1, seconds=1, test_loss=1, test_accuracy=0.9)
        kept = {"suspect": "the split", "table1_he_accuracy": 0.95, "reason": "more to `learn` from"}
        words = prediction_words(kept, epoch, (0.88, 0.92))
        assert words == (
            "Before Table 1 you suspected **the split**. For ReLU 80–20 with the costly choice put right, on all of "
            "MNIST, you predicted **95.0 %**. Your reason: `more to learn from`"
        )

    def test_named_confusions_are_ranked_by_count(self):
        confusion = np.full((10, 10), 2)
        np.fill_diagonal(confusion, 100)
        confusion[4, 9], confusion[7, 2] = 30, 31
        text = named_confusions(confusion)
        assert "4→9 30 times (rank 2)" in text
        assert "most frequent one is 7→2, 31 times" in text

    def test_images_behind_a_cell_are_those_counted_in_it_surest_first(self, trained):
        digits = open_source("sample")
        test = split_fraction(len(digits), CONFIG.train_fraction, CONFIG.seed).test
        network = network_of(CONFIG, runtime().checkpoint(trained.token, trained.run_id))
        confusion = runtime().epochs(trained.token, trained.run_id)[-1].confusion
        for true in (4, 9):
            answers = answers_for_digit(network, digits, test, true)
            for taken_for in range(10):
                cell = cell_of(answers, taken_for)
                assert len(cell) == confusion[true][taken_for]
                assert (digits.labels[cell.rows] == true).all()
                sure = cell.probabilities[:, taken_for]
                assert (np.diff(sure) <= 0).all()
            assert answers.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)

    def test_the_explorer_counts_the_cell(self, trained):
        confusion = runtime().epochs(trained.token, trained.run_id)[-1].confusion
        page = opened("results", {"true": "3", "taken_for": "3"}, trained)
        assert f"**{confusion[3][3]:,}** of the {sum(confusion[3]):,} test images of **3** were recognised" in said(
            page
        )

    def test_answers_of_another_epoch_are_said_to_be_that(self, trained, monkeypatch):
        monkeypatch.setattr(explorer, "network_at", lambda view, epoch: network_at(view, epoch - 1))
        page = opened("results", {"true": "3", "taken_for": "3"}, trained)
        assert "The weights after epoch 4 are not kept. These are the answers after epoch 3" in said(page)

    def test_a_run_without_weights_is_said_to_have_none(self, trained, monkeypatch):
        def none(view: object, epoch: int) -> None:
            raise NotKept

        monkeypatch.setattr(explorer, "network_at", none)
        assert "not kept any more" in said(opened("results", {"true": "3", "taken_for": "5"}, trained))
        monkeypatch.setattr(time_machine, "network_at", none)
        time_machine.weights_picture.clear()
        page = opened("time", trained=trained)
        assert "The weights of this epoch are not kept." in said(page)
        # That is not remembered: once they are there, they are shown.
        monkeypatch.undo()
        page.run()
        assert "not kept" not in said(page)


class TestTimeMachine:
    def test_another_run_opens_at_its_own_newest_epoch(self, trained):
        other = runtime().submit(trained.token, CONFIG.model_copy(update={"seed": 11}))
        wait_for(trained.token, other)
        page = opened("time", trained=trained)
        page.slider[0].set_value(2).run()
        next(box for box in page.selectbox if box.label == "Run").set_value(other).run()
        assert not page.exception
        assert "After epoch **4** of 4" in said(page)
        assert page.slider[0].value == 4

    def test_the_slider_moves_everything_and_the_link(self, trained):
        page = opened("time", trained=trained)
        assert "After epoch **4** of 4" in said(page)
        page.slider[0].set_value(2).run()
        results_ = runtime().epochs(trained.token, trained.run_id)
        assert f"After epoch **2** of 4: test accuracy **{percent_text(results_[1].test_accuracy)}**" in said(page)
        assert page.query_params["epoch"] == "2"
        again = opened("time", {"epoch": "2"}, trained)
        assert again.slider[0].value == 2

    def test_weights_of_a_neighbouring_epoch_are_said_to_be_that(self, trained, monkeypatch):
        time_machine.weights_picture.clear()
        monkeypatch.setattr(time_machine, "network_at", lambda view, epoch: network_at(view, min(epoch, 3)))
        assert "Weights after epoch 3, the kept one nearest to 4: 12 of 12 units" in said(
            opened("time", trained=trained)
        )
        time_machine.weights_picture.clear()

    def test_weights_of_each_epoch_are_its_own(self, trained):
        chosen = results.Selected(
            runtime().run(trained.token, trained.run_id), CONFIG, runtime().epochs(trained.token, trained.run_id)
        )
        statistics = time_machine.statistics_table(chosen.epochs, ["hidden 1", "output"])
        assert statistics["epoch"] == [1, 2, 3, 4]
        norms = statistics["weight norm hidden 1"]
        for epoch, norm in zip(chosen.epochs, norms, strict=True):
            checkpoint = runtime().checkpoint(trained.token, trained.run_id, epoch.epoch)
            weights = network_of(CONFIG, checkpoint).layers[0].weights
            assert np.linalg.norm(weights) == pytest.approx(norm, rel=1e-5)
        assert len(set(norms)) == 4


class TestStep:
    def test_formula_adds_up(self):
        step = one_step(CONFIG, open_source("sample"), [0, 1, 2])
        weights, bias = step.before.layers[0]
        a, z = step.passed.a[0][0], float(step.passed.z[0][0, 5])
        assert a @ weights[:, 5] + bias[5] == pytest.approx(z)
        formula = sum_formula(a, weights[:, 5], float(bias[5]), z, 1, 5, 300)
        assert f"= {number(z)} " in formula
        assert r"781\text{ other products}" in formula

    @pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky_relu"])
    def test_pytorch_takes_the_same_step(self, activation):
        config = CONFIG.model_copy(update={"activation": activation, "hidden": (12, 9)})
        step = one_step(config, open_source("sample"), list(range(22)))
        found = differences(step, step_by_torch(*torch_arguments(step)))
        assert [item.name for item in found][:2] == ["loss", "logits"]
        assert len(found) == 2 + 3 + 3
        assert max(item.largest for item in found) < 1e-12
        # The comparison can fail: a gradient that is off by a little is found.
        wrong = step_by_torch(*torch_arguments(step))
        wrong["gradient"][100] += 1e-3
        assert max(item.largest for item in differences(step, wrong)) == pytest.approx(1e-3)

    def test_the_page_asks_a_worker(self, trained):
        page = opened("step", {"many": "batch", "layer": "2", "weights": "run"}, trained)
        button(page, "Take the same step with PyTorch").click().run()
        until = time.monotonic() + 150
        while "PyTorch is starting" in said(page) and time.monotonic() < until:
            page.run()
        assert not page.exception
        assert "numbers compared; the largest difference is" in said(page)

    def test_numbers_read_well(self):
        assert [number(x) for x in (0.25, -0.0, 1e-7, float("inf"))] == ["0.25", "0", r"1\cdot 10^{-7}", r"\infty"]

    def test_weights_in_the_middle_of_an_epoch_are_said_to_be_that(self):
        def words(epoch: int, batch: int) -> str:
            return start.how_far(Checkpoint(arrays={}, state={}, epoch=epoch, batch=batch, batches=182))

        assert words(3, 0) == "After epoch 3"
        assert words(3, 57) == "After epoch 3 and 57 of 182 batches of the next"
        assert words(0, 57) == "After 57 of 182 batches of the first epoch"


class TestCheck:
    def test_button_shows_the_worst_and_its_two_numbers(self):
        page = opened("check", {"hidden": "12", "activation": "tanh"})
        assert "Worst relative error" not in said(page)
        button(page, "Check the gradients").click().run()
        assert "Worst relative error" in said(page)
        assert "Every one agrees" in said(page)
        assert page.query_params["checked"] == "1"


class TestScripts:
    """The programs that the page hands out end on what the page shows."""

    def run(self, script: str, folder: Path) -> str:
        """Without the project: nothing of it can be imported from there."""
        done = subprocess.run(
            [sys.executable, "-I", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_training(self, trained, tmp_path):
        lines = self.run(scripts.training(CONFIG, 2), tmp_path).splitlines()
        second = runtime().epochs(trained.token, trained.run_id)[1]
        assert lines[1].endswith(f"test loss {second.test_loss:.4f}, accuracy {second.test_accuracy:.4f}")
        assert f"training loss {second.train_loss:.4f}, accuracy {second.train_accuracy:.4f}" in lines[1]
        assert [[int(count) for count in line.split()[1:]] for line in lines[2:]] == [
            list(row) for row in second.confusion
        ]

    @pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "sigmoid"])
    def test_training_with_every_activation_and_way_to_draw_weights(self, activation, tmp_path):
        initializer = {"tanh": "xavier", "sigmoid": "small", "leaky_relu": "normal"}[activation]
        settings = {"activation": activation, "initializer": initializer, "hidden": (8, 6), "epochs": 1, "bias": 0.5}
        config = CONFIG.model_copy(update=settings)
        (epoch,) = train(config, open_source("sample"))
        (line, *_) = self.run(scripts.training(config, 1), tmp_path).splitlines()
        figures = [float(figure) for figure in re.findall(r"\d+\.\d+", line)]
        theirs = [epoch.train_loss, epoch.train_accuracy, epoch.test_loss, epoch.test_accuracy]
        assert figures == pytest.approx(theirs, rel=5e-3)

    def test_comparison(self, trained, tmp_path):
        tanh = CONFIG.model_copy(update={"activation": "tanh"})
        lines = self.run(scripts.comparison([(CONFIG, CONFIG.epochs), (tanh, 1)]), tmp_path).splitlines()
        last = runtime().epochs(trained.token, trained.run_id)[-1]
        assert lines[0] == f"after epoch 4: test accuracy {last.test_accuracy:.4f}, test loss {last.test_loss:.4f}"
        assert lines[1].startswith("after epoch 1: ") and len(lines) == 2

    def test_check(self, trained, tmp_path):
        for checkpoint in (None, runtime().checkpoint(trained.token, trained.run_id, 2)):
            found = gradient_check(CONFIG, open_source("sample"), checkpoint=checkpoint, images=8, per_layer=25, seed=0)
            said_ = self.run(scripts.check(CONFIG, checkpoint, 8, 25), tmp_path)
            worst, backward, nudged = (float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", said_))
            assert worst < AGREES
            assert backward == pytest.approx(nudged, rel=1e-3)
            assert any(backward == pytest.approx(checked.analytic, rel=1e-4) for checked in found.parameters)

    def test_one_step(self, trained, tmp_path):
        for checkpoint in (None, runtime().checkpoint(trained.token, trained.run_id, 1)):
            step = one_step(CONFIG, open_source("sample"), [3, 4], checkpoint)
            said_ = self.run(scripts.one_step(CONFIG, checkpoint, step), tmp_path)
            ours, theirs = (float(loss) for loss in re.findall(r"\d+\.\d+", said_.splitlines()[0]))
            assert ours == pytest.approx(step.loss, rel=1e-3) and ours == pytest.approx(theirs, rel=1e-5)
            assert all(float(line.rpartition(" ")[2]) < 1e-5 for line in said_.splitlines()[1:])

    def test_table_1(self):
        cell = read_table1().cell("relu", 0.8, "he")
        assert f"he relu 80%: accuracy {cell.accuracy:.4f} ± {cell.accuracy_spread:.4f}" in self.run(
            scripts.TABLE1, ROOT
        )


class TestCompare:
    def epochs(self, *accuracies: float) -> list[ScratchEpoch]:
        return [
            ScratchEpoch(epoch=i, train_loss=1, train_accuracy=a, seconds=1, test_loss=1, test_accuracy=a)
            for i, a in enumerate(accuracies, start=1)
        ]

    def test_seeds_are_averaged_over_the_epochs_they_share(self):
        rows = compare.line_rows(
            ["a", "a", "b"],
            [1, 2, 1],
            [self.epochs(0.5, 0.7), self.epochs(0.7, 0.9, 0.95), self.epochs(0.4)],
            "test_accuracy",
        )
        means = {
            (series, epoch): value
            for epoch, value, series, mean in zip(
                rows["epoch"], rows["value"], rows["series"], rows["mean"], strict=True
            )
            if mean
        }
        assert means == pytest.approx({("a", 1): 0.6, ("a", 2): 0.8, ("b", 1): 0.4})
        assert rows["mean"].count(False) == 6

    def test_differences_are_named_and_seeds_share_a_line(self, trained):
        others = [
            runtime().submit(trained.token, CONFIG.model_copy(update=changes))
            for changes in ({"seed": 8}, {"learning_rate": 0.1})
        ]
        for run_id in others:
            wait_for(trained.token, run_id)
        views = [runtime().run(trained.token, run_id) for run_id in (trained.run_id, *others)]
        assert compare.group_names(views) == ["learning rate 0.01", "learning rate 0.01", "learning rate 0.1"]
        page = opened("compare", {"runs": f"{trained.run_id},{others[1]}"}, trained)
        text = said(page)
        assert "These runs differ in learning rate (0.01 / 0.1)" in text
        assert "same weights and see the same images" in text
        assert "Second less first, test accuracy:" in text

    def test_four_more_seeds_are_four_runs_that_differ_in_nothing_else(self):
        token = new_token()
        config = ScratchConfig(epochs=1, hidden=(4,), seed=52)
        run_id = runtime().submit(token, config)
        wait_for(token, run_id)
        page = opened("compare", {"me": token, "runs": run_id})
        button(page, "Train four more seeds").click().run()
        assert not page.exception
        runs = runtime().runs(token)
        assert sorted(run.config.seed for run in runs) == [52, 53, 54, 55, 56]
        assert {run.config.model_copy(update={"seed": 0}) for run in runs} == {config.model_copy(update={"seed": 0})}


class TestTable1:
    def test_he_is_hidden_until_the_learner_commits_or_skips(self):
        page = opened("table1")
        assert "What it was" not in [heading.value for heading in page.subheader]
        assert button(page, "Reveal").disabled
        page.radio[0].set_value("split").run()
        field(page, "Test accuracy ReLU 80–20 would reach, in %").set_value("90").run()
        button(page, "Reveal").click().run()
        assert not page.exception
        assert "What it was" in [heading.value for heading in page.subheader]
        text = said(page)
        assert "You suspected **the split**. It moves" in text
        assert "You predicted 90 %. With He weights, ReLU 80–20 reaches 97" in text
        assert "the initial weights move the accuracy most" in text
        assert page.query_params["suspect"] == "split"

    def test_report_and_ours_side_by_side(self):
        page = opened("table1")
        text = said(page)
        assert "seeds 52, 53, 54, 55 and 56" in text

    def test_no_guess_is_made_for_the_learner_and_a_guess_of_0_is_one(self):
        page = opened("table1")
        guess = field(page, "Test accuracy ReLU 80–20 would reach, in %")
        assert guess.value == ""
        guess.set_value("0").run()
        assert page.query_params["guess"] == "0"
        page = opened("table1", {"guess": "0", "suspect": "weights", "revealed": "1"})
        assert "You predicted 0 %" in said(page)
        field(page := opened("table1", {"guess": "40"}), "Test accuracy ReLU 80–20 would reach, in %").set_value(
            ""
        ).run()
        assert "guess" not in page.query_params

    def test_every_change_of_the_suspect_counts(self):
        page = opened("table1")
        radio = next(item for item in page.radio if item.label.startswith("Which choice"))
        for suspect in ("activation", "split", "weights", "activation"):
            radio.set_value(suspect).run()
            assert page.query_params["suspect"] == suspect
            radio = next(item for item in page.radio if item.label.startswith("Which choice"))
            assert radio.value == suspect

    def test_six_cells_live_keep_the_prediction(self):
        token = new_token()
        page = opened("table1", {"me": token, "suspect": "weights", "guess": "95"})
        button(page, "Train all six with N(0, 1) weights").click().run()
        assert not page.exception
        runs = runtime().runs(token)
        assert {(run.config.activation, run.config.train_fraction) for run in runs} == {
            (activation, fraction) for activation in ("tanh", "relu") for fraction in (0.7, 0.8, 0.9)
        }
        assert all(run.config.source == "sample" for run in runs)
        # The guess is about ReLU 80–20 with He weights on all of MNIST, not about these runs: it has a name of its own.
        kept = {"suspect": "the initial weights", "table1_he_accuracy": 0.95, "reason": ""}
        assert all(run.prediction == kept for run in runs)
        for run in runs:
            runtime().stop(token, run.id)
