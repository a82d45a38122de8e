"""Table 1's recording: it resumes, refuses what does not belong, is found again by training, and earns its words."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore.experiments import comparison, table1
from mlcore.experiments.reports import TABLE1, r1_config
from mlcore.experiments.table1 import RECORDED, RecordedRun, RecordingProblem, RunKey, Table1

SHORT = {"source": "sample", "epochs": 2, "hidden": (8,)}


def made_up(values: dict[str, float], spread: float = 0.001) -> Table1:
    """A table in which each cell's accuracy is what `values` adds up to for it, with a little scatter by seed."""
    runs = {}
    for key in table1.table1_runs():
        share = values["base"] + values.get(key.initializer, 0) + values.get(key.activation, 0)
        share += values.get(f"{key.train_fraction:.0%}", 0) + spread * (key.seed - 54)
        epochs = {"test_accuracy": np.array([share]), "test_loss": np.array([1 - share])}
        runs[key] = RecordedRun(key, epochs, np.full((10, 10), 70), 1.0)
    return Table1({}, runs)


class TestRecording:
    def test_all_sixty_runs_whole_tables_first(self):
        runs = table1.table1_runs()
        assert len(runs) == len(set(runs)) == 60
        assert {key.seed for key in runs[:12]} == {52}
        assert RunKey("relu", 0.8, "normal", 52).config() == r1_config("relu", 0.8)

    def test_goes_on_where_it_was_and_reads_back(self, tmp_path, monkeypatch):
        seeds = (52,)
        recording = table1.record_table1(None, tmp_path, seeds=seeds, changes=SHORT)
        first = next(recording)
        recording.close()
        assert first == (1, 12, RunKey("tanh", 0.9, "normal", 52))
        trained = []
        real = table1.train_run
        monkeypatch.setattr(table1, "train_run", lambda key, *rest: trained.append(key) or real(key, *rest))
        last = list(table1.record_table1(None, tmp_path, seeds=seeds, changes=SHORT))[-1]
        assert last[:2] == (12, 12)
        assert len(trained) == 11 and first[2] not in trained
        table = table1.read_table1(tmp_path)
        assert set(table.runs) == set(table1.table1_runs(seeds))
        again = real(first[2], None, SHORT)
        assert table.runs[first[2]].epochs["test_loss"] == pytest.approx(again["epochs"]["test_loss"], rel=1e-7)
        assert table.runs[first[2]].confusion.tolist() == again["confusion"]
        assert table.about["data_hash"] == again["data_hash"]

    def test_two_workers_record_what_one_does(self, tmp_path):
        for workers in (1, 2):
            done = list(
                table1.record_table1(None, tmp_path / str(workers), workers=workers, seeds=(52,), changes=SHORT)
            )
            assert [count for count, _, _ in done] == list(range(1, 13))
        one, two = (table1.read_table1(tmp_path / str(workers)).runs for workers in (1, 2))
        for key, run in one.items():
            assert two[key].epochs["test_loss"] == pytest.approx(run.epochs["test_loss"], rel=1e-7)

    def test_refuses_other_settings_and_damage(self, tmp_path):
        next(table1.record_table1(None, tmp_path, seeds=(52,), changes=SHORT))
        with pytest.raises(RecordingProblem, match="other settings"):
            next(table1.record_table1(None, tmp_path, seeds=(52,), changes={**SHORT, "batch_size": 50}))
        (tmp_path / "summary.json").write_text("{")
        with pytest.raises(RecordingProblem, match="damaged"):
            table1.read_table1(tmp_path)
        with pytest.raises(RecordingProblem, match="no recording"):
            table1.read_table1(tmp_path / "elsewhere")


class TestKeptRecording:
    """What lies in assets/table1."""

    def test_is_whole_and_says_how_it_was_made(self):
        table = table1.read_table1(RECORDED)
        assert set(table.runs) == set(table1.table1_runs())
        for key, run in table.runs.items():
            assert len(run.epochs["test_loss"]) == 25 and not run.halted
            cell = next(c for c in TABLE1 if (c.activation, c.train_fraction) == key[:2])
            assert run.confusion.sum() == cell.images
            assert np.trace(run.confusion) / cell.images == pytest.approx(run.accuracy, abs=1e-6)
        assert table.about["command"].startswith("python -m mlcore record table1 ")
        assert {"versions", "data_hash", "machine", "seconds", "recorded"} <= set(table.about)

    @pytest.mark.parametrize("key", [RunKey("relu", 0.8, "he", 52), RunKey("tanh", 0.7, "normal", 53)])
    def test_two_epochs_on_full_mnist_find_the_recorded_numbers(self, key, mnist_dir):
        recorded = table1.read_table1(RECORDED).runs[key]
        again = table1.train_run(key, str(mnist_dir), {"epochs": 2})
        assert again["data_hash"] == table1.read_table1(RECORDED).about["data_hash"]
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            # The same processor gives the same numbers. Another rounds float32 sums otherwise, which unscaled weights
            # blow up to a few tenths of a per cent in two epochs; another seed moves them by several per cent.
            assert again["epochs"][name] == pytest.approx(recorded.epochs[name][:2], rel=1e-2), name

    def test_lands_beside_the_report(self):
        """With the report's seed each cell lies within 3 points of the report's; He weights gain eight or more.

        Other seeds may not: with unscaled weights some ReLU runs lose a digit for good and end ten points lower. And
        another order of the same sums moves a ReLU run by up to three points (docs/decisions.md).
        """
        table = table1.read_table1(RECORDED)
        for cell in TABLE1:
            ours = table.runs[table1.RunKey(cell.activation, cell.train_fraction, "normal", 52)].accuracy
            assert abs(ours - cell.accuracy) < 0.03
            assert table.cell(cell.activation, cell.train_fraction, "he").accuracy - cell.accuracy > 0.08


class TestWords:
    def test_newcombe_interval_is_the_published_one(self):
        """Newcombe 1998, table II, example (a), method 10: 56/70 − 48/80 = 0.2 (0.0524 to 0.3339)."""
        verdict = comparison.compare_shares(48 / 80, 80, 56 / 70, 70)
        assert (verdict.low, verdict.high) == pytest.approx((5.24, 33.39), abs=0.005)
        assert not verdict.noise and "more than chance" in verdict.words

    def test_small_difference_is_called_noise(self):
        verdict = comparison.compare_shares(0.8313, 7000, 0.835, 14000)
        assert verdict.noise
        assert verdict.words.startswith("+0.37 points") and verdict.words.endswith("inside the noise")

    def test_paired_seeds_use_students_t(self):
        from scipy import stats

        before, after = [0.80, 0.82, 0.79], [0.83, 0.84, 0.83]
        verdict = comparison.compare_seeds(before, after)
        expected = stats.ttest_rel(after, before).confidence_interval(0.95)
        assert (verdict.low, verdict.high) == pytest.approx((100 * expected.low, 100 * expected.high))
        with pytest.raises(ValueError, match="two or more seeds"):
            comparison.compare_seeds([0.8], [0.9])

    def test_one_more_training_is_judged_by_the_spread_over_seeds(self):
        ours = [0.880, 0.884, 0.878, 0.886, 0.882]
        assert comparison.compare_with_one(ours, 0.8789).noise
        assert not comparison.compare_with_one(ours, 0.85).noise

    def test_conclusion_follows_the_numbers(self):
        weights = comparison.table1_conclusion(made_up({"base": 0.85, "he": 0.10, "relu": 0.02, "90%": 0.005}))
        assert "initial weights move the accuracy most: +10.0" in weights
        assert "the activation +2.0" in weights and "the split +0.5" in weights
        activation = comparison.table1_conclusion(made_up({"base": 0.7, "he": 0.01, "relu": 0.2}))
        assert "the activation moves the accuracy most: +20.0" in activation

    def test_no_effect_is_called_noise(self):
        table = made_up({"base": 0.9})
        assert all(effect.verdict.difference == pytest.approx(0) for effect in comparison.table1_effects(table))
        assert "inside the noise" in comparison.effect_of_split(table, "he").text

    def test_report_findings_name_what_its_own_images_cannot_settle(self):
        lines = comparison.report_findings()
        noise = [line for line in lines if "inside the noise" in line]
        assert any(line.startswith("Report, tanh, 90–10 against 80–20") for line in noise)
        assert not any("ReLU against tanh" in line for line in noise)


class TestConfigs:
    def test_differences_are_named_with_their_values(self):
        a = r1_config("relu", 0.8)
        text = comparison.difference_words([a, r1_config("relu", 0.8, learning_rate=0.1, initializer="he")])
        assert (
            text
            == "These runs differ in learning rate (0.01 / 0.1) and initial weights (N(0, 1) weights / He weights)."
        )
        assert "the same run" in comparison.difference_words([a, a])
        assert "second run" in comparison.difference_words([a])

    def test_same_start_when_only_training_settings_differ(self):
        a = r1_config("relu", 0.8)
        same = [a, r1_config("tanh", 0.8, learning_rate=0.1, epochs=3, batch_size=64)]
        assert "only training settings" in comparison.start_words(same)
        assert "same weights" in comparison.start_words([a, r1_config("relu", 0.8, learning_rate=0.1)])
        assert comparison.start_words([a, r1_config("relu", 0.8, seed=53)]).startswith("Only luck differs")
        assert (
            "do not start from the same weights and biases (hidden layers)"
            in comparison.start_words([a, r1_config(hidden=(64,))]).lower()
        )
        assert "same images (training share)" in comparison.start_words([a, r1_config("relu", 0.7)])
